"""Shared by the decoders: blocks and errors."""

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

# Allowed difference between decoders, in seconds: encoder padding and rounding.
SLACK = 0.1


class DecodeError(Exception):
    """A decoder could not read a file, or not all of it.

    Parameters
    ----------
    reason : str
        Reason in plain words.
    stops : bool
        Whether the decoder stopped at the damage; otherwise it continued after it, to the end.
    expected : float, optional
        Length of the audio according to the file, in seconds.
    final : bool
        Whether the file contains no more audio, so that no other decoder can read more.
    doubtful : bool
        Whether there may be no damage: the decoder reported none, but left a part of the file unread.
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
        """Return a message about the damage, if `duration` seconds were read in total."""
        text = f"damaged after {duration:.1f} s: {self.reason}" if self.stops else f"damaged: {self.reason}"
        # A header may claim anything; one of days tells nothing.
        if self.expected is not None and duration + SLACK <= self.expected < 1e5:
            text += f"; {self.expected - duration:.1f} s of {self.expected:.1f} s are missing"
        return text


class NotRecognisedError(DecodeError):
    """A file in a format that the decoder does not know."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """Common interface of both libraries: mono blocks, with DecodeError after the last block on damage."""

    sample_rate: int
    channels: int
    blocks: Iterator[NDArray[np.float32]]
