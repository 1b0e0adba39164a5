"""Learn a profile from tracks whose tempo a person has said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tempocli.axis import TOLERANCE
from tempocli.decoding.distributions import find_peaks, relation
from tempocli.decoding.profiles.fitting import Data, Fit, fit_curve, fit_exponent
from tempocli.decoding.profiles.profile import Profile, ProfileModel
from tempocli.decoding.profiles.words import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tempocli.axis import TempoAxis
    from tempocli.inference.spec import ModelSpec

# Before any track is known: standard deviation of the exponent, and of its change with the style, as a
# multiple of that. The second pair is for wrong octaves that go one way. docs/profiles.md says how they
# were chosen.
_USUAL, _ONE_WAY = (0.8, 1.0), (2.0, 0.7)
_CLEAR = 3  # more wrong octaves one way than the other
_MIN_WRONG = 2
_SURE = 2.0  # of the logarithms of evidence: about 7 to 1 for a curve rather than an exponent
_FASTER, _SLOWER = {"2", "3", "4"}, {"1/2", "1/3", "1/4"}
_FOLDS = 20


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
    at 0, so that few tracks change little, and a style unlike all that was heard changes nothing. The priors
    are wider if clearly more of the wrong octaves are too slow than too fast, or the other way round.

    A person who counts all music between 70 and 140 BPM has no exponent. If the evidence (the marginal
    likelihood) is clearly better for a smooth curve of weights over the tempo, that is fitted instead.

    Unless at least two estimates were wrong by a factor of 2, 3 or 4, there is nothing to learn, and the
    profile changes nothing: a tempo that was right all along gives no reason for a change. A profile with
    which fewer tracks are right than without, each heard with what the others say, is not kept.

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
    data = Data.of(evidence, tempi, spec.axis)
    model = ProfileModel.of(spec)
    before = [_is_right(each.bpm, bpm) for each, bpm in zip(evidence, tempi, strict=True)]
    pairs = zip(evidence, tempi, strict=True)
    relations = [relation(said, each.bpm) for each, said in pairs if each.bpm is not None]
    n_faster, n_slower = (sum(each in names for each in relations) for names in (_FASTER, _SLOWER))
    if n_faster + n_slower < _MIN_WRONG:
        return _unchanged(model, evidence, tempi, sum(before))
    fit = _shape(data, _ONE_WAY if abs(n_faster - n_slower) >= _CLEAR else _USUAL)
    n_right = 0
    for each, said, without in zip(evidence, tempi, _fits_without(data, fit), strict=True):
        n_right += _is_right(tempo_under(Profile(model, **without.values), each, spec.axis), said)
    if n_right < sum(before):
        return _unchanged(model, evidence, tempi, sum(before))
    profile = Profile(model, n_tracks=len(tempi), n_wrong=len(tempi) - sum(before), **fit(data).values)
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


def _shape(data: Data, prior: tuple[float, float]) -> Callable[[Data], Fit]:
    """Choose what to fit: an exponent, or a curve if the evidence for that is clearly better."""
    others = max(0.0, *(fit_exponent(data, each).evidence for each in (_USUAL, _ONE_WAY)))
    if fit_curve(data).evidence > others + _SURE:
        return fit_curve
    return lambda chosen: fit_exponent(chosen, prior)


def _fits_without(data: Data, fit: Callable[[Data], Fit]) -> list[Fit]:
    """Return for each track what the others say; many tracks are left out in twenty groups."""
    n_tracks = len(data.styles)
    groups = np.arange(n_tracks) % min(n_tracks, _FOLDS)
    fits = {}
    for group in np.unique(groups):
        others = groups != group
        fits[group] = fit(data.of_tracks(others)) if others.any() else Fit()
    return [fits[group] for group in groups]
