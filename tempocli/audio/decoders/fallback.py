"""Decode by libsndfile, and by FFmpeg if libsndfile cannot read a file, or not to its end."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from tempocli.audio.checks import is_sample_rate
from tempocli.audio.decoders import reasons
from tempocli.audio.decoders.decoding import SLACK, DecodeError, Decoder, NotRecognisedError
from tempocli.audio.decoders.ffmpeg import open_ffmpeg
from tempocli.audio.decoders.libsndfile import open_libsndfile
from tempocli.audio.formats import is_known_container
from tempocli.audio.resampling import blocks_at_rate
from tempocli.errors import AudioError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    import numpy as np
    from numpy.typing import NDArray

# The MIDI sample dump: libsndfile prints about a damaged one on stdout, where only results may go.
_SDS_MAGIC = b"\xf0\x7e"


def open_decoder(file: FileIO, name: str, resources: ExitStack) -> Decoder:
    """Open `file` by the first decoder that supports it, until `resources` are closed.

    Raises
    ------
    AudioError
        If the file is empty, or neither decoder can open it. The message names it `name`.
    """
    try:
        head = _head(file)
    except OSError as error:
        raise AudioError(name, reasons.system_reason(error)) from error
    if not head:
        raise AudioError(name, "is empty")
    if head.startswith(_SDS_MAGIC):
        raise AudioError(name, "a MIDI sample dump, which is not read")
    try:
        decoder = open_libsndfile(file, resources)
    except DecodeError as refused:
        return _open_by_ffmpeg_alone(file, name, resources, refused)
    return Decoder(decoder.sample_rate, decoder.channels, _read_to_the_end(decoder, file))


def _head(file: FileIO) -> bytes:
    file.seek(0)
    return file.read(16)


def _open_by_ffmpeg_alone(file: FileIO, name: str, resources: ExitStack, refused: DecodeError) -> Decoder:
    """Open a file that libsndfile `refused`, or raise the better reason of the two."""
    reason = reasons.as_refusal(refused.reason)
    if refused.final:
        raise AudioError(name, reason) from refused
    try:
        return open_ffmpeg(file, resources)
    except ImportError as error:
        if isinstance(refused, NotRecognisedError):
            extra = MissingExtraError("AAC, ALAC, M4A, WMA, MP4 or WebM", "av")
        else:
            extra = MissingExtraError("another try, by FFmpeg,", "av")
        raise AudioError(name, f"{reason}; {extra}") from error
    except NotRecognisedError as error:
        if isinstance(refused, NotRecognisedError) and is_known_container(_head(file)):
            reason = reasons.as_refusal(reasons.BROKEN_HEADER)
        raise AudioError(name, reason) from error
    except DecodeError as error:
        # FFmpeg got further than libsndfile only where that did not know the format.
        if isinstance(refused, NotRecognisedError):
            reason = reasons.as_refusal(error.reason)
        raise AudioError(name, reason) from error


def _read_to_the_end(decoder: Decoder, file: FileIO) -> Iterator[NDArray[np.float32]]:
    """Yield the blocks of libsndfile's `decoder`; if it stops early, continue with FFmpeg."""
    n_samples = 0
    try:
        for block in decoder.blocks:
            n_samples += len(block)
            yield block
        return
    except DecodeError as error:
        damage = error
    if damage.final:
        raise damage
    # It decodes the file from its start: that keeps the two together to the sample, where seeking in a
    # damaged file would not. Only files that are damaged, or of the kinds that libsndfile fails on, pay it.
    n_more = 0
    their_damage = None
    with ExitStack() as resources:
        try:
            again = open_ffmpeg(file, resources)
            if not is_sample_rate(again.sample_rate):
                raise DecodeError(reasons.IMPOSSIBLE_VALUES)
            blocks = blocks_at_rate(again.blocks, again.sample_rate, decoder.sample_rate)
            for block in _behind(blocks, n_samples):
                n_more += len(block)
                yield block
        except ImportError as error:
            extra = MissingExtraError("reading on by FFmpeg", "av")
            reason = f"{damage.reason}; {extra}"
            raise DecodeError(reason, stops=damage.stops, expected=damage.expected) from error
        except DecodeError as error:
            their_damage = error
    _judge(damage, their_damage, (n_samples + n_more) / decoder.sample_rate, n_more / decoder.sample_rate)


def _judge(first: DecodeError, second: DecodeError | None, duration: float, more: float) -> None:
    """Raise the remaining error of a file read by libsndfile and then by FFmpeg.

    Parameters
    ----------
    first : DecodeError
        Error of libsndfile.
    second : DecodeError or None
        Error of FFmpeg.
    duration, more : float
        Seconds read in total, and by FFmpeg after libsndfile.
    """
    if not duration:
        raise second or first
    if more < SLACK:
        # The bytes that libsndfile left unread were not audio, unless FFmpeg failed on them.
        if first.doubtful and (second is None or not second.stops):
            return
        raise first
    missing = first.expected is not None and duration + SLACK < first.expected
    expected = first.expected if missing else None
    if second is not None:
        raise DecodeError(second.reason, stops=second.stops, expected=second.expected or expected)
    if missing:
        raise DecodeError(reasons.HOLDS_LESS, stops=False, expected=expected)


def _behind(blocks: Iterator[NDArray[np.float32]], n_samples: int) -> Iterator[NDArray[np.float32]]:
    """Skip the first `n_samples`."""
    for block in blocks:
        skipped = min(n_samples, len(block))
        n_samples -= skipped
        if skipped < len(block):
            yield block[skipped:]
