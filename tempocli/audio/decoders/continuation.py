"""Detect whether the bytes after the samples of a file are more samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Literal

    from numpy.typing import NDArray

COMPARED = 16_384  # bytes before and behind the end
_LEAST = 256
# The squared difference of neighbours over twice the variance: 1 for noise, near 0 for most of music.
_ROUGH, _SMOOTH = 0.85, 0.6
_LOUD = 10.0  # of the highest byte of a sample, -128 to 127
_MAX_FLOAT = 1e3


@dataclass(frozen=True, slots=True)
class Samples:
    """Sample format of a file.

    Attributes
    ----------
    width : int
        Bytes per sample; 0 if compressed.
    channels : int
        Number of channels.
    order : {"little", "big"}
        Order of the bytes.
    is_float : bool
        Whether they are floats.
    """

    width: int
    channels: int
    order: Literal["little", "big"]
    is_float: bool = False

    @property
    def frame(self) -> int:
        """Bytes of one frame (one sample of each channel); 0 if compressed."""
        return self.width * self.channels


def looks_alike(before: bytes, behind: bytes, samples: Samples) -> bool:
    """Return whether the bytes after the end look like a continuation; both parts begin with a frame.

    Compressed data looks like noise and cannot be compared; in that case the header is trusted.
    """
    if not samples.frame:
        return False
    if samples.is_float:
        return _may_be_floats(behind, samples)
    old, new = _highest_bytes(before, samples), _highest_bytes(behind, samples)
    if min(old.size, new.size) * samples.width < _LEAST or new.std() < _LOUD:
        return True
    return _roughness(new) < _ROUGH or _roughness(old) > _SMOOTH


def _may_be_floats(data: bytes, samples: Samples) -> bool:
    kind = ("<" if samples.order == "little" else ">") + f"f{samples.width}"
    if samples.width not in (4, 8):
        return True
    values = np.frombuffer(data[: len(data) // samples.width * samples.width], kind)
    with np.errstate(invalid="ignore"):
        return bool(np.all(np.abs(values) < _MAX_FLOAT))


def _highest_bytes(data: bytes, samples: Samples) -> NDArray[np.float64]:
    """Return the highest byte of each sample, shape=(n_frames, channels)."""
    rows = np.frombuffer(data[: len(data) // samples.frame * samples.frame], np.uint8)
    rows = rows.reshape(-1, samples.channels, samples.width)
    highest = rows[:, :, -1 if samples.order == "little" else 0]
    # Samples of one byte have no sign in WAV; the difference of neighbours is the same.
    signed = highest.astype(np.int16) - 128 if samples.width == 1 else highest.view(np.int8)
    return signed.astype(np.float64)


def _roughness(values: NDArray[np.float64]) -> float:
    variance = float(values.var())
    return float(np.square(np.diff(values, axis=0)).mean()) / (2.0 * variance) if variance else 0.0
