"""What the decoders have in common: blocks, and how they tell that something is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

# Samples of a block over all its channels, which bounds the memory whatever the header claims: 3 s of
# mono at 44.1 kHz. Measured: soxr and libsndfile slow down below 32,768 and gain nothing above.
BLOCK_SIZE = 131_072

# What decoders may differ by without anything being lost: padding of encoders, and rounding, in seconds.
SLACK = 0.1


class DecodeError(Exception):
    """A decoder could not read a file, or not all of it.

    Parameters
    ----------
    reason : str
        Why, in plain words.
    stops : bool
        Whether the decoder gave up there; else it went on behind the damage, to the end.
    expected : float, optional
        Seconds of audio that the file claims to hold.
    final : bool
        Whether no other decoder can read more, since the file holds no more.
    doubtful : bool
        Whether all may be well: the decoder is content, but it left a part of the file unread.
    """

    def __init__(
        self,
        reason: str,
        *,
        stops: bool = True,
        expected: float | None = None,
        final: bool = False,
        doubtful: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stops = stops
        self.expected = expected
        self.final = final
        self.doubtful = doubtful

    def note(self, duration: float) -> str:
        """Word the damage for a user, where `duration` seconds were read in all."""
        text = f"damaged after {duration:.1f} s: {self.reason}" if self.stops else f"damaged: {self.reason}"
        # A header may claim anything; one of days tells nothing.
        if self.expected is not None and duration + SLACK <= self.expected < 1e5:
            text += f"; {self.expected - duration:.1f} s of {self.expected:.1f} s are missing"
        return text


class NotRecognisedError(DecodeError):
    """A file that is in no format that the decoder knows."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """What both libraries are reduced to: mono blocks that end, or raise DecodeError after the last one."""

    sample_rate: int
    channels: int
    blocks: Iterator[NDArray[np.float32]]
