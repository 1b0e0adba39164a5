"""Audio in: a path or a binary stream in, mono float32 blocks out; nothing is ever loaded whole.

libsndfile (soundfile) reads what it recognises, FFmpeg (PyAV, the extra ``av``) the rest, libsoxr resamples.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import stat
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedWriter, BytesIO, FileIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import soundfile
import soxr

from tempocli.errors import AudioError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Any, Self

    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

MIN_SAMPLE_RATE = 4_000
MAX_SAMPLE_RATE = 192_000

# Samples of a block over all its channels, which bounds the memory whatever the header claims: 3 s of
# mono at 44.1 kHz. Measured: soxr and libsndfile slow down below 32,768 and gain nothing above.
_BLOCK_SIZE = 131_072

# Floats may exceed full scale, and some files hold integers as floats; past this the power spectrum
# overflows.
_MAX_PEAK = 1e10

# libsndfile's codes for "not mine": unrecognised format, unsupported encoding, unimplemented format, and bad
# resource fork, which is what it makes of any file named "._" in the current folder. Its other errors mean
# a format that it knows and a file that is broken.
_NOT_RECOGNISED = (1, 4, 18, *range(149, 155))

# Where its own text would mislead: that the file does not exist, or that the error is one of ours.
_PLAIN_WORDS = {
    7: "no frame of it can be decoded",
    24: "its header holds impossible values",
    29: "the decoder gives up",
}

# Of WAV, AU and AIFF, in libsndfile's log: bytes of samples, by the header and by the length of the file.
_SHORT_DATA = re.compile(r"^ *(?:data|Data Size|SSND) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN_SIZE = 0x7FFF0000
# The MIDI sample dump: libsndfile prints about a damaged one on stdout, where only results may go.
_SDS_MAGIC = b"\xf0\x7e"

# FFmpeg's other demuxers read playlists, subtitles and images, some of which open further files or URLs.
_AV_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,avi,caf,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpegts,ogg,"
    "tta,w64,wav,wv"
)

_KINDS = {
    stat.S_IFDIR: "is a directory",
    stat.S_IFIFO: "not a regular file (FIFO)",
    stat.S_IFSOCK: "not a regular file (socket)",
    stat.S_IFCHR: "not a regular file (device)",
    stat.S_IFBLK: "not a regular file (device)",
}


class _DecodeError(Exception):
    """A decoder gave up; the text is its reason."""


@dataclass(frozen=True, slots=True)
class _Decoder:
    """What both libraries are reduced to: mono blocks that end, or raise _DecodeError where damage begins."""

    sample_rate: int
    channels: int
    blocks: Iterator[NDArray[np.float32]]


class AudioFile:
    """An audio input that is open for reading, from `open_audio`; a context manager.

    Attributes
    ----------
    name : str
        What the user called the input, control characters escaped; ``-`` for a stream without a name.
    sample_rate : int
        Samples a second of the input, in Hz.
    channels : int
        Number of channels of the input.
    """

    def __init__(self, name: str, decoder: _Decoder, resources: ExitStack) -> None:
        self.name = name
        self.sample_rate = decoder.sample_rate
        self.channels = decoder.channels
        self._decoded = decoder.blocks
        self._resources = resources

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._resources.close()

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Decode the input once, from its start, in blocks of bounded size.

        Where the input is cut short or damaged, what comes before is given and the damage is logged.

        Yields
        ------
        ndarray of float32, shape=(n_samples,)
            Consecutive mono samples (the mean of the channels) at `sample_rate`, full scale 1; never empty,
            always finite.

        Raises
        ------
        AudioError
            If no sample can be decoded, or a sample is NaN, infinite or absurdly large.
        """
        n_samples = 0
        damage = None
        try:
            for block in self._decoded:
                if len(block):
                    check_samples(block, self.name)
                    yield block
                    n_samples += len(block)
        except _DecodeError as error:
            damage = str(error)
        if not n_samples:
            raise AudioError(
                self.name, f"no audio can be decoded: {damage}" if damage else "holds no samples"
            )
        if damage:
            logger.warning("%s: damaged after %.1f s: %s", self.name, n_samples / self.sample_rate, damage)


