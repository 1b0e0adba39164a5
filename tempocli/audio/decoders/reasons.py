"""Reasons why a file cannot be read, in plain words: one short set for both decoders.

Their own texts are written for programmers. Many mislead: FFmpeg says "Operation not permitted" or "Cannot
allocate memory" of a file that is broken, libsndfile that it does not exist.
"""

from __future__ import annotations

import errno

NOT_RECOGNISED = "format not recognised"
BROKEN_HEADER = "its header is broken"
IMPOSSIBLE_VALUES = "its header holds impossible values"
CONTRADICTION = "its header contradicts itself"
ABSURD_SIZES = "it claims absurd sizes"
NO_CHANNELS = "it has no channels"
NO_SAMPLES = "its samples are not found"
UNKNOWN_ENCODING = "its encoding is not known"
BROKEN_DATA = "its data are broken"
HOLDS_NO_SAMPLES = "holds no samples"
NOTHING_DECODED = "no frame of it can be decoded"
ENDS_EARLY = "the file ends before its samples do"
HOLDS_LESS = "it holds less audio than its header says"
LEFT_UNREAD = "the decoder stops before the end of the file"
NO_AUDIO_STREAM = "no audio stream"
UNREADABLE = "it cannot be read to its end"

# libsndfile's codes for "not mine": unrecognised format, and bad resource fork, which is what it makes of
# any file named "._" in the current folder.
_NOT_RECOGNISED = {1, *range(149, 155)}
# Unsupported encoding, unimplemented format, more than one sample rate, multiple sections, and the like.
_UNKNOWN_ENCODING = {4, 18, 92, 95, 100, 106, 110, 115, 116, 117, 118, 119, 123, 140, 141, 159, 176, 183}

_LIBSNDFILE = {
    2: UNREADABLE,
    3: BROKEN_DATA,
    7: NOTHING_DECODED,
    8: NOTHING_DECODED,
    17: ABSURD_SIZES,
    24: IMPOSSIBLE_VALUES,
    32: NO_CHANNELS,
    33: "it claims too many channels",
    34: IMPOSSIBLE_VALUES,
    71: NO_SAMPLES,
    83: NO_SAMPLES,
    90: NO_SAMPLES,
    104: NO_SAMPLES,
    105: NO_SAMPLES,
    127: NO_SAMPLES,
    158: BROKEN_DATA,
    160: "its number of channels changes on the way",
    161: BROKEN_DATA,
    167: NO_SAMPLES,
}

# Names of PyAV's classes of errors, so that this needs no PyAV. What FFmpeg calls an I/O error is one of a
# file that is broken: those of the disk arrive as they are.
_FFMPEG = {
    "ArgumentError": IMPOSSIBLE_VALUES,
    "BufferTooSmallError": ABSURD_SIZES,
    "DecoderNotFoundError": UNKNOWN_ENCODING,
    "DemuxerNotFoundError": UNKNOWN_ENCODING,
    "EOFError": ENDS_EARLY,
    "ExperimentalError": UNKNOWN_ENCODING,
    "InputChangedError": "its format changes on the way",
    "MemoryError": ABSURD_SIZES,
    "NotImplementedError": UNKNOWN_ENCODING,
    "OutputChangedError": "its format changes on the way",
    "OverflowError": ABSURD_SIZES,
    "PatchWelcomeError": UNKNOWN_ENCODING,
    "ProtocolNotFoundError": UNKNOWN_ENCODING,
}

# What a file says when a damaged header sends a decoder to where no file reaches.
_SEEKS_ASTRAY = {errno.EINVAL, errno.EOVERFLOW, errno.ERANGE, errno.ESPIPE}


def as_refusal(reason: str) -> str:
    """Return the `reason` for refusing a file, marked as damage if it is one."""
    is_damage = reason.startswith(("it ", "its ", "the ")) and reason != UNKNOWN_ENCODING
    return f"damaged: {reason}" if is_damage else reason


def libsndfile_recognises(code: int) -> bool:
    """Return whether libsndfile's error `code` is about a file in a known format."""
    return code not in _NOT_RECOGNISED


def libsndfile_reason(code: int, *, opening: bool) -> str:
    """Return the reason for libsndfile's error `code`, raised while opening a file or while reading it."""
    if code in _NOT_RECOGNISED:
        return NOT_RECOGNISED
    if code in _UNKNOWN_ENCODING:
        return UNKNOWN_ENCODING
    return _LIBSNDFILE.get(code, BROKEN_HEADER if opening else BROKEN_DATA)


def ffmpeg_reason(error: Exception) -> str:
    """Return the reason for an error of PyAV, or of the file that it reads."""
    if isinstance(error, OSError) and error.errno in _SEEKS_ASTRAY:
        return IMPOSSIBLE_VALUES
    if type(error).__module__.split(".")[0] == "av":
        return _FFMPEG.get(type(error).__name__, BROKEN_DATA)
    if isinstance(error, OSError):
        return system_reason(error)
    return IMPOSSIBLE_VALUES


def system_reason(error: Exception) -> str:
    """Return the system's reason why a file cannot be opened or read, in one line."""
    return " ".join((getattr(error, "strerror", None) or str(error)).split()).removesuffix(".")
