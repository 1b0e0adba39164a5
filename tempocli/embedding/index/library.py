"""Search an index: tracks that are like a track, also as if it were played at another tempo."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.embedding.index.entries import Entry, read_entries
from tempocli.embedding.index.layout import Layout, read_layout
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

    Raises
    ------
    DataError
        If there is no index, or it is damaged.
    """

    def __init__(self, folder: str) -> None:
        self.layout: Layout = read_layout(folder)
        tracks = os.path.join(folder, self.layout.tracks_name)
        vectors = os.path.join(folder, self.layout.vectors_name)
        try:
            with open(tracks, "rb") as file:
                self.entries = read_entries(file, tracks)
            n_rows = os.path.getsize(vectors) // (4 * self.layout.dim)
        except OSError as error:
            raise DataError(f"{folder}: damaged ({error.strerror}); make it again with --rebuild") from error
        self.tracks = [entry for entry in self.entries.values() if entry.row is not None]
        self._rows = np.array([entry.row for entry in self.tracks], np.int64)
        if len(self._rows) and not 0 <= self._rows.min() <= self._rows.max() < n_rows:
            raise DataError(f"{vectors}: damaged (vectors are missing); make the index again with --rebuild")
        self._vectors: Floats = (
            np.memmap(vectors, "<f4", "r", shape=(n_rows, self.layout.dim))
            if n_rows
            else np.zeros((0, self.layout.dim), np.float32)
        )
        self._places = {entry.key: place for place, entry in enumerate(self.tracks)}

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
        return self._split(self._vectors[entry.row])

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
        check_weights(query.weights, self.layout.parts)
        parts = dict(query.parts)
        rhythm = shift_rhythm(parts["rhythm"], query.rate, self.layout.rhythm)
        if not query.any_tempo:
            scores = self._dot(weighted(parts | {"rhythm": rhythm}, query.weights))
            return scores[self._rows]
        others = {name: weight for name, weight in query.weights.items() if name != "rhythm"}
        share = query.weights.get("rhythm", 0.0) / sum(query.weights.values())
        scores = np.zeros(len(self._vectors), np.float32)
        if any(others.values()):
            scores = (1.0 - share) * self._dot(weighted(parts, others))
        return (scores + share * self._blind_dot(rhythm))[self._rows]

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
        scores = np.where(may, scores, -np.inf)
        number = min(number, int(may.sum()))
        nearest = np.argpartition(-scores, number - 1)[:number] if number else np.zeros(0, np.int64)
        order = nearest[np.argsort(-scores[nearest], kind="stable")]
        return [Match(self.tracks[place], float(scores[place])) for place in order]

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

    def _dot(self, query: Floats) -> Floats:
        # Parts at the end that have no weight are not read.
        used = int(np.flatnonzero(query)[-1]) + 1 if query.any() else 1
        return np.asarray(self._vectors[:, :used] @ query[:used])

    def _blind_dot(self, rhythm: Floats) -> Floats:
        axis = self.layout.rhythm
        query = tempo_blind(rhythm, axis)
        scores = np.empty(len(self._vectors), np.float32)
        for start in range(0, len(scores), _ROWS_PER_BLOCK):
            block = self._split(self._vectors[start : start + _ROWS_PER_BLOCK])["rhythm"]
            scores[start : start + len(block)] = tempo_blind(block, axis) @ query
        return scores
