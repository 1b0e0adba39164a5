"""Learn a profile from tracks whose tempo a person has said."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tempocli.axis import TOLERANCE
from tempocli.decoding.distributions import find_peaks, relation
from tempocli.decoding.profiles.profile import MAX_EXPONENT, Profile, ProfileModel, unit
from tempocli.decoding.profiles.words import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tempocli.axis import TempoAxis
    from tempocli.inference.spec import ModelSpec

# Before any track is known: standard deviation of the exponent, and of its change with the style, as a
# multiple of that. The second pair is for wrong octaves that go one way. docs/profiles.md says how they
# were chosen.
_USUAL, _ONE_WAY = (0.8, 1.0), (2.0, 0.7)
_CLEAR = 3  # more wrong octaves one way than the other
_STRAY, _STRAY_SHARE = 0.05, 0.1  # share of tempi that say nothing, and what they say of any tempo
_MIN_WRONG = 2
_FASTER, _SLOWER = {"2", "3", "4"}, {"1/2", "1/3", "1/4"}
_FOLDS = 20
_STEPS, _ENOUGH = 50, 1e-6
_FLOOR = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What the model says of a track, without a profile.

    Attributes
    ----------
    bpm : float or None
        Its estimate in BPM.
    distribution : ndarray of float64, shape=(n_bins,)
        Tempo distribution of the whole track.
    embedding : ndarray of float32, shape=(embedding_dim,)
        Mean of the embeddings of its windows.
    """

    bpm: float | None
    distribution: NDArray[np.float64]
    embedding: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Learned:
    """A profile and how well it does.

    Attributes
    ----------
    profile : Profile
    n_right_before : int
        Tracks whose estimate is right within 4 % without the profile.
    n_right_after : int
        The same with a profile that was learned from the other tracks.
    """

    profile: Profile
    n_right_before: int
    n_right_after: int


def learn(evidence: Sequence[Evidence], tempi: Sequence[float], spec: ModelSpec) -> Learned:
    """Learn a profile by penalised likelihood.

    The exponent of a track is ``b + v . (z - mean)``, where ``z`` is its embedding of unit length. ``b`` and
    ``v`` maximise the likelihood of the tempi under the reweighted distributions. Gaussian priors hold them
    at 0, so that few tracks change little, and a style unlike all that was heard changes nothing. Unless at
    least two estimates were wrong by a factor of 2, 3 or 4, there is nothing to learn, and the profile
    changes nothing: a tempo that was right all along gives no reason for a change. The priors are wider if
    clearly more of the wrong octaves are too slow than too fast, or the other way round. A profile with which
    fewer tracks are right than without, each heard with what the others say, is not kept.

    Parameters
    ----------
    evidence : sequence of Evidence
        Tracks with a tempo distribution.
    tempi : sequence of float
        The tempi that the person says, in BPM; right estimates that were accepted are evidence, too.
    spec : ModelSpec
        The model of the evidence.

    Returns
    -------
    Learned

    Raises
    ------
    ValueError
        If there is no track, or the numbers of tracks and tempi differ.
    """
    if not evidence or len(evidence) != len(tempi):
        raise ValueError(f"{len(evidence)} tracks and {len(tempi)} tempi")
    tempi = [float(bpm) for bpm in tempi]
    data = _Data.of(evidence, tempi, spec.axis)
    model = ProfileModel.of(spec)
    before = [_is_right(each.bpm, bpm) for each, bpm in zip(evidence, tempi, strict=True)]
    pairs = zip(evidence, tempi, strict=True)
    relations = [relation(said, each.bpm) for each, said in pairs if each.bpm is not None]
    n_faster, n_slower = (sum(each in names for each in relations) for names in (_FASTER, _SLOWER))
    if n_faster + n_slower < _MIN_WRONG:
        return _unchanged(model, evidence, tempi, sum(before))
    prior = _ONE_WAY if abs(n_faster - n_slower) >= _CLEAR else _USUAL
    n_right = 0
    for each, said, fit in zip(evidence, tempi, _fits_without(data, prior), strict=True):
        n_right += _is_right(tempo_under(Profile(model, *fit), each, spec.axis), said)
    if n_right < sum(before):
        return _unchanged(model, evidence, tempi, sum(before))
    profile = Profile(model, *_fit(data, prior), len(tempi), len(tempi) - sum(before))
    after = [tempo_under(profile, each, spec.axis) for each in evidence]
    profile = replace(profile, words=describe(evidence, tempi, after, profile))
    return Learned(profile, sum(before), n_right)


def _unchanged(
    model: ProfileModel, evidence: Sequence[Evidence], tempi: Sequence[float], n_right: int
) -> Learned:
    """Return a profile that changes nothing."""
    profile = Profile(model, n_tracks=len(tempi), n_wrong=len(tempi) - n_right)
    words = describe(evidence, tempi, [each.bpm for each in evidence], profile)
    return Learned(replace(profile, words=words), n_right, n_right)