def open_audio(source: str | Path | BinaryIO) -> AudioFile:
    """Open an audio input.

    Parameters
    ----------
    source : str, Path or binary file object
        A regular file, or a stream of bytes, which is read from its start if it is a regular file, else
        copied to a temporary file first. It stays open; its position is lost.

    Returns
    -------
    AudioFile
        To be used as a context manager, or closed.

    Raises
    ------
    AudioError
        If it is missing, unreadable, empty, not a regular file, or not in a format that can be read.

    Examples
    --------
    >>> with open_audio("song.wav") as audio:  # doctest: +SKIP
    ...     n_samples = sum(len(block) for block in audio.blocks())
    """
    with ExitStack() as resources:
        if isinstance(source, str | Path):
            name = _printable(os.fspath(source))
            file = _open_path(os.fspath(source), name, resources)
        else:
            name = _stream_name(source)
            file = _open_stream(source, name, resources)
        decoder = _open_decoder(file, name, resources)
        if decoder.channels < 1:
            raise AudioError(name, "has no channels")
        check_sample_rate(decoder.sample_rate, name)
        return AudioFile(name, decoder, resources.pop_all())


def stream_audio(source: str | Path | BinaryIO, *, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """Decode and resample an audio input in blocks of bounded size.

    Parameters
    ----------
    source : str, Path or binary file object
        See `open_audio`.
    sample_rate : int
        Samples a second wanted, in Hz.

    Yields
    ------
    ndarray of float32, shape=(n_samples,)
        Consecutive mono samples at `sample_rate`, full scale 1; never empty, always finite.

    Raises
    ------
    AudioError
        As `open_audio` and `AudioFile.blocks`.

    Examples
    --------
    >>> n_samples = sum(len(block) for block in stream_audio("song.wav", sample_rate=22050))  # doctest: +SKIP
    """
    with open_audio(source) as audio:
        if audio.sample_rate == sample_rate:
            yield from audio.blocks()
        else:
            yield from resample_blocks(audio.blocks(), audio.sample_rate, sample_rate)


def load_audio(source: str | Path | BinaryIO, *, sample_rate: int) -> NDArray[np.float32]:
    """Decode and resample a whole audio input into memory.

    Parameters
    ----------
    source : str, Path or binary file object
        See `open_audio`.
    sample_rate : int
        Samples a second wanted, in Hz.

    Returns
    -------
    ndarray of float32, shape=(n_samples,)
        Mono samples at `sample_rate`, full scale 1, always finite.

    Raises
    ------
    AudioError
        As `open_audio` and `AudioFile.blocks`.
    """
    return np.concatenate([np.zeros(0, np.float32), *stream_audio(source, sample_rate=sample_rate)])


def resample_blocks(
    blocks: Iterable[NDArray[np.float32]], rate_in: int, rate_out: int
) -> Iterator[NDArray[np.float32]]:
    """Resample a signal that arrives in blocks.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape=(n_samples,)
        Consecutive mono samples at `rate_in`.
    rate_in, rate_out : int
        Samples a second, in Hz.

    Yields
    ------
    ndarray of float32, shape=(n_samples,)
        Consecutive mono samples at `rate_out`; never empty.
    """
    stream = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ")
    for block in blocks:
        resampled = stream.resample_chunk(block)
        if len(resampled):
            yield resampled
    tail = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    if len(tail):
        yield tail


def check_sample_rate(sample_rate: float, name: str) -> None:
    """Raise AudioError, about the input `name`, for a sample rate that no audio has."""
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        reason = f"sample rate {sample_rate} Hz is not in {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz"
        raise AudioError(name, reason)


def check_samples(samples: NDArray[np.floating], name: str) -> None:
    """Raise AudioError, about the input `name`, for samples that are NaN, infinite or absurdly large."""
    low, high = float(samples.min()), float(samples.max())
    if low >= -_MAX_PEAK and high <= _MAX_PEAK:  # false for NaN
        return
    if np.isfinite(samples).all():
        raise AudioError(name, f"samples of {max(-low, high):.0e} times full scale")
    raise AudioError(name, "NaN or Inf samples")


def _printable(name: str) -> str:
    """Escape what would break a message's line or cannot be encoded."""
    unprintable = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
    return re.sub(unprintable, lambda match: match[0].encode("unicode_escape").decode("ascii"), name)


def _stream_name(stream: BinaryIO) -> str:
    name = getattr(stream, "name", None)
    # An open file knows its path; standard input is "<stdin>", and a temporary file has a number.
    return _printable(name) if isinstance(name, str) and not name.startswith("<") else "-"


def _open_path(path: str, name: str, resources: ExitStack) -> FileIO:
    try:
        # Before opening: opening a FIFO waits for its writer.
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            raise AudioError(name, _KINDS.get(stat.S_IFMT(mode), "not a regular file"))
        return resources.enter_context(FileIO(path))
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise AudioError(name, _reason(error)) from error


def _open_stream(stream: BinaryIO, name: str, resources: ExitStack) -> FileIO:
    """Get a file of its own for `stream`: the same one, or a temporary copy, since all decoders seek."""
    try:
        if stream.isatty():
            raise AudioError(name, "is a terminal, not audio")
        if _is_regular_file(stream):
            return resources.enter_context(FileIO(os.dup(stream.fileno())))
        spool = resources.enter_context(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 - the stack closes it
        writer = BufferedWriter(spool)
        shutil.copyfileobj(stream, writer, 1 << 20)
        writer.detach()
    except (OSError, ValueError) as error:  # ValueError: the stream is closed
        raise AudioError(name, _reason(error)) from error
    return spool


def _is_regular_file(stream: BinaryIO) -> bool:
    # A stream that decompresses has a descriptor, too: that of the compressed file.
    plain = isinstance(getattr(stream, "raw", stream), FileIO)
    return plain and stat.S_ISREG(os.fstat(stream.fileno()).st_mode)


def _reason(error: Exception) -> str:
    return " ".join((getattr(error, "strerror", None) or str(error)).split()).removesuffix(".")


def _open_decoder(file: FileIO, name: str, resources: ExitStack) -> _Decoder:
    try:
        file.seek(0)
        head = file.read(len(_SDS_MAGIC))
    except OSError as error:
        raise AudioError(name, _reason(error)) from error
    if not head:
        raise AudioError(name, "is empty")
    if head == _SDS_MAGIC:
        raise AudioError(name, "a MIDI sample dump, which is not read")
    file.seek(0)
    try:
        return _open_soundfile(file, resources)
    except soundfile.LibsndfileError as error:
        if error.code not in _NOT_RECOGNISED:
            raise AudioError(name, f"damaged: {_soundfile_reason(error)}") from error
        not_recognised = _soundfile_reason(error)
    file.seek(0)
    try:
        return _open_av(file, resources)
    except ImportError as error:
        extra = MissingExtraError("AAC, ALAC, M4A, WMA, MP4 or WebM", "av")
        raise AudioError(name, f"libsndfile: {not_recognised}; {extra}") from error
    except _DecodeError as error:
        raise AudioError(name, f"libsndfile: {not_recognised}; FFmpeg: {error}") from error


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is read straight through.

    soundfile seeks before and after each read of a seekable file, which costs time, and at the end of a
    truncated FLAC file fails and loses the block.
    """

    def seekable(self) -> bool:
        return False


def _open_soundfile(file: FileIO, resources: ExitStack) -> _Decoder:
    sound = _sound_file(file)
    resources.callback(sound.close)
    return _Decoder(sound.samplerate, sound.channels, _soundfile_blocks(sound))


def _sound_file(file: FileIO) -> soundfile.SoundFile:
    # A descriptor keeps threads from waiting for each other, as they do when libsndfile calls back into
    # Python, and tells the format by the content alone: a path's extension turns any bytes into raw audio.
    # On Windows a descriptor means nothing to a DLL with a C runtime of its own.
    if os.name != "posix":
        return _Sequential(file)
    try:
        return _Sequential(file.fileno(), closefd=False)
    except soundfile.LibsndfileError as not_recognised:
        path = file.name if isinstance(file.name, str) else ""
        if not_recognised.code not in _NOT_RECOGNISED or not path.lower().endswith(".mp3"):
            raise
        # Only by this name does libsndfile look past junk for the first frame, as in a stream cut anywhere.
        try:
            return _Sequential(os.fsencode(path))
        except soundfile.LibsndfileError:
            raise not_recognised from None


def _soundfile_blocks(sound: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    # libsndfile takes several times longer to convert 16 bits to floats than numpy does.
    dtype, full_scale = (np.int16, 32768.0) if sound.subtype == "PCM_16" else (np.float32, 1.0)
    buffer = np.empty((max(1, _BLOCK_SIZE // sound.channels), sound.channels), dtype)
    while True:
        buffer.fill(0)
        try:
            block = sound.read(out=buffer)
        except soundfile.LibsndfileError as error:
            yield _mean(_written(buffer), full_scale)
            raise _DecodeError(_soundfile_reason(error)) from error
        if not len(block):
            break
        yield _mean(block, full_scale)
    if _ends_early(sound.extra_info):
        raise _DecodeError("the file ends before its samples do")


def _ends_early(log: str) -> bool:
    """Tell by libsndfile's log whether uncompressed samples are fewer than the header says."""
    found = _SHORT_DATA.search(log)
    # What writes into a pipe cannot know the size, and says that it is as large as can be.
    return found is not None and int(found[2]) < int(found[1]) < _UNKNOWN_SIZE


def _written(buffer: NDArray[Any]) -> NDArray[Any]:
    """Cut off the rows that the decoder did not reach; it does not say how many."""
    rows = np.flatnonzero(buffer.any(axis=1))
    return buffer[: rows[-1] + 1] if len(rows) else buffer[:0]


def _mean(block: NDArray[Any], full_scale: float) -> NDArray[np.float32]:
    """Average the channels of `block`, shape=(n_samples, channels), into a new array."""
    channels = block.shape[1]
    with np.errstate(invalid="ignore", over="ignore"):
        samples = block.astype(np.float32, copy=False)
        # Reducing over a short last axis takes numpy forty times longer; a matrix product starts threads.
        mono: NDArray[np.float32] = samples[:, 0] * np.float32(1.0 / (channels * full_scale))
        for channel in range(1, channels):
            mono += samples[:, channel] * np.float32(1.0 / (channels * full_scale))
    return mono


def _soundfile_reason(error: soundfile.LibsndfileError) -> str:
    text: str = _PLAIN_WORDS.get(error.code) or error.error_string
    return " ".join(text.removeprefix("Error :").split()).removesuffix(".")


def _open_av(file: FileIO, resources: ExitStack) -> _Decoder:
    import av

    # Tags may be in any encoding. From version 19 on that is no error, and there is no such argument.
    tags = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
    with _av_errors():
        options = {"format_whitelist": _AV_FORMATS}
        container = resources.enter_context(av.open(file, options=options, **tags))
    if not container.streams.audio:
        raise _DecodeError("no audio stream")
    frames = _av_frames(container)
    first = next(frames, None)
    if first is None:
        raise _DecodeError("no audio can be decoded")
    # The frame knows better than the header, which may state half the rate of HE-AAC.
    channels = first.layout.nb_channels
    return _Decoder(first.sample_rate, channels, _av_blocks(chain([first], frames), channels))


def _av_frames(container: Any) -> Iterator[Any]:
    import av

    with _av_errors():
        for packet in container.demux(container.streams.audio[0]):
            try:
                yield from packet.decode()
            except av.error.InvalidDataError:
                continue  # players, too, drop a damaged packet and go on


def _av_blocks(frames: Iterable[Any], channels: int) -> Iterator[NDArray[np.float32]]:
    import av

    # It joins the frames, some thousand samples each, into blocks, and interleaves the channels: the arrays
    # that PyAV makes of eight planes or more read beyond their end. It refuses a change of format.
    joiner = av.AudioResampler(format="flt", frame_size=max(1, _BLOCK_SIZE // channels))
    damage = None
    try:
        for frame in frames:
            yield from _av_joined(joiner, frame, channels)
    except _DecodeError as error:
        damage = error
    yield from _av_joined(joiner, None, channels)
    if damage:
        raise damage


def _av_joined(joiner: Any, frame: Any, channels: int) -> Iterator[NDArray[np.float32]]:
    with _av_errors():
        for block in joiner.resample(frame):
            yield _mean(block.to_ndarray().reshape(-1, channels), 1.0)


@contextmanager
def _av_errors() -> Iterator[None]:
    import av

    try:
        yield
    # The built-in ones come from seeking, in a damaged file, where nothing is, and from a change of format.
    except (av.error.FFmpegError, IndexError, OSError, ValueError) as error:
        raise _DecodeError(_reason(error)) from error


def encode_flac(samples: NDArray[np.float32], *, sample_rate: int) -> bytes:
    """Encode mono samples, shape=(n_samples,), full scale 1, as a FLAC file of 16 bits."""
    # In memory, since libsndfile has no words of its own for a disk that is full.
    file = BytesIO()
    soundfile.write(file, samples, sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
