"""A playlist that leads from one track to another in small steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.embedding.index.library import Match, Query
from tempocli.embedding.similarity import weighted
from tempocli.embedding.track import unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tempocli.embedding.index.library import Library

    Floats = NDArray[np.float32]

_CANDIDATES = 40  # tracks considered for each place
_BEAM = 100  # playlists kept from place to place
_TEMPO_WEIGHT = 0.5  # what a change of tempo by an octave costs, in similarity


@dataclass(frozen=True, slots=True)
class _Partial:
    """The beginning of a playlist."""

    score: float
    places: tuple[int, ...]


def lead(
    library: Library,
    start: Mapping[str, Floats],
    end: Mapping[str, Floats],
    *,
    weights: Mapping[str, float],
    length: int,
    allowed: NDArray[np.bool_],
    bpms: tuple[float | None, float | None] = (None, None),
) -> list[Match]:
    """Choose tracks between two tracks.

    For each place, the target lies between the two ends; tracks near it are the candidates. A beam search
    finds the sequence without repeats that stays near the targets and changes sound and tempo little from
    track to track.

    Parameters
    ----------
    library : Library
    start, end : dict of str to ndarray of float32, shape=(dim,)
        Parts of the vectors of the ends.
    weights : dict of str to float
        Weights of the parts.
    length : int
        Number of tracks with both ends, at least 2.
    allowed : ndarray of bool, shape=(n_tracks,)
        Which tracks of the library may be chosen.
    bpms : tuple of (float or None, float or None)
        Tempi of the ends, in BPM.

    Returns
    -------
    list of Match
        The tracks between the ends, at most ``length - 2``; the similarity is that to the track before.
    """
    places_of = [
        _candidates(library, _between(start, end, step / (length - 1)), weights, allowed)
        for step in range(1, length - 1)
    ]
    if not all(len(places) for places, _ in places_of):
        return []
    tempi = library.bpms()
    vectors = _Vectors(library, weights)
    beam = [_Partial(0.0, ())]
    for places, near in places_of:
        grown = []
        for partial in beam:
            before = vectors.of(partial.places[-1]) if partial.places else vectors.joined(start)
            bpm = tempi[partial.places[-1]] if partial.places else bpms[0]
            for place, closeness in zip(places, near, strict=True):
                if place in partial.places:
                    continue
                step = float(vectors.plain(place) @ before) - _tempo_cost(bpm, tempi[place])
                grown.append(_Partial(partial.score + step + closeness, (*partial.places, place)))
        beam = sorted(grown, key=lambda each: -each.score)[:_BEAM] or beam
    last = vectors.plain_of(end)
    best = max(
        beam,
        key=lambda each: (
            each.score
            + float(vectors.of(each.places[-1]) @ last)
            - _tempo_cost(tempi[each.places[-1]], bpms[1])
            if each.places
            else 0.0
        ),
    )
    matches, before = [], vectors.joined(start)
    for place in best.places:
        matches.append(Match(library.tracks[place], float(vectors.plain(place) @ before)))
        before = vectors.of(place)
    return matches


def _between(start: Mapping[str, Floats], end: Mapping[str, Floats], share: float) -> dict[str, Floats]:
    return {name: unit((1.0 - share) * start[name] + share * end[name]) for name in start}


def _candidates(
    library: Library, parts: Mapping[str, Floats], weights: Mapping[str, float], allowed: NDArray[np.bool_]
) -> tuple[list[int], list[float]]:
    scores = np.where(allowed, library.similarities(Query(parts, weights)), -np.inf)
    nearest = np.argsort(-scores, kind="stable")[:_CANDIDATES]
    nearest = nearest[np.isfinite(scores[nearest])]
    return nearest.tolist(), scores[nearest].tolist()


def _tempo_cost(before: float | None, after: float | None) -> float:
    """Return the cost of a change of tempo; half and double tempo are no change."""
    if before is None or after is None or not before > 0.0 or not after > 0.0:
        return 0.0
    octaves = np.log2(after / before)
    return float(_TEMPO_WEIGHT * abs(octaves - round(octaves)))


class _Vectors:
    """Vectors of the tracks of a library, plain and weighted, read once each."""

    def __init__(self, library: Library, weights: Mapping[str, float]) -> None:
        self._library, self._weights = library, weights
        self._known: dict[int, tuple[Floats, Floats]] = {}

    def of(self, place: int) -> Floats:
        """Return the weighted vector of a track."""
        return self._both(place)[1]

    def plain(self, place: int) -> Floats:
        """Return the plain vector of a track."""
        return self._both(place)[0]

    def joined(self, parts: Mapping[str, Floats]) -> Floats:
        """Return the weighted vector of parts."""
        return weighted(parts, self._weights)

    def plain_of(self, parts: Mapping[str, Floats]) -> Floats:
        """Return the plain vector of parts."""
        return np.concatenate(list(parts.values()))

    def _both(self, place: int) -> tuple[Floats, Floats]:
        if place not in self._known:
            parts = self._library.parts_of(self._library.tracks[place])
            self._known[place] = (self.plain_of(parts), self.joined(parts))
        return self._known[place]
