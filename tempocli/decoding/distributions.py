"""Pool tempo distributions, find their peaks, and compute confidences and the tempo curve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.axis import TOLERANCE
from tempocli.features.statistics import largest_near

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.axis import TempoAxis

_RELATIONS = {
    "2": 2.0, "1/2": 1 / 2, "3": 3.0, "1/3": 1 / 3, "3/2": 3 / 2, "2/3": 2 / 3, "4/3": 4 / 3, "3/4": 3 / 4,
    "4": 4.0, "1/4": 1 / 4,
}  # fmt: skip
_SAME_PULSE = 0.015  # about one bin of the tempo axis
MIN_MASS = 0.01  # candidates with a smaller share of the distribution are noise


@dataclass(frozen=True, slots=True)
class Peak:
    """A peak of a tempo distribution.

    Attributes
    ----------
    bpm : float
        Tempo in BPM, interpolated between bins.
    mass : float
        Share of the distribution within 4 % of the peak.
    """

    bpm: float
    mass: float


def pool(
    tempogram: NDArray[np.float32], *, prior: NDArray[np.float64] | None = None, rule: str = "certainty"
) -> NDArray[np.float64]:
    """Pool the distributions of the windows into one distribution of the track.

    Parameters
    ----------
    tempogram : ndarray of float32, shape=(n_windows, n_bins)
        Rows are distributions.
    prior : ndarray of float64, shape=(n_bins,), optional
        Weights of the pooled distribution; by default, all tempi have the same weight.
    rule : str
        ``"certainty"``: mean of the windows, each weighted by the maximum of its distribution, so that breaks
        and fills count less. ``"geometric"``: unweighted geometric mean; the log-probabilities are averaged,
        so that uncertain windows have little effect.

    Returns
    -------
    ndarray of float64, shape=(n_bins,)
        Sums to 1.

    Raises
    ------
    ValueError
        If the rule is unknown.
    """
    if rule == "geometric":
        mean = np.exp(np.log(tempogram + 1e-12).mean(axis=0, dtype=np.float64))
    elif rule == "certainty":
        mean = (tempogram * tempogram.max(axis=1, keepdims=True)).mean(axis=0, dtype=np.float64)
    else:
        raise ValueError(f"pooling rule {rule!r} is neither certainty nor geometric")
    pooled = mean if prior is None else mean * prior
    return np.asarray(pooled / pooled.sum())


def product_of(
    first: NDArray[np.float64], second: NDArray[np.float64], axis: TempoAxis
) -> NDArray[np.float64]:
    """Multiply two distributions of one track, shape=(n_bins,), with a tolerance of 4 %.

    For each tempo, the maximum of the second distribution within 4 % is used. Otherwise two sharp peaks one
    bin apart would lose to a weak peak that both distributions share.
    """
    product = first * largest_near(second, axis.bins_within())
    return np.asarray(product / product.sum())


def masses(distribution: NDArray[np.floating], axis: TempoAxis) -> NDArray[np.float64]:
    """Sum a distribution within 4 % of each bin, the tolerance of Accuracy 1; shape=(n_bins,)."""
    return np.convolve(distribution, np.ones(2 * axis.bins_within() + 1), "same")


def find_peaks(distribution: NDArray[np.float64], axis: TempoAxis) -> list[Peak]:
    """Find the peaks of a distribution, largest mass first; peaks are at least 4 % apart.

    Parameters
    ----------
    distribution : ndarray of float64, shape=(n_bins,)
    axis : TempoAxis

    Returns
    -------
    list of Peak
        Never empty.
    """
    width = axis.bins_within()
    mass = masses(distribution, axis)
    left, open_ = distribution.copy(), mass.copy()
    peaks: list[Peak] = []
    while True:
        centre = int(open_.argmax())
        if peaks and open_[centre] < MIN_MASS:
            break
        low = max(0, centre - width)
        best = low + int(left[low : centre + width + 1].argmax())
        if left[best] > 0.0 or not peaks:
            peaks.append(Peak(_interpolate(distribution, axis.bpms, best), float(mass[centre])))
        taken = slice(max(0, min(best, centre) - width), max(best, centre) + width + 1)
        left[taken] = 0.0
        open_[max(0, best - 2 * width) : best + 2 * width + 1] = 0.0
        open_[centre] = 0.0
    return sorted(peaks, key=lambda peak: -peak.mass)


def _interpolate(distribution: NDArray[np.float64], bpms: NDArray[np.float64], best: int) -> float:
    """Fit a parabola to the logarithm of three bins; exact for the Gaussian targets of training."""
    if not 0 < best < len(bpms) - 1:
        return float(bpms[best])
    before, here, after = np.log(distribution[best - 1 : best + 2] + 1e-9)
    curvature = before - 2.0 * here + after
    offset = 0.5 * (before - after) / curvature if curvature < 0.0 else 0.0
    # The bin may be on the flank of a wide peak, where the maximum of the parabola is not reliable.
    return float(bpms[best] * (bpms[1] / bpms[0]) ** (offset if abs(offset) <= 1.0 else 0.0))


def relation(bpm: float, first: float) -> str:
    """Return the ratio to the first candidate as ``"1"``, ``"2"``, ``"3/2"``, ... or ``"other"``."""
    ratio = bpm / first
    if abs(ratio - 1.0) <= TOLERANCE:
        return "1"
    for name, factor in _RELATIONS.items():
        if abs(ratio - factor) <= TOLERANCE * factor:
            return name
    return "other"


def at_relation(bpm: float, first: float) -> float:
    """Round a tempo to an exact multiple of the first one, such as its double.

    A tempo more than 1.5 % (about one bin) from any multiple is returned unchanged.
    """
    multiples = [first * factor for factor in (1.0, *_RELATIONS.values())]
    near = min(multiples, key=lambda multiple: abs(multiple / bpm - 1.0))
    return near if abs(near / bpm - 1.0) <= _SAME_PULSE else bpm


def mass_near(distribution: NDArray[np.floating], axis: TempoAxis, bpm: float) -> float:
    """Return the share of a distribution, shape=(n_bins,), within 4 % of a tempo."""
    return float(distribution[np.abs(axis.bpms - bpm) <= TOLERANCE * bpm].sum())


def folded_peak(distribution: NDArray[np.floating], axis: TempoAxis) -> float:
    """Fold a distribution into one octave and return the share within 4 % of its largest peak.

    The share is near 1 for a clear pulse of any octave, and small without a pulse.
    """
    folded = axis.fold(distribution)
    width = axis.bins_within()
    around = np.convolve(
        np.concatenate([folded[-width:], folded, folded[:width]]), np.ones(2 * width + 1), "valid"
    )
    return float(around.max())


def log_odds(share: float) -> float:
    """Convert a share to log-odds; finite for shares of 0 and 1."""
    bounded = min(max(share, 1e-4), 1.0 - 1e-4)
    return math.log(bounded / (1.0 - bounded))


def calibrated(share: float, coefficients: tuple[float, float]) -> float:
    """Map a share to a probability by ``sigmoid(bias + slope * log_odds(share))``."""
    bias, slope = coefficients
    return 1.0 / (1.0 + math.exp(-(bias + slope * log_odds(share))))


def local_tempi(
    tempogram: NDArray[np.float32], axis: TempoAxis, pooled: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate the tempo of each window; the track's distribution decides the tempo octave.

    Parameters
    ----------
    tempogram : ndarray of float32, shape=(n_windows, n_bins)
    axis : TempoAxis
    pooled : ndarray of float64, shape=(n_bins,)

    Returns
    -------
    tempi : ndarray of float64, shape=(n_windows,)
        In BPM.
    shares : ndarray of float64, shape=(n_windows,)
        Share of the window's distribution within 4 % of its tempo.
    """
    # Windows share the octave of the track but not its exact tempo, so the prior is smoothed widely.
    prior = np.convolve(pooled, np.hanning(25), "same") + 1e-4
    prior = np.where(pooled > 0.0, prior, 0.0)
    tempi, shares = [], []
    for row in tempogram:
        peak = find_peaks(row * prior / (row * prior).sum(), axis)[0]
        tempi.append(peak.bpm)
        shares.append(mass_near(row, axis, peak.bpm))
    return np.array(tempi), np.array(shares)
