"""Pool the distributions of all methods for a track, or for a part of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tempocli.decoding.distributions import folded_peak, log_odds, pool, product_of
from tempocli.features.periodicity import fold, measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from tempocli.axis import TempoAxis
    from tempocli.features.periodicity import Periodicity
    from tempocli.inference.spec import ModelSpec

# Powers from 0.5 to 8 give the same results on the development files, so this is not a setting.
_FOLDED_POWER = 2.0
# Prior of the baseline without a network, which has learned no prior: tempi as people count them.
_ALONE_POWER, _ALONE_FOLDED_POWER = 0.3, 4.0
_ALONE_BPM, _ALONE_OCTAVES = 115.0, 0.7
_NEAR_RATIOS = np.array([1 / 4, 1 / 3, 1 / 2, 1.0, 2.0, 3.0, 4.0])
_NEAR_OCTAVES = 0.1
_ELSEWHERE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class TrackTempo:
    """The tempo distribution of a track.

    Attributes
    ----------
    distribution : ndarray of float64, shape=(n_bins,)
        Distribution of all methods together; sums to 1.
    by_method : dict of str to ndarray of float64, shape=(n_bins,)
        Distribution of each method alone.
    pulse : tuple of (float, float)
        Clarity of the pulse: log-odds of the folded peak of the methods' distribution without the
        periodicity, and the logarithm of the strength of the periodicity.
    kept : float
        Share of the distribution that remains after `near`.
    """

    distribution: NDArray[np.float64]
    by_method: dict[str, NDArray[np.float64]]
    pulse: tuple[float, float]
    kept: float = 1.0

    def reweighted(self, weights: NDArray[np.float64]) -> TrackTempo:
        """Multiply the distribution by weights, shape=(n_bins,); `by_method` and `pulse` stay as they are."""
        said = self.distribution * weights
        return replace(self, distribution=said / said.sum())

    def near(self, bpm: float, axis: TempoAxis) -> TrackTempo:
        """Suppress the distribution except near a tempo, its octaves and its triples.

        A section is short. Estimated alone, its tempo may be at another ratio to the beat, such as 3/2, than
        in the context of the track. `by_method` is not changed.
        """
        distance = np.abs(np.log2(axis.bpms / bpm)[:, None] - np.log2(_NEAR_RATIOS)).min(axis=1)
        said = self.distribution * np.where(distance <= _NEAR_OCTAVES, 1.0, _ELSEWHERE)
        return replace(self, distribution=said / said.sum(), kept=float(said.sum()))


def track_tempo(
    spec: ModelSpec, tempograms: Mapping[str, NDArray[np.float32]], curve: NDArray[np.float32]
) -> TrackTempo:
    """Pool the windows of all methods, and measure the periodicity of the whole curve.

    The distributions of several methods are multiplied; the prior of the leading model is applied once.
    The periodicity is multiplied with its octaves folded: it decides the metrical family, and the networks
    decide the octave. Tempi whose beats are divided in five or seven get a low weight in all methods.

    Parameters
    ----------
    spec : ModelSpec
        Description of the model, which may be an ensemble.
    tempograms : dict of str to ndarray of float32, shape=(n_windows, n_bins)
        Tempo distributions by method, one array per part of the model; at least one window.
    curve : ndarray of float32, shape=(n_frames,)
        Onset curve, from `tempocli.features.periodicity.rises`.
    """
    leading, *others = spec.parts
    axis = spec.axis
    periodicity = measure(curve, frame_rate=spec.front_end.frame_rate, axis=axis)
    if leading.pooling == "whole":
        alone = _alone(periodicity, axis)
        # Raised to a power, the distribution of noise would be as sharp as that of music.
        pulse = _pulse(periodicity.distribution, periodicity, axis)
        return TrackTempo(alone, {leading.method: alone}, pulse)
    by_method = {
        each.method: pool(tempograms[each.method], prior=each.prior_weights, rule=each.pooling)
        for each in spec.parts
    }
    first = by_method[leading.method]
    said = [pool(tempograms[each.method], rule=each.pooling) for each in others]
    together = _agreed(first, said, axis)
    pulse = _pulse(together, periodicity, axis)
    if others:
        # Weighted before the product, because the product takes values from neighbouring tempi.
        weighed = [periodicity.division * each for each in (first, *said)]
        together = _agreed(_scaled(weighed[0]), weighed[1:], axis)
        periodic = periodicity.distribution * periodicity.division
        together = _scaled(together * fold(periodic, axis) ** _FOLDED_POWER)
    return TrackTempo(together, by_method, pulse)


def _agreed(
    first: NDArray[np.float64], others: Iterable[NDArray[np.float64]], axis: TempoAxis
) -> NDArray[np.float64]:
    for other in others:
        first = product_of(first, other, axis)
    return first


def _scaled(distribution: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(distribution / distribution.sum())


def _pulse(
    distribution: NDArray[np.float64], periodicity: Periodicity, axis: TempoAxis
) -> tuple[float, float]:
    peak = log_odds(folded_peak(distribution, axis))
    return peak, math.log(periodicity.strength + 1e-3)


def _alone(periodicity: Periodicity, axis: TempoAxis) -> NDArray[np.float64]:
    prior = np.exp(-0.5 * np.square(np.log2(axis.bpms / _ALONE_BPM) / _ALONE_OCTAVES))
    periodic = periodicity.distribution * periodicity.division
    said = periodic**_ALONE_POWER * fold(periodic, axis) ** _ALONE_FOLDED_POWER * prior
    return np.asarray(said / said.sum())
