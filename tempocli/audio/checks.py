"""Checks for invalid audio: implausible sample rates, and samples that are NaN, infinite or too large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tempocli.errors import AudioError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_SAMPLE_RATE = 4_000
MAX_SAMPLE_RATE = 384_000

# Floats may exceed full scale, and some files store integers as floats. Above this limit the power
# spectrum overflows.
_MAX_PEAK = 1e10


def is_sample_rate(sample_rate: float) -> bool:
    """Return whether a sample rate in Hz is plausible."""
    return MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE


def check_sample_rate(sample_rate: float, name: str) -> None:
    """Raise AudioError for the input `name` if the sample rate is not plausible."""
    if not is_sample_rate(sample_rate):
        reason = f"sample rate {sample_rate} Hz is not in {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz"
        raise AudioError(name, reason)


def check_samples(samples: NDArray[np.floating], name: str) -> None:
    """Raise AudioError for the input `name` if samples are NaN, infinite or far above full scale."""
    low, high = float(samples.min()), float(samples.max())
    if low >= -_MAX_PEAK and high <= _MAX_PEAK:  # false for NaN
        return
    if np.isfinite(samples).all():
        raise AudioError(name, f"samples of {max(-low, high):.0e} times full scale")
    raise AudioError(name, "NaN or Inf samples")