def tempo_under(profile: Profile, evidence: Evidence, axis: TempoAxis) -> float | None:
    """Return the tempo of a track under a profile, in BPM, as its whole distribution has it.

    A tempo that stays the same within 4 % is returned as it is; no tempo stays none.
    """
    if evidence.bpm is None or profile.changes_nothing:
        return evidence.bpm
    said = evidence.distribution * profile.weights(axis.bpms, evidence.embedding)
    bpm = find_peaks(said / said.sum(), axis)[0].bpm
    return evidence.bpm if abs(bpm / evidence.bpm - 1.0) <= TOLERANCE else bpm


def _is_right(bpm: float | None, said: float) -> bool:
    return bpm is not None and bool(abs(bpm / said - 1.0) <= TOLERANCE)


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    """Tracks as arrays.

    Distributions, and whether a bin is near the tempo, have the shape (n_tracks, n_bins); embeddings of unit
    length (n_tracks, dim).
    """

    axis: TempoAxis
    distributions: NDArray[np.float64]
    near: NDArray[np.bool_]
    styles: NDArray[np.float64]

    @classmethod
    def of(cls, evidence: Sequence[Evidence], tempi: Sequence[float], axis: TempoAxis) -> _Data:
        said = np.array(tempi, np.float64)[:, None]
        return cls(
            axis,
            np.stack([each.distribution for each in evidence]),
            np.abs(axis.bpms - said) <= TOLERANCE * said,
            np.stack([unit(each.embedding) for each in evidence]),
        )

    def of_tracks(self, chosen: NDArray[np.bool_]) -> _Data:
        return _Data(self.axis, self.distributions[chosen], self.near[chosen], self.styles[chosen])


def _fit(data: _Data, prior: tuple[float, float]) -> tuple[float, tuple[float, ...], float]:
    """Return the exponent, the direction of the style, and the product of that and the mean embedding."""
    deviation, of_style = prior
    mean = data.styles.mean(axis=0)
    # In the space that the tracks span; in all other directions, the prior holds the style at 0.
    left, lengths, right = np.linalg.svd(data.styles - mean, full_matrices=False)
    size = math.sqrt(float((lengths**2).sum()) / len(data.styles))
    kept = lengths > 1e-6 * max(size, 1e-6)
    scale = of_style / size if kept.any() else 0.0
    parts = [np.ones((len(data.styles), 1)), left[:, kept] * lengths[kept] * scale]
    weights = deviation * _maximise(deviation * np.concatenate(parts, axis=1), data)
    style = np.array([_rounded(each) for each in scale * (weights[1:] @ right[kept])])
    exponent = _rounded(min(max(float(weights[0]), -MAX_EXPONENT), MAX_EXPONENT))
    if not style.any():
        return exponent, (), 0.0
    return exponent, tuple(style.tolist()), round(float(style @ mean), 6)


def _rounded(value: float) -> float:
    """Round to four decimals, so that the file and what was computed are the same."""
    return round(float(value), 4) + 0.0


def _maximise(features: NDArray[np.float64], data: _Data) -> NDArray[np.float64]:
    """Maximise the penalised likelihood by Newton's method; features have shape=(n_tracks, n_weights)."""
    weights = np.zeros(features.shape[1])
    value, slope, bend = _likelihood(features @ weights, data)
    best = value.sum()
    for _ in range(_STEPS):
        gradient = features.T @ slope - weights
        # The likelihood of a stray tempo is not concave; without its bend, a step still goes up.
        curvature = (features.T * np.maximum(-bend, 0.0)) @ features + np.eye(len(weights))
        step = np.linalg.solve(curvature, gradient)
        for _ in range(30):
            moved = weights + step
            value, slope, bend = _likelihood(features @ moved, data)
            now = value.sum() - 0.5 * float(moved @ moved)
            if now >= best:
                break
            step *= 0.5
        else:
            break
        weights, gain, best = moved, now - best, now
        if gain < _ENOUGH:
            break
    return weights


def _likelihood(
    exponents: NDArray[np.float64], data: _Data
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the log-likelihood of each track's tempo and its first two derivatives by the exponent."""
    octaves = math.log(2.0) * np.log2(data.axis.bpms / 128.0)
    log = np.log(data.distributions + _FLOOR) + exponents[:, None] * octaves
    shares = np.exp(log - log.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    near = shares * data.near
    mass, mass1, mass2 = near.sum(axis=1), near @ octaves, near @ octaves**2
    mean, mean2 = shares @ octaves, shares @ octaves**2
    said = (1.0 - _STRAY) * mass + _STRAY * _STRAY_SHARE
    slope = (1.0 - _STRAY) * (mass1 - mass * mean) / said
    bend = (1.0 - _STRAY) * (mass2 - 2.0 * mass1 * mean - mass * mean2 + 2.0 * mass * mean**2) / said
    return np.log(said), slope, bend - slope**2


def _fits_without(data: _Data, prior: tuple[float, float]) -> list[tuple[float, tuple[float, ...], float]]:
    """Return for each track what the others say; many tracks are left out in twenty groups."""
    n_tracks = len(data.styles)
    groups = np.arange(n_tracks) % min(n_tracks, _FOLDS)
    fits = {}
    for group in np.unique(groups):
        others = groups != group
        fits[group] = _fit(data.of_tracks(others), prior) if others.any() else (0.0, (), 0.0)
    return [fits[group] for group in groups]
