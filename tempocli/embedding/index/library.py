"""Search an index: tracks that are like a track, also as if it were played at another tempo."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.embedding.index.entries import Entry, SectionEntry, read_entries
from tempocli.embedding.index.layout import Layout, read_layout
from tempocli.embedding.index.rows import read_rows
from tempocli.embedding.similarity import WEIGHTS, check_weights, weighted
from tempocli.embedding.translation import shift_rhythm, tempo_blind
from tempocli.errors import DataError
from tempocli.schema import input_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tempocli.schema import Part

    Floats = NDArray[np.float32]

MIXABLE = 0.06  # what a pitch fader can do without being heard
_COPY = 0.998  # similarity of two files of one recording
_ROWS_PER_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Match:
    """A track that was found.

    Attributes
    ----------
    entry : Entry
    similarity : float
        Weighted mean of the cosines of the parts, -1 to 1.
    """

    entry: Entry
    similarity: float


@dataclass(frozen=True, slots=True)
class SectionMatch:
    """A section of a track that was found.

    Attributes
    ----------
    entry : Entry
    section : SectionEntry
    similarity : float
        Weighted mean of the cosines of the parts, -1 to 1.
    """

    entry: Entry
    section: SectionEntry
    similarity: float


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for.

    Attributes
    ----------
    parts : dict of str to ndarray of float32, shape=(dim,)
        Parts of a vector, as in `tempocli.embedding.track.TrackEmbedding`.
    weights : dict of str to float
        Weights of the parts.
    rate : float
        The music is compared as if played at this rate; more than 1 is faster.
    any_tempo : bool
        Whether rhythms are compared whatever their tempo.
    """

    parts: Mapping[str, Floats]
    weights: Mapping[str, float]
    rate: float = 1.0
    any_tempo: bool = False


