"""Decode by FFmpeg (PyAV, the extra ``av``), which is imported on first use."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from tempocli.audio.channels import Downmixer
from tempocli.audio.checks import is_sample_rate
from tempocli.audio.decoders import reasons
from tempocli.audio.decoders.decoding import BLOCK_SIZE, DecodeError, Decoder, NotRecognisedError
from tempocli.audio.decoders.ffmpeg_input import FFmpegInput
from tempocli.audio.formats import FFMPEG_DEMUXERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import ExitStack
    from io import FileIO
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

# Demuxers whose duration of a stream is what the file says; others guess it by the bit rate.
_STATE_DURATIONS = {"ape", "flac", "mov", "ogg", "tta", "wv"}
# Those whose files state one duration for all streams; where they do not, FFmpeg guesses that of each stream.
_STATE_ONE_DURATION = {"flv", "matroska"}
_MICROSECONDS = 1_000_000
# A header may make a million packets of a few bytes; so many in a row that fail are a quarter of an hour.
_MOST_DROPPED = 40_000


def open_ffmpeg(file: FileIO, resources: ExitStack) -> Decoder:
    """Open the default audio stream of `file` by FFmpeg, until `resources` are closed.

    Raises
    ------
    ImportError
        If PyAV is not installed.
    NotRecognisedError
        If the format is unknown or not allowed.
    DecodeError
        If no audio can be decoded.
    """
    import av

    file.seek(0)
    source = FFmpegInput(file)
    # Tags may be in any encoding. From PyAV 19 on this is not an error, and the argument does not exist.
    tags = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
    options = {"format_whitelist": ",".join(FFMPEG_DEMUXERS)}
    try:
        with _plain_errors(source):
            container = resources.enter_context(av.open(source, options=options, **tags))
            stream = container.streams.best("audio")
    except DecodeError as error:
        # Of a format that it may not read, FFmpeg says that the arguments are wrong.
        if isinstance(error.__cause__, av.error.InvalidDataError | av.error.ArgumentError):
            raise NotRecognisedError(reasons.NOT_RECOGNISED) from error
        raise
    if stream is None:
        if not container.streams.audio:
            raise DecodeError(reasons.NO_AUDIO_STREAM)
        known = any(each.codec_context is not None for each in container.streams.audio)
        raise DecodeError(reasons.NOTHING_DECODED if known else reasons.UNKNOWN_ENCODING)
    frames = _Frames(container, stream, source)
    first = next(frames, None)
    if first is None:
        raise DecodeError(reasons.NOTHING_DECODED)
    # The frame knows better than the header, which may state half the rate of HE-AAC.
    rate = first.sample_rate
    return Decoder(rate, first.layout.nb_channels, _blocks(chain([first], frames), frames, rate))


def _stated_duration(container: Any, stream: Any) -> float | None:
    """Return the duration of a stream in seconds as stated by the file, if it is stated."""
    names = set(container.format.name.split(","))
    if names & _STATE_DURATIONS and stream.duration:
        return float(stream.duration * stream.time_base)
    alone = stream.duration is None and not container.streams.video
    if names & _STATE_ONE_DURATION and alone and container.duration:
        return float(container.duration / _MICROSECONDS)
    return None


class _Frames:
    """Decode the frames of a stream and count the packets that cannot be decoded."""

    def __init__(self, container: Any, stream: Any, source: FFmpegInput) -> None:
        self.n_dropped = 0
        self.n_dropped_since = 0
        self.expected = _stated_duration(container, stream)
        self._frames = self._decode(container, stream, source)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._frames)

    def _decode(self, container: Any, stream: Any, source: FFmpegInput) -> Iterator[Any]:
        import av

        with _plain_errors(source):
            for packet in container.demux(stream):
                try:
                    for frame in packet.decode():
                        self.n_dropped_since = 0
                        yield frame
                except av.error.EOFError:
                    break
                except av.error.FFmpegError:
                    # Players also drop a damaged packet and continue.
                    self.n_dropped += 1
                    self.n_dropped_since += 1
                    if self.n_dropped_since >= _MOST_DROPPED:
                        raise DecodeError(reasons.BROKEN_DATA) from None
        if source.error is not None:
            raise DecodeError(reasons.system_reason(source.error)) from source.error


def _blocks(decoded: Iterable[Any], frames: _Frames, rate: int) -> Iterator[NDArray[np.float32]]:
    n_samples = 0
    damage = None
    joiner = _Joiner(rate)
    try:
        for frame in decoded:
            for block in joiner.join(frame):
                n_samples += len(block)
                yield block
    except DecodeError as error:
        damage = error
    for block in joiner.finish():
        n_samples += len(block)
        yield block
    duration = n_samples / rate
    # What else a duration may stand for: encoders' padding, edits, pictures that last longer.
    short = frames.expected is not None and duration + max(1.0, 0.02 * frames.expected) < frames.expected
    expected = frames.expected if short else None
    if damage is not None:
        raise DecodeError(damage.reason, expected=expected) from damage
    if frames.n_dropped > frames.n_dropped_since or (frames.n_dropped and not short):
        count = f"{frames.n_dropped} packet{'s' * (frames.n_dropped > 1)}"
        raise DecodeError(f"{count} could not be decoded", stops=False, expected=expected)
    if short:
        raise DecodeError(reasons.ENDS_EARLY, expected=expected)


class _Joiner:
    """Join short frames, whose format may change, into mono blocks."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._kind: tuple[str, str, int] | None = None
        self._resampler: Any = None
        self._channels = 0
        self._downmixer: Downmixer | None = None

    def join(self, frame: Any) -> Iterator[NDArray[np.float32]]:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            yield from self.finish()
            if self._kind and not is_sample_rate(frame.sample_rate):
                # A few samples at 1 Hz would become millions.
                raise DecodeError(reasons.IMPOSSIBLE_VALUES)
            self._start(frame)
            self._kind = kind
        yield from self._join(frame)

    def finish(self) -> Iterator[NDArray[np.float32]]:
        if self._resampler is not None:
            yield from self._join(None)
            self._resampler = None

    def _start(self, frame: Any) -> None:
        import av

        self._channels = frame.layout.nb_channels
        # It joins the frames, some thousand samples each, into blocks, and interleaves the channels: the
        # arrays that PyAV makes of eight planes or more read beyond their end.
        self._resampler = av.AudioResampler(
            format="flt",
            rate=None if frame.sample_rate == self._rate else self._rate,
            frame_size=max(1, BLOCK_SIZE // self._channels),
        )
        self._downmixer = Downmixer(self._channels, self._rate)

    def _join(self, frame: Any) -> Iterator[NDArray[np.float32]]:
        assert self._downmixer is not None
        with _plain_errors():
            for block in self._resampler.resample(frame):
                yield self._downmixer.mix(block.to_ndarray().reshape(-1, self._channels), 1.0)


@contextmanager
def _plain_errors(source: FFmpegInput | None = None) -> Iterator[None]:
    import av

    try:
        yield
    # The built-in ones come from seeking, in a damaged file, where nothing is, and from a change of format.
    except (av.error.FFmpegError, IndexError, OSError, ValueError) as error:
        failure = error if source is None or source.error is None else source.error
        raise DecodeError(reasons.ffmpeg_reason(failure)) from error
