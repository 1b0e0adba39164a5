"""Fit how a person counts to tempi that were said: maxima of penalised likelihoods."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.axis import TOLERANCE
from tempocli.decoding.profiles.profile import CURVE_BPMS, MAX_CURVE, MAX_EXPONENT, curve_basis, unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tempocli.axis import TempoAxis
    from tempocli.decoding.profiles.learning import Evidence

    Floats = NDArray[np.float64]
    # Of weights: the log-likelihood, its gradient, and minus its second derivatives.
    Objective = Callable[[Floats], tuple[float, Floats, Floats]]

_STRAY, _STRAY_SHARE = 0.05, 0.1  # share of tempi that say nothing, and what they say of any tempo
_CURVE_STEP = 2.7  # deviation of the change of a log-weight from one knot of the curve to the next
_STEPS, _ENOUGH = 50, 1e-6
_FLOOR = 1e-12


@dataclass(frozen=True, slots=True)
class Fit:
    """What was fitted.

    Attributes
    ----------
    exponent, style, style_centre, curve
        As of `tempocli.decoding.profiles.profile.Profile`.
    evidence : float
        Logarithm of the marginal likelihood (Laplace's approximation), less that of no change.
    """

    exponent: float = 0.0
    style: tuple[float, ...] = ()
    style_centre: float = 0.0
    curve: tuple[float, ...] = ()
    evidence: float = 0.0

    @property
    def values(self) -> dict[str, Any]:
        """The attributes of a profile."""
        return {name: getattr(self, name) for name in ("exponent", "style", "style_centre", "curve")}


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Tracks as arrays.

    Distributions, and whether a bin is near the tempo, have the shape (n_tracks, n_bins); embeddings of unit
    length (n_tracks, dim).
    """

    axis: TempoAxis
    distributions: NDArray[np.float64]
    near: NDArray[np.bool_]
    styles: NDArray[np.float64]

    @classmethod
    def of(cls, evidence: Sequence[Evidence], tempi: Sequence[float], axis: TempoAxis) -> Data:
        """Join tracks and the tempi that a person says of them."""
        said = np.array(tempi, np.float64)[:, None]
        return cls(
            axis,
            np.stack([each.distribution for each in evidence]),
            np.abs(axis.bpms - said) <= TOLERANCE * said,
            np.stack([unit(each.embedding) for each in evidence]),
        )

    def of_tracks(self, chosen: NDArray[np.bool_]) -> Data:
        """Return some of the tracks."""
        return Data(self.axis, self.distributions[chosen], self.near[chosen], self.styles[chosen])


def fit_exponent(data: Data, prior: tuple[float, float]) -> Fit:
    """Fit one exponent and its change with the style.

    Parameters
    ----------
    data : Data
    prior : (float, float)
        Standard deviation of the exponent, and of its change with the style as a multiple of that.
    """
    deviation, of_style = prior
    mean = data.styles.mean(axis=0)
    # In the space that the tracks span; in all other directions, the prior holds the style at 0.
    left, lengths, right = np.linalg.svd(data.styles - mean, full_matrices=False)
    size = math.sqrt(float((lengths**2).sum()) / len(data.styles))
    kept = lengths > 1e-6 * max(size, 1e-6)
    scale = of_style / size if kept.any() else 0.0
    parts = [np.ones((len(data.styles), 1)), left[:, kept] * lengths[kept] * scale]
    features = deviation * np.concatenate(parts, axis=1)

    def objective(weights: Floats) -> tuple[float, Floats, Floats]:
        value, slope, bend = likelihood(features @ weights, data)
        # The likelihood of a stray tempo is not concave; without its bend, a step still goes up.
        curvature = (features.T * np.maximum(-bend, 0.0)) @ features
        return float(value.sum()), features.T @ slope, curvature

    weights, evidence = _maximise(objective, features.shape[1])
    weights = deviation * weights
    style = np.array([_rounded(each) for each in scale * (weights[1:] @ right[kept])])
    exponent = _rounded(min(max(float(weights[0]), -MAX_EXPONENT), MAX_EXPONENT))
    if not style.any():
        return Fit(exponent, evidence=evidence)
    return Fit(exponent, tuple(style.tolist()), round(float(style @ mean), 6), evidence=evidence)


def fit_curve(data: Data) -> Fit:
    """Fit a weight of each tempo: a random walk over the logarithm of the tempo.

    Beyond the tempi that were heard, the curve is level. The weights of all tempi can be scaled together; the
    curve is 0 on average.
    """
    n_knots = len(CURVE_BPMS)
    knots = _CURVE_STEP * np.tril(np.ones((n_knots, n_knots)), -1)[:, :-1]
    knots -= knots.mean(axis=0)
    basis = curve_basis(data.axis.bpms) @ knots

    def objective(weights: Floats) -> tuple[float, Floats, Floats]:
        shares = _shares(data, basis @ weights)
        mean = shares @ basis
        mass = (shares * data.near).sum(axis=1)
        said = (1.0 - _STRAY) * mass + _STRAY * _STRAY_SHARE
        trusted = (1.0 - _STRAY) * mass / said
        slopes = (1.0 - _STRAY) / said[:, None] * ((shares * data.near) @ basis - mass[:, None] * mean)
        # As if the tempo that was said were one bin.
        second = (basis.T * (trusted @ shares)) @ basis - (mean.T * trusted) @ mean
        return float(np.log(said).sum()), slopes.sum(axis=0), second

    weights, evidence = _maximise(objective, basis.shape[1])
    curve = np.clip(knots @ weights / math.log(2.0), -MAX_CURVE, MAX_CURVE)
    return Fit(curve=tuple(_rounded(each) for each in curve), evidence=evidence)


def _rounded(value: float) -> float:
    """Round to four decimals, so that the file and what was computed are the same."""
    return round(float(value), 4) + 0.0


def _maximise(objective: Objective, n_weights: int) -> tuple[Floats, float]:
    """Maximise a likelihood with a standard normal prior by Newton's method.

    Also return the logarithm of the marginal likelihood, less that of weights of 0.
    """
    weights = np.zeros(n_weights)
    prior = np.eye(n_weights)
    best, slope, curvature = objective(weights)
    start = best
    for _ in range(_STEPS):
        step = np.linalg.solve(curvature + prior, slope - weights)
        for _ in range(30):
            moved = weights + step
            value, new_slope, new_curvature = objective(moved)
            now = value - 0.5 * float(moved @ moved)
            if now >= best:
                break
            step *= 0.5
        else:
            break
        weights, gain, best = moved, now - best, now
        slope, curvature = new_slope, new_curvature
        if gain < _ENOUGH:
            break
    return weights, best - start - 0.5 * float(np.linalg.slogdet(curvature + prior)[1])


def _shares(data: Data, log_weights: Floats) -> Floats:
    """Return reweighted distributions; the logarithms of the weights have shape=(..., n_bins)."""
    log = np.log(data.distributions + _FLOOR) + log_weights
    shares = np.exp(log - log.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def likelihood(exponents: Floats, data: Data) -> tuple[Floats, Floats, Floats]:
    """Return the log-likelihood of each track's tempo and its first two derivatives by the exponent."""
    octaves = math.log(2.0) * np.log2(data.axis.bpms / 128.0)
    shares = _shares(data, exponents[:, None] * octaves)
    near = shares * data.near
    mass, mass1, mass2 = near.sum(axis=1), near @ octaves, near @ octaves**2
    mean, mean2 = shares @ octaves, shares @ octaves**2
    said = (1.0 - _STRAY) * mass + _STRAY * _STRAY_SHARE
    slope = (1.0 - _STRAY) * (mass1 - mass * mean) / said
    bend = (1.0 - _STRAY) * (mass2 - 2.0 * mass1 * mean - mass * mean2 + 2.0 * mass * mean**2) / said
    return np.log(said), slope, bend - slope**2
