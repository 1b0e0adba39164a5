"""What a profile says, in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tempocli.axis import MAX_BPM, MIN_BPM
from tempocli.decoding.distributions import relation
from tempocli.decoding.profiles.profile import curve_basis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tempocli.decoding.profiles.learning import Evidence
    from tempocli.decoding.profiles.profile import Profile

_LEAST = 0.07  # an exponent that changes a weight by 5 %
_DOES = {
    "2": "halves",
    "3": "takes a third",
    "4": "takes a quarter",
    "1/2": "doubles",
    "1/3": "triples",
    "1/4": "takes four times the tempo",
}


def describe(
    evidence: Sequence[Evidence], tempi: Sequence[float], after: Sequence[float | None], profile: Profile
) -> tuple[str, ...]:
    """Describe how a person counts, and what a profile does about it.

    Parameters
    ----------
    evidence : sequence of Evidence
    tempi : sequence of float
        What the person says, in BPM.
    after : sequence of float or None
        Estimates under the profile.
    profile : Profile

    Returns
    -------
    tuple of str
    """
    sentences = []
    for name, does in _DOES.items():
        chosen = [
            (said, now)
            for each, said, now in zip(evidence, tempi, after, strict=True)
            if each.bpm is not None and relation(said, each.bpm) == name
        ]
        if chosen:
            low, high = min(said for said, _ in chosen), max(said for said, _ in chosen)
            span = f"{low:.0f}" if round(low) == round(high) else f"{low:.0f} to {high:.0f}"
            follows = sum(now is not None and relation(now, said) == "1" for said, now in chosen)
            followed = f"; the profile follows in {follows}" if not profile.changes_nothing else ""
            tracks = f"{len(chosen)} track{'s' if len(chosen) > 1 else ''}{followed}"
            sentences.append(f"counts {span} BPM where the default {does} ({tracks})")
    if profile.changes_nothing:
        sentences.append("no clear habit: the profile changes nothing")
    elif profile.curve:
        low = _favourite_octave(profile)
        sentences.append(f"counts mostly between {low:.0f} and {2.0 * low:.0f} BPM")
    elif abs(profile.exponent) < _LEAST:
        sentences.append("on average as the default; for some styles faster, for others slower")
    else:
        factor = 2.0 ** abs(profile.exponent)
        which = "its half" if profile.exponent > 0.0 else "its double"
        sentences.append(f"on average, a tempo counts {_factor(factor)} times as much against {which}")
    return tuple(sentences)


def _favourite_octave(profile: Profile) -> float:
    """Return the lower end of the octave with the largest weights, in BPM."""
    n_steps = 48  # per octave
    bpms = MIN_BPM * 2.0 ** np.arange(0.0, math.log2(MAX_BPM / MIN_BPM), 1.0 / n_steps)
    sums = np.concatenate([[0.0], np.cumsum(curve_basis(bpms) @ profile.curve)])
    return float(bpms[np.argmax(sums[n_steps:] - sums[:-n_steps])])


def _factor(value: float) -> str:
    return f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}"
