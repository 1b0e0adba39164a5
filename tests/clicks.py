"""Click tracks whose tempo is known exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def make_clicks(
    bpm: float, duration: float = 20.0, sample_rate: int = 22050, *, start: float = 0.25
) -> NDArray[np.float32]:
    """Clicks at exactly `bpm`: each one is placed between samples, so its time is not rounded."""
    samples = np.zeros(round(duration * sample_rate))
    length = round(0.05 * sample_rate)
    for time in np.arange(start, duration, 60.0 / bpm):
        first = int(np.ceil(time * sample_rate))
        t = (first + np.arange(min(length, len(samples) - first))) / sample_rate - time
        samples[first : first + len(t)] += np.exp(-t * 80.0) * np.sin(2.0 * np.pi * 1000.0 * t)
    return (0.8 * samples).astype(np.float32)
