"""The sample format of a WAV file: five numbers, of which the last two follow from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.audio.decoders.continuation import Samples

if TYPE_CHECKING:
    from typing import Literal

    Order = Literal["little", "big"]

FORMAT_SIZE = 26  # bytes of it that are looked at
BITS_AT = 14  # where the bits of a sample stand
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_EXTENSION_AT = 24
_USUAL_BITS = {8, 16, 24, 32, 64}


def _numbers(found: bytes, order: Order) -> tuple[int, int, int, int, int]:
    """Return channels, sample rate, bytes per second, bytes per frame, bits per sample."""
    ends = ((2, 4), (4, 8), (8, 12), (12, 14), (14, 16))
    channels, rate, a_second, frame, bits = (int.from_bytes(found[i:j], order) for i, j in ends)
    return channels, rate, a_second, frame, bits


def _kind(found: bytes, order: Order) -> int:
    tag = int.from_bytes(found[:2], order)
    if tag == _EXTENSIBLE:
        tag = int.from_bytes(found[_EXTENSION_AT : _EXTENSION_AT + 2], order)
    return tag


def contradicts_itself(found: bytes, order: Order) -> bool:
    """Return whether a ``fmt`` chunk of uncompressed samples contradicts itself about their width.

    Parameters
    ----------
    found : bytes
        Its first `FORMAT_SIZE` bytes, or all if it is shorter.
    order : {"little", "big"}
        Order of the bytes in its numbers.
    """
    if len(found) < BITS_AT + 2:
        return False
    channels, rate, a_second, frame, bits = _numbers(found, order)
    width = (bits + 7) // 8
    if _kind(found, order) not in (_PCM, _FLOAT) or not frame or frame == channels * width:
        return False
    # Samples of 24 bits in four bytes; libsndfile knows this kind.
    if bits == 24 and frame == channels * 4:
        return False
    # If the frame size contradicts the rest, too, it is the wrong number, and decoders do not need it.
    return a_second == rate * frame


def wav_samples(found: bytes, order: Order) -> Samples | None:
    """Return the sample format from a ``fmt`` chunk; ``None`` if it is not stated."""
    if len(found) < BITS_AT + 2:
        return None
    channels, _, _, frame, _ = _numbers(found, order)
    kind = _kind(found, order)
    if kind not in (_PCM, _FLOAT) or not channels or frame % channels:
        return Samples(0, channels, order)
    return Samples(frame // channels, channels, order, is_float=kind == _FLOAT)


def likely_bits(found: bytes, order: Order) -> int | None:
    """Return the bits per sample that the rest of the chunk implies; ``None`` if uncertain."""
    channels, _, _, frame, bits = _numbers(found, order)
    # The number of channels may be wrong instead.
    if bits in _USUAL_BITS and frame % (bits // 8) == 0:
        return None
    if not channels or frame % channels or frame // channels * 8 not in _USUAL_BITS:
        return None
    return frame // channels * 8
