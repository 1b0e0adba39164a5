"""From a bin of the tempo axis to a hundredth of a BPM: the spectrum of the whole track's onset strength."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Beats, their subdivisions in two and three, and half notes: what a steady pulse shows in the spectrum.
_MULTIPLES = np.array([0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0])
_MAX_HERTZ = 20.0
_SEARCH = 0.02  # share of the tempo to either side: a bin and a half of the encoder's axis
# The encoder's own error. Where the pulse is unsteady, chance peaks far from what it said must not win.
_DEVIATION = 0.01
_GRID = 1601
_SEGMENT_SECONDS = 180.0


def refine_tempo(
    onset: NDArray[np.float32],
    *,
    frame_rate: float,
    bpm: float,
    min_bpm: float = 0.0,
    max_bpm: float = math.inf,
) -> float:
    """Refine a tempo on the onset strength of a whole track.

    The magnitudes of the onset strength's spectrum at the multiples of a tempo are summed, over segments of
    at most three minutes, and the tempo with the largest sum near `bpm` is taken, the nearer the better.

    Parameters
    ----------
    onset : ndarray of float32, shape=(n_frames,)
        Onset strength.
    frame_rate : float
        Frames a second, in Hz.
    bpm : float
        Tempo to begin with, right to 1.5 %, in BPM.
    min_bpm, max_bpm : float
        Bounds of the search, in BPM.

    Returns
    -------
    float
        In BPM, within 2 % of `bpm` and within the bounds.
    """
    low = max(bpm * (1.0 - _SEARCH), min_bpm)
    high = min(bpm * (1.0 + _SEARCH), max_bpm)
    grid = np.linspace(min(low, high), high, _GRID)
    score = np.zeros(_GRID)
    n_segments = max(1, round(len(onset) / frame_rate / _SEGMENT_SECONDS))
    for segment in np.array_split(onset, n_segments):
        score += _pulse_spectrum(segment, frame_rate, grid)
    nearness = np.exp(-0.5 * ((grid / bpm - 1.0) / _DEVIATION) ** 2)
    return _peak(grid, score, int((score * nearness).argmax()))


def _pulse_spectrum(
    onset: NDArray[np.float32], frame_rate: float, grid: NDArray[np.float64]
) -> NDArray[np.float64]:
    centred = (onset - onset.mean()) * np.hanning(len(onset)).astype(np.float32)
    size = 1 << (8 * len(onset) - 1).bit_length()
    magnitude = np.abs(np.fft.rfft(centred, size))
    score = np.zeros(len(grid))
    for multiple in _MULTIPLES:
        places = multiple * grid / 60.0 * size / frame_rate
        if multiple * grid[-1] / 60.0 < _MAX_HERTZ:
            low, high = int(places[0]), int(places[-1]) + 2
            score += np.interp(places, np.arange(low, high), magnitude[low:high])
    return score


def _peak(grid: NDArray[np.float64], score: NDArray[np.float64], best: int) -> float:
    """Climb from `best` to the top of its peak, and fit a parabola there."""
    while 0 < best < len(grid) - 1 and (higher := max(score[best - 1], score[best + 1])) > score[best]:
        best += 1 if score[best + 1] == higher else -1
    if 0 < best < len(grid) - 1:
        before, here, after = score[best - 1 : best + 2]
        curvature = before - 2.0 * here + after
        if curvature < 0.0:
            return float(grid[best] + 0.5 * (before - after) / curvature * (grid[1] - grid[0]))
    return float(grid[best])
