"""The rhythm of a window: the modulation spectrum of its onsets, by frequency band, on a log-tempo axis.

On this axis, the same music played faster is the same spectrum, shifted. McCallum 2024 learns this shift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from tempocli.features.ranges import number, whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.features.front_end import FrontEnd

_LAG = 2  # frames over which a rise is measured
_MEAN_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class RhythmAxis:
    """Bands and log-tempo axis of a rhythm spectrum.

    Attributes
    ----------
    min_bpm : float
        Modulation of bin 0, in cycles per minute.
    bins_per_octave, n_bins : int
        Bin ``k`` is at ``min_bpm * 2 ** (k / bins_per_octave)``.
    n_bands : int
        Number of frequency bands, each with a spectrum of its own.
    """

    min_bpm: float
    bins_per_octave: int
    n_bins: int
    n_bands: int

    @property
    def dim(self) -> int:
        """Length of a rhythm vector."""
        return self.n_bands * self.n_bins

    @property
    def bpms(self) -> NDArray[np.float64]:
        """Modulation of each bin in cycles per minute, shape=(n_bins,)."""
        bins = np.arange(self.n_bins) / self.bins_per_octave
        return np.asarray(self.min_bpm * np.exp2(bins))

    def check(self, front_end: FrontEnd) -> None:
        """Raise ValueError if the axis of a model is not one of rhythms, or finer than its frames."""
        number(self.min_bpm, "min_bpm", 5.0, 300.0)
        whole(self.bins_per_octave, "bins_per_octave", 4, 480)
        whole(self.n_bins, "n_bins", 2, 2048)
        whole(self.n_bands, "n_bands", 1, front_end.n_mels)
        number(float(self.bpms[-1]), "highest BPM", self.min_bpm, 30.0 * front_end.frame_rate)


def rhythm_spectrum(
    log_mel: NDArray[np.float32], front_end: FrontEnd, axis: RhythmAxis
) -> NDArray[np.float32]:
    """Compute the rhythm of one window.

    Parameters
    ----------
    log_mel : ndarray of float32, shape=(n_frames, n_mels)
    front_end : FrontEnd
        Front end that computed the frames.
    axis : RhythmAxis

    Returns
    -------
    ndarray of float32, shape=(n_bands * n_bins,)
        The spectra of the bands, lowest band first. Zeros for a window without onsets.
    """
    curves = _onset_curves(log_mel, front_end, axis.n_bands)
    basis = _basis(len(log_mel), front_end.frame_rate, axis)
    parts = curves @ basis
    real, imag = parts[:, : axis.n_bins], parts[:, axis.n_bins :]
    magnitude = np.sqrt(real * real + imag * imag)
    return np.asarray(magnitude.reshape(-1), np.float32)


def _onset_curves(log_mel: NDArray[np.float32], front_end: FrontEnd, n_bands: int) -> NDArray[np.float32]:
    """Compute rises of the level, averaged in bands, less their moving mean, shape=(n_bands, n_frames)."""
    rise = np.zeros_like(log_mel)
    np.maximum(log_mel[_LAG:] - log_mel[:-_LAG], 0.0, out=rise[_LAG:])
    edges = np.linspace(0, log_mel.shape[1], n_bands + 1).round().astype(int)
    sums = np.add.reduceat(rise, edges[:-1], axis=1).T
    curves = np.asarray(sums / np.diff(edges)[:, None], np.float32)
    return curves - _moving_mean(curves, round(_MEAN_SECONDS * front_end.frame_rate))


def _moving_mean(curves: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    half = length // 2
    padded = np.pad(curves.astype(np.float64), ((0, 0), (half + 1, half)), mode="edge")
    total = np.cumsum(padded, axis=1)
    n_frames = curves.shape[1]
    return np.asarray(
        (total[:, 2 * half + 1 :] - total[:, : -2 * half - 1])[:, :n_frames] / (2 * half + 1), np.float32
    )


@lru_cache(maxsize=8)
def _basis(n_frames: int, frame_rate: float, axis: RhythmAxis) -> NDArray[np.float32]:
    """Return cosines and sines at the bins, under a Hann window, shape=(n_frames, 2 * n_bins)."""
    time = np.arange(n_frames)
    window = 0.5 - 0.5 * np.cos(2.0 * math.pi * (time + 0.5) / n_frames)
    phase = 2.0 * math.pi * time[:, None] * (axis.bpms / 60.0 / frame_rate)
    basis = np.concatenate([np.cos(phase), np.sin(phase)], axis=1) * window[:, None]
    return np.asarray(basis * (2.0 / n_frames), np.float32)
