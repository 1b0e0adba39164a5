"""Songs that ``tempo similar`` searches for, from the index or from their files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.batch.memory import call_within
from tempocli.embedding.index.indexer import Indexer
from tempocli.embedding.track import unit
from tempocli.errors import DataError
from tempocli.system.fingerprints import is_unchanged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tempocli.embedding.index.entries import Entry
    from tempocli.embedding.index.library import Library

    Vectors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Song:
    """A song, or a section of one, that is searched for: its path, its vector, and the tempo of the song."""

    path: str
    parts: Vectors
    bpm: float | None


class Reader:
    """Gets songs from the index, or from their files.

    Parameters
    ----------
    library : Library
    device : str
    max_memory : int or None
        In bytes.
    """

    def __init__(self, library: Library, device: str, max_memory: int | None) -> None:
        self._library, self._device, self._max_memory = library, device, max_memory

    def read(self, path: str) -> Song:
        """Return a song.

        Raises
        ------
        AudioError
            If its file cannot be read.
        DataError
            If nothing is heard in it, or the index was made with another model.
        """
        entry = self._indexed(path)
        if entry is not None:
            return Song(entry.path, self._library.parts_of(entry), entry.bpm)
        outcome = self._heard(path, sections=False)
        return Song(os.path.abspath(path), outcome.embedding.parts, outcome.estimate.bpm)

    def read_section(self, path: str, name: str) -> Song:
        """Return a section of a song by its number, from 1, or all sections with a label.

        Raises
        ------
        AudioError
            If its file cannot be read.
        DataError
            If the song has no such section, the index has none, or was made with another model.
        """
        if not self._library.layout.has_sections:
            raise DataError("the index has no sections; make it with 'tempo index --sections --rebuild'")
        entry = self._indexed(path)
        if entry is not None:
            vectors = [self._library.parts_of_section(each) for each in entry.sections]
            return Song(entry.path, _chosen(path, name, entry.sections, vectors), entry.bpm)
        outcome = self._heard(path, sections=True)
        sections, stacked = outcome.form.sections, outcome.embedding.sections
        vectors = [{part: rows[number] for part, rows in stacked.items()} for number in range(len(sections))]
        parts = _chosen(path, name, sections, vectors)
        return Song(os.path.abspath(path), parts, outcome.estimate.bpm)

    def _indexed(self, path: str) -> Entry | None:
        entry = self._library.find(path)
        if entry is None or entry.row is None or not is_unchanged(entry.path, entry.fingerprint):
            return None
        return entry

    def _heard(self, path: str, *, sections: bool) -> Any:
        indexer = Indexer.like(self._library.layout.settings, device=self._device, sections=sections)
        outcome: Any = call_within(self._max_memory, path, partial(indexer.process, path))
        if outcome.embedding.reason is not None:
            raise DataError(f"{path}: {outcome.embedding.reason}, which is like nothing")
        return outcome


def _chosen(path: str, name: str, sections: Sequence[Any], vectors: Sequence[Vectors]) -> Vectors:
    """Return the vector of the sections that are meant, weighted by their lengths."""
    chosen = [
        number
        for number, section in enumerate(sections)
        if name == str(number + 1) or name.upper() == section.label
    ]
    if not sections:
        raise DataError(f"{path}: has no sections")
    if not chosen:
        known = ", ".join(f"{number} ({section.label})" for number, section in enumerate(sections, 1))
        raise DataError(f"{path}: has no section {name}; it has {known}")
    lengths = np.array([sections[number].end - sections[number].start for number in chosen], np.float32)
    return {
        part: unit(lengths @ np.stack([vectors[number][part] for number in chosen]))
        for part in vectors[chosen[0]]
    }