class Library:
    """An index, opened for search.

    Parameters
    ----------
    folder : str
        An index made by ``tempo index``. What is added later is not seen.

    Attributes
    ----------
    layout : Layout
    entries : dict of str to Entry
        All tracks by key, also those that could not be read.
    tracks : list of Entry
        The tracks that can be found.
    sections : list of (Entry, SectionEntry)
        The sections that can be found; empty if the index was made without sections.

    Raises
    ------
    DataError
        If there is no index, or it is damaged.
    """

    def __init__(self, folder: str) -> None:
        self.layout: Layout = read_layout(folder)
        tracks = os.path.join(folder, self.layout.tracks_name)
        try:
            with open(tracks, "rb") as file:
                self.entries = read_entries(file, tracks)
            self.tracks = [entry for entry in self.entries.values() if entry.row is not None]
            self.sections = [(entry, each) for entry in self.tracks for each in entry.sections]
            rows = [entry.row for entry in self.tracks if entry.row is not None]
            section_rows = [each.row for _, each in self.sections]
            self._vectors = _Rows(os.path.join(folder, self.layout.vectors_name), self.layout, rows)
            # Indexes without sections have no file of them.
            path = os.path.join(folder, self.layout.sections_name if section_rows else os.devnull)
            self._section_vectors = _Rows(path, self.layout, section_rows)
        except OSError as error:
            raise DataError(f"{folder}: damaged ({error.strerror}); make it again with --rebuild") from error

    def find(self, path: str, part: Part | None = None) -> Entry | None:
        """Return the track of a file, or ``None`` if the index has none."""
        return self.entries.get(input_key(os.path.abspath(path), part))

    def parts_of(self, entry: Entry) -> dict[str, Floats]:
        """Return the vector of a track in parts.

        Raises
        ------
        DataError
            If the track has none, because it could not be read or is silent.
        """
        if entry.row is None:
            raise DataError(f"{entry.path}: {entry.error or entry.reason or 'nothing was heard'}")
        return self._split(self._vectors.all[entry.row])

    def parts_of_section(self, section: SectionEntry) -> dict[str, Floats]:
        """Return the vector of a section in parts."""
        return self._split(self._section_vectors.all[section.row])

    def bpms(self) -> NDArray[np.float64]:
        """Return the tempo of each of `tracks`, NaN without one, shape=(n_tracks,)."""
        return np.array([np.nan if entry.bpm is None else entry.bpm for entry in self.tracks], np.float64)

    def similarities(self, query: Query) -> Floats:
        """Compare a query with all of `tracks`.

        Returns
        -------
        ndarray of float32, shape=(n_tracks,)
            Weighted mean of the cosines.

        Raises
        ------
        ValueError
            If the weights or the rate are invalid.
        """
        return self._compare(query, self._vectors)

    def _compare(self, query: Query, rows: _Rows) -> Floats:
        check_weights(query.weights, self.layout.parts)
        parts = dict(query.parts)
        rhythm = shift_rhythm(parts["rhythm"], query.rate, self.layout.rhythm)
        if not query.any_tempo:
            scores = _dot(rows.all, weighted(parts | {"rhythm": rhythm}, query.weights))
            return scores[rows.used]
        others = {name: weight for name, weight in query.weights.items() if name != "rhythm"}
        share = query.weights.get("rhythm", 0.0) / sum(query.weights.values())
        scores = np.zeros(len(rows.all), np.float32)
        if any(others.values()):
            scores = (1.0 - share) * _dot(rows.all, weighted(parts, others))
        return (scores + share * self._blind_dot(rows.all, rhythm))[rows.used]

    def similar(
        self,
        query: Query,
        *,
        number: int = 20,
        allowed: NDArray[np.bool_] | None = None,
        copies: bool = False,
    ) -> list[Match]:
        """Return the tracks most like a query, most alike first.

        Parameters
        ----------
        query : Query
        number : int
            Maximum number of tracks.
        allowed : ndarray of bool, shape=(n_tracks,), optional
            Which of `tracks` may be found; by default, all.
        copies : bool
            Whether to return copies of the query: tracks whose vector is the same at the same tempo.
        """
        scores = self.similarities(query)
        may = np.ones(len(scores), bool) if allowed is None else allowed.copy()
        if not copies:
            may &= ~self.copies_of(query.parts)
        return [Match(self.tracks[place], float(scores[place])) for place in _best(scores, may, number)]

    def similar_sections(
        self,
        query: Query,
        *,
        number: int = 20,
        allowed: NDArray[np.bool_] | None = None,
        copies: bool = False,
    ) -> list[SectionMatch]:
        """Return the sections most like a query, the best one of each track, most alike first.

        Parameters
        ----------
        query : Query
        number : int
            Maximum number of sections.
        allowed : ndarray of bool, shape=(n_sections,), optional
            Which of `sections` may be found; by default, all.
        copies : bool
            Whether to return copies of the query: sections whose vector is the same at the same tempo.
        """
        scores = self._compare(query, self._section_vectors)
        may = np.ones(len(scores), bool) if allowed is None else allowed.copy()
        if not copies:
            may &= self._compare(Query(query.parts, WEIGHTS), self._section_vectors) <= _COPY
        best: dict[str, int] = {}
        for place in np.flatnonzero(may).tolist():
            key = self.sections[place][0].key
            if key not in best or scores[place] > scores[best[key]]:
                best[key] = place
        may[:] = False
        may[list(best.values())] = True
        found = []
        for place in _best(scores, may, number).tolist():
            entry, section = self.sections[place]
            found.append(SectionMatch(entry, section, float(scores[place])))
        return found

    def copies_of(self, parts: Mapping[str, Floats]) -> NDArray[np.bool_]:
        """Return which of `tracks` are the recording of a vector, shape=(n_tracks,)."""
        return np.asarray(self.similarities(Query(parts, WEIGHTS)) > _COPY)

    def mixable(self, bpm: float) -> NDArray[np.bool_]:
        """Return which of `tracks` a DJ can mix with a tempo: within 6 % of it, its half or double."""
        octaves = np.log2(self.bpms() / bpm)
        nearest = np.clip(np.round(octaves), -1.0, 1.0)
        return np.asarray(np.abs(octaves - nearest) <= np.log2(1.0 + MIXABLE))

    def _split(self, vector: Floats) -> dict[str, Floats]:
        ends = np.cumsum([part.dim for part in self.layout.parts])
        pieces = np.split(np.asarray(vector), ends[:-1], axis=-1)
        return {part.name: piece for part, piece in zip(self.layout.parts, pieces, strict=True)}

    def _blind_dot(self, vectors: Floats, rhythm: Floats) -> Floats:
        axis = self.layout.rhythm
        query = tempo_blind(rhythm, axis)
        scores = np.empty(len(vectors), np.float32)
        for start in range(0, len(scores), _ROWS_PER_BLOCK):
            block = self._split(vectors[start : start + _ROWS_PER_BLOCK])["rhythm"]
            scores[start : start + len(block)] = tempo_blind(block, axis) @ query
        return scores


class _Rows:
    """The vectors of a file, and which of its rows are in use."""

    def __init__(self, path: str, layout: Layout, used: list[int]) -> None:
        self.all = read_rows(path, layout.dim)
        self.used = np.array(used, np.int64)
        if used and not 0 <= self.used.min() <= self.used.max() < len(self.all):
            raise DataError(f"{path}: damaged (vectors are missing); make the index again with --rebuild")


def _dot(vectors: Floats, query: Floats) -> Floats:
    # Parts at the end that have no weight are not read.
    used = int(np.flatnonzero(query)[-1]) + 1 if query.any() else 1
    return np.asarray(vectors[:, :used] @ query[:used])


def _best(scores: Floats, may: NDArray[np.bool_], number: int) -> NDArray[np.int64]:
    """Return the places of the highest scores of those that may be found, the highest first."""
    scores = np.where(may, scores, -np.inf)
    number = min(number, int(may.sum()))
    nearest = np.argpartition(-scores, number - 1)[:number] if number else np.zeros(0, np.int64)
    return np.asarray(nearest[np.argsort(-scores[nearest], kind="stable")])
