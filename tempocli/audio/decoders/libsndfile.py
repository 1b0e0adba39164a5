"""Decode by libsndfile (soundfile)."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from tempocli.audio.channels import Downmixer
from tempocli.audio.decoders import reasons
from tempocli.audio.decoders.decoding import BLOCK_SIZE, SLACK, DecodeError, Decoder, NotRecognisedError
from tempocli.audio.decoders.extent import mp3_counts_its_frames, unread_bytes
from tempocli.audio.decoders.repair import PatchedFile, find_repair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack
    from io import FileIO
    from typing import Any

    from numpy.typing import NDArray

# Of WAV, AU and AIFF, in libsndfile's log: bytes of samples, by the header and by the length of the file.
_SHORT_DATA = re.compile(r"^ *(?:data|Data Size|SSND) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN_SIZE = 0x7FFF0000
# The number of frames of a file that does not say it.
_UNKNOWN_LENGTH = 1 << 48
# Formats without a size of their samples, so that audio may go on where libsndfile stops.
_OPEN_ENDED = {"FLAC", "MP3", "MPEG", "OGG"}
# Fewer bytes than this are padding.
_LEFT_OVER = 4096


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A sound file that is read sequentially.

    soundfile seeks before and after each read of a seekable file, which costs time, and at the end of a
    truncated FLAC file fails and loses the block.
    """

    def seekable(self) -> bool:
        return False


def open_libsndfile(file: FileIO, resources: ExitStack) -> Decoder:
    """Open `file` by libsndfile, until `resources` are closed.

    Raises
    ------
    NotRecognisedError
        If the format is unknown to libsndfile.
    DecodeError
        If the file is damaged, in an encoding unknown to libsndfile, or has no samples.
    """
    file.seek(0)
    repair = find_repair(file)
    try:
        sound, own_file = _sound_file(file, repair.patches)
    except soundfile.LibsndfileError as error:
        kind = DecodeError if reasons.libsndfile_recognises(error.code) else NotRecognisedError
        raise kind(reasons.libsndfile_reason(error.code, opening=True)) from error
    resources.callback(sound.close)
    if not sound.frames:
        raise DecodeError(reasons.HOLDS_NO_SAMPLES, final=unread_bytes(file) <= _LEFT_OVER)
    blocks = _blocks(sound, None if own_file else file, contradictory=repair.contradictory)
    return Decoder(sound.samplerate, sound.channels, blocks)


def _sound_file(file: FileIO, patches: dict[int, bytes]) -> tuple[soundfile.SoundFile, bool]:
    """Open `file`; return also whether by path, in which case its position does not show what was read."""
    # A descriptor keeps threads from waiting for each other, as they do when libsndfile calls back into
    # Python, and tells the format by the content alone: a path's extension turns any bytes into raw audio.
    # On Windows a descriptor means nothing to a DLL with a C runtime of its own.
    if patches:
        return _Sequential(PatchedFile(file, patches)), False
    if os.name != "posix":
        return _Sequential(file), False
    try:
        return _Sequential(file.fileno(), closefd=False), False
    except soundfile.LibsndfileError as not_recognised:
        path = file.name if isinstance(file.name, str) else ""
        if reasons.libsndfile_recognises(not_recognised.code) or not path.lower().endswith(".mp3"):
            raise
        # Only by this name does libsndfile look past junk for the first frame, as in a stream cut anywhere.
        try:
            return _Sequential(os.fsencode(path)), True
        except soundfile.LibsndfileError:
            raise not_recognised from None


def _blocks(
    sound: soundfile.SoundFile, file: FileIO | None, *, contradictory: bool
) -> Iterator[NDArray[np.float32]]:
    # libsndfile takes several times longer to convert 16 bits to floats than numpy does.
    dtype, full_scale = (np.int16, 32768.0) if sound.subtype == "PCM_16" else (np.float32, 1.0)
    buffer = np.empty((max(1, BLOCK_SIZE // sound.channels), sound.channels), dtype)
    downmixer = Downmixer(sound.channels, sound.samplerate)
    n_frames = 0
    failure = None
    while failure is None:
        buffer.fill(0)
        try:
            block = sound.read(out=buffer)
        except soundfile.LibsndfileError as error:
            failure = error
            block = _written(buffer)
        if not len(block):
            break
        n_frames += len(block)
        yield downmixer.mix(block, full_scale)
    damage = _damage(sound, file, n_frames, failure)
    if contradictory:
        # What FFmpeg makes of such a header does not fit to what was read.
        damage = damage or DecodeError(reasons.CONTRADICTION, stops=False)
        damage.final = True
    if damage:
        raise damage from failure


def _damage(
    sound: soundfile.SoundFile, file: FileIO | None, n_frames: int, failure: soundfile.LibsndfileError | None
) -> DecodeError | None:
    """Check whether `n_frames` is all that the file holds; libsndfile often does not report it."""
    sample_rate = sound.samplerate
    if failure is None and (short := _short_data(sound.extra_info)):
        # Samples as they are: what the file does not hold, no decoder finds.
        expected = n_frames / sample_rate * short
        return DecodeError(reasons.ENDS_EARLY, expected=expected, final=True)
    expected = _expected(sound, file, n_frames)
    missing = expected is not None and n_frames + SLACK * sample_rate < expected * sample_rate
    left_unread = file is not None and sound.format in _OPEN_ENDED and unread_bytes(file) > _LEFT_OVER
    if failure is not None and (missing or left_unread or expected is None):
        reason = reasons.libsndfile_reason(failure.code, opening=False)
        return DecodeError(reason, expected=expected)
    if missing:
        return DecodeError(reasons.HOLDS_LESS, stops=False, expected=expected)
    if left_unread:
        return DecodeError(reasons.LEFT_UNREAD, expected=expected, doubtful=True)
    return None


def _short_data(log: str) -> float | None:
    """Return the ratio of samples stated by the header to samples present, from libsndfile's log.

    ``None`` if all are present, or the samples are compressed.
    """
    found = _SHORT_DATA.search(log)
    # A program that writes to a pipe does not know the size and states the maximum.
    if found is None or not 0 < int(found[2]) < int(found[1]) < _UNKNOWN_SIZE:
        return None
    return int(found[1]) / int(found[2])


def _expected(sound: soundfile.SoundFile, file: FileIO | None, n_frames: int) -> float | None:
    """Return the length of the audio in seconds as stated by the file, if it is stated."""
    if sound.frames >= _UNKNOWN_LENGTH:
        return None
    if sound.subtype.startswith("MPEG") and n_frames < sound.frames:
        # Without a count of frames, libsndfile guesses the number.
        counted = file is not None and sound.format in ("MP3", "MPEG") and mp3_counts_its_frames(file)
        if not counted:
            return None
    return float(sound.frames / sound.samplerate)


def _written(buffer: NDArray[Any]) -> NDArray[Any]:
    """Cut off the rows that the decoder did not fill; it does not report their number."""
    rows = np.flatnonzero(buffer.any(axis=1))
    return buffer[: rows[-1] + 1] if len(rows) else buffer[:0]
