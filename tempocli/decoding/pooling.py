"""What all methods together say of a track, or of a part of one."""

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

# Powers from 0.5 to 8 are alike on the development files: this is no setting to tune.
_FOLDED_POWER = 2.0
# The baseline without a network: tempi as people count them, of which nothing was learned.
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
        Of all methods together; sums to 1.
    by_method : dict of str to ndarray of float64, shape=(n_bins,)
        What each says by itself.
    pulse : tuple of (float, float)
        How clear the pulse is: log-odds of the folded peak of what the methods say without the periodicity,
        and the logarithm of the periodicity's strength.
    kept : float
        Part of the distribution that `near` has left.
    """

    distribution: NDArray[np.float64]
    by_method: dict[str, NDArray[np.float64]]
    pulse: tuple[float, float]
    kept: float = 1.0

    def near(self, bpm: float, axis: TempoAxis) -> TrackTempo:
        """Keep what is said near a tempo, its octaves and its triples, and next to nothing else.

        A section is short: heard alone, its tempo may come out at another ratio of the beat, such as 3/2,
        than beside the rest of the track. `by_method` stays as it is.
        """
        distance = np.abs(np.log2(axis.bpms / bpm)[:, None] - np.log2(_NEAR_RATIOS)).min(axis=1)
        said = self.distribution * np.where(distance <= _NEAR_OCTAVES, 1.0, _ELSEWHERE)
        return replace(self, distribution=said / said.sum(), kept=float(said.sum()))


def track_tempo(
    spec: ModelSpec, tempograms: Mapping[str, NDArray[np.float32]], curve: NDArray[np.float32]
) -> TrackTempo:
    """Pool the windows of all methods, and measure the periodicity of the whole.

    Several methods agree in a product; a prior counts once, and is the leading one's. The periodicity joins
    them with its octaves folded, so that it tells the metrical family and leaves the octave to the networks.
    Tempi whose beats are divided in five or seven count for little with all of them.

    Parameters
    ----------
    spec : ModelSpec
        Of the model, which may be an ensemble.
    tempograms : dict of str to ndarray of float32, shape=(n_windows, n_bins)
        By method, one for each of the model's parts; at least one window.
    curve : ndarray of float32, shape=(n_frames,)
        Rises, from `tempocli.features.periodicity.rises`.
    """
    leading, *others = spec.parts
    axis = spec.axis
    periodicity = measure(curve, frame_rate=spec.front_end.frame_rate, axis=axis)
    if leading.pooling == "whole":
        alone = _alone(periodicity, axis)
        # Raised to powers, what it says of noise is as sharp as what it says of music.
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
        # Weighed before they are multiplied: a tempo takes what the others say beside it.
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
