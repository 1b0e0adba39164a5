"""Find candidates in the tempo distribution of a track, optionally within a range of tempi."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tempocli.axis import TOLERANCE
from tempocli.decoding.distributions import MIN_MASS, find_peaks, mass_near

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from tempocli.axis import TempoAxis
    from tempocli.decoding.distributions import Peak

_OCTAVES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
_TRIPLES = (1 / 3, 3.0)
# Tolerance at the edges of a range: exact tempi are estimated with errors of a few thousandths.
_AT_THE_EDGE = 5e-4
# Share of a family's mass for members without mass of their own: 87 BPM if only 174 BPM has a peak.
_UNHEARD = 0.02


@dataclass(frozen=True, slots=True)
class Family:
    """A tempo and its octaves.

    Attributes
    ----------
    bpm : float
        Tempo of the member with the largest mass, in BPM.
    mass : float
        Share of the distribution within 4 % of any member.
    related : float
        The same, including three times and a third of the member.
    """

    bpm: float
    mass: float
    related: float


@dataclass(frozen=True, slots=True)
class Found:
    """A tempo found by the search.

    Attributes
    ----------
    bpm : float
    mass : float
        Share of the distribution within 4 % of the tempo or, with a range, of its octaves.
    family : float
        Share of the distribution that supports the tempo up to a factor of 2 or 3.
    """

    bpm: float
    mass: float
    family: float

    def at(self, bpm: float) -> Found:
        """Return a copy with another tempo."""
        return replace(self, bpm=bpm)


def search(
    distribution: NDArray[np.float64],
    axis: TempoAxis,
    *,
    min_bpm: float,
    max_bpm: float,
    exact: Callable[[float], float],
) -> list[Found]:
    """Find the tempi within a range, most probable first.

    The distribution covers all tempi. A tempo outside the range counts for its octaves inside: half,
    double, quarter and quadruple. A triple or a third of it is found only if it has its own peak. The result
    is empty if the most probable tempo has no octave in the range. A range of at least one octave contains
    an octave of each tempo.

    Parameters
    ----------
    distribution : ndarray of float64, shape=(n_bins,)
        Sums to 1.
    axis : TempoAxis
    min_bpm, max_bpm : float
        The range, in BPM.
    exact : callable
        Refines a tempo in BPM, so that the edges of the range are exact.

    Returns
    -------
    list of Found
    """
    if min_bpm <= axis.bpms[0] and max_bpm >= axis.bpms[-1]:
        return [_found(distribution, axis, peak.bpm, peak.mass) for peak in find_peaks(distribution, axis)]
    inside: list[Found] = []
    likeliest = 0.0
    families = _families(distribution, axis)
    remainder = max(0.0, 1.0 - sum(family.mass for family in families))
    for family in families:
        members = _members(exact(family.bpm), min_bpm, max_bpm)
        if not members:
            remainder += family.mass
            continue
        likeliest = max(likeliest, family.mass)
        heard = [mass_near(distribution, axis, bpm) + _UNHEARD * family.mass for bpm in members]
        inside.extend(
            Found(bpm, family.mass * mass / sum(heard), family.related)
            for bpm, mass in zip(members, heard, strict=True)
        )
    if max_bpm < 2.0 * min_bpm and likeliest <= remainder:
        return []
    inside.sort(key=lambda found: -found.mass)
    return inside[:1] + [found for found in inside[1:] if found.mass >= MIN_MASS]


def _found(distribution: NDArray[np.float64], axis: TempoAxis, bpm: float, mass: float) -> Found:
    related = sum(mass_near(distribution, axis, bpm * factor) for factor in (1 / 2, 2.0, *_TRIPLES))
    return Found(bpm, mass, min(1.0, mass + related))


def _families(distribution: NDArray[np.float64], axis: TempoAxis) -> list[Family]:
    families: list[Family] = []
    for peak in find_peaks(distribution, axis):
        if not any(_is_octave(peak.bpm, family.bpm) for family in families):
            families.append(_family(distribution, axis, peak))
    return families


def _family(distribution: NDArray[np.float64], axis: TempoAxis, peak: Peak) -> Family:
    mass = peak.mass + sum(
        mass_near(distribution, axis, peak.bpm * factor) for factor in _OCTAVES if factor != 1.0
    )
    triples = sum(mass_near(distribution, axis, peak.bpm * factor) for factor in _TRIPLES)
    return Family(peak.bpm, min(1.0, mass), min(1.0, mass + triples))


def _is_octave(bpm: float, other: float) -> bool:
    return any(abs(bpm / (other * factor) - 1.0) <= TOLERANCE for factor in _OCTAVES)


def _members(bpm: float, min_bpm: float, max_bpm: float) -> list[float]:
    """Return the octaves of a tempo within a range; those just outside are moved to its edge."""
    low, high = min_bpm * (1.0 - _AT_THE_EDGE), max_bpm * (1.0 + _AT_THE_EDGE)
    return [min(max(bpm * factor, min_bpm), max_bpm) for factor in _OCTAVES if low <= bpm * factor <= high]
