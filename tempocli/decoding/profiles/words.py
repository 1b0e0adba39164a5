"""What a profile says, in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tempocli.decoding.distributions import relation

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
    elif abs(profile.exponent) < _LEAST:
        sentences.append("on average as the default; for some styles faster, for others slower")
    else:
        factor = 2.0 ** abs(profile.exponent)
        which = "its half" if profile.exponent > 0.0 else "its double"
        sentences.append(f"on average, a tempo counts {_factor(factor)} times as much against {which}")
    return tuple(sentences)


def _factor(value: float) -> str:
    return f"{value:.{max(0, 1 - math.floor(math.log10(value)))}f}"
