"""Write an index: rows and lines are only appended, so that a kill loses nothing but the file in work."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from dataclasses import replace
from io import BufferedWriter, FileIO
from typing import TYPE_CHECKING

import numpy as np

from tempocli.embedding.index.entries import Entry, read_entries, removal
from tempocli.embedding.index.layout import DESCRIPTION, Layout, read_layout
from tempocli.embedding.index.rows import RowWriter
from tempocli.errors import DataError, OutputError
from tempocli.schema import input_key
from tempocli.system.fingerprints import is_unchanged
from tempocli.system.locks import open_locked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from tempocli.schema import AudioInput, FileResult

_LOCK = "writer.lock"
_STALE_SHARE = 0.25  # of the rows; more are removed at the end of a run


class IndexWriter:
    """Adds tracks to an index. To be used in a ``with`` statement.

    Parameters
    ----------
    folder : str
        The index; created if missing.
    layout : Layout
        Layout of a new index; its settings must equal those of an existing one.
    rebuild : bool
        Whether to begin with an empty index.

    Attributes
    ----------
    entries : dict of str to Entry
        The tracks, by key.

    Raises
    ------
    DataError
        If the folder is not an index, or was made with other models or settings, or is damaged.
    OutputError
        If another process writes to it.
    OSError
        If it cannot be written.
    """

    def __init__(self, folder: str, layout: Layout, *, rebuild: bool = False) -> None:
        self.folder = folder
        self._stack = ExitStack()
        _make_folder(folder)
        lock = open_locked(os.path.join(folder, _LOCK))
        if lock is None:
            raise OutputError(f"{folder}: another process is writing to this index")
        self._stack.enter_context(lock)
        try:
            self.layout = self._begin(layout, rebuild=rebuild)
            self.entries = self._open()
        except BaseException:
            self._stack.close()
            raise

    def _begin(self, layout: Layout, *, rebuild: bool) -> Layout:
        if not os.path.exists(os.path.join(self.folder, DESCRIPTION)):
            layout.write(self.folder)
            return layout
        if rebuild:
            with suppress(DataError):
                layout = replace(layout, generation=read_layout(self.folder).generation + 1)
            # Files of this name are left of a run that was killed before the description was written.
            self._remove(layout)
            layout.write(self.folder)
            self._remove_others(layout)
            return layout
        found = read_layout(self.folder)
        if (found.settings, found.parts) != (layout.settings, layout.parts):
            raise DataError(
                f"{self.folder}: was made with {_difference(found, layout)}; make it again with --rebuild"
            )
        self._remove_others(found)
        return found

    def _open(self) -> dict[str, Entry]:
        tracks = os.path.join(self.folder, self.layout.tracks_name)
        with open(tracks, "ab"):
            pass
        with open(tracks, "rb") as file:
            entries = read_entries(file, tracks)
        rows, section_rows = _rows(entries)
        self._vectors = self._open_rows(self.layout.vectors_name, rows)
        self._sections = self._open_rows(self.layout.sections_name, section_rows)
        # What a killed writer left behind the last whole line.
        os.truncate(tracks, _end_of_lines(tracks))
        self._tracks = self._stack.enter_context(BufferedWriter(FileIO(tracks, "a")))
        return entries

    def _open_rows(self, name: str, used: list[int]) -> RowWriter:
        return RowWriter(os.path.join(self.folder, name), self.layout.dim, used, self._stack)

    def needs(self, wanted: AudioInput, *, by_hash: bool = False, retry_failed: bool = False) -> bool:
        """Return whether a file is new or changed, or failed and is to be tried again."""
        path = os.path.abspath(wanted.path)
        entry = self.entries.get(input_key(path, wanted.part))
        if entry is None or (retry_failed and entry.error is not None):
            return True
        return not is_unchanged(path, entry.fingerprint, by_hash=by_hash)

    def add(self, result: FileResult) -> None:
        """Add a result, or replace the track of this path; a path without a file is left out."""
        if result.error is not None and result.fingerprint is None:
            return
        track = result.embedding
        row, section_row = None, 0
        if track is not None and track.reason is None:
            names = [part.name for part in self.layout.parts]
            row = self._vectors.add(np.concatenate([track.parts[name] for name in names])[None])
            if result.form is not None and result.form.sections:
                sections = np.concatenate([track.sections[name] for name in names], axis=1)
                section_row = self._sections.add(sections)
        # The line comes after its vectors, so that every line has them.
        entry = Entry.of(result, os.path.abspath(result.path), row, section_row)
        self._append(entry.line())
        self.entries[entry.key] = entry

    def remove(self, key: str) -> None:
        """Remove a track."""
        del self.entries[key]
        self._append(removal(key))

    def _append(self, line: bytes) -> None:
        self._tracks.write(line)
        self._tracks.flush()

    def finish(self) -> None:
        """Remove stale rows if they are many."""
        rows, section_rows = _rows(self.entries)
        count = self._vectors.count
        if count - len(rows) > _STALE_SHARE * count:
            self._compact(rows, section_rows)

    def _compact(self, rows: list[int], section_rows: list[int]) -> None:
        following = self.layout.next()
        self._vectors.copy(rows, os.path.join(self.folder, following.vectors_name))
        self._sections.copy(section_rows, os.path.join(self.folder, following.sections_name))
        places = {row: place for place, row in enumerate(rows)}
        section_places = {row: place for place, row in enumerate(section_rows)}
        with open(os.path.join(self.folder, following.tracks_name), "wb") as tracks:
            for key, entry in self.entries.items():
                self.entries[key] = replace(
                    entry,
                    row=None if entry.row is None else places[entry.row],
                    sections=tuple(replace(each, row=section_places[each.row]) for each in entry.sections),
                )
                tracks.write(self.entries[key].line())
            os.fsync(tracks.fileno())
        # From here on, the new files are the index.
        following.write(self.folder)
        self._tracks.close()
        self._vectors.close()
        self._sections.close()
        self.layout = following
        self.entries = self._open()
        self._remove_others(following)

    def _remove(self, layout: Layout) -> None:
        for name in _files_of(layout):
            with suppress(FileNotFoundError):
                os.remove(os.path.join(self.folder, name))

    def _remove_others(self, layout: Layout) -> None:
        """Remove the files of other generations, which a killed run may have left."""
        kept = _files_of(layout)
        for name in os.listdir(self.folder):
            if name not in kept and name.startswith(("tracks-", "vectors-", "sections-", "neighbours-")):
                with suppress(OSError):  # on Windows, a reader may have it open; the next run tries again
                    os.remove(os.path.join(self.folder, name))

    def __enter__(self) -> IndexWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _rows(entries: Mapping[str, Entry]) -> tuple[list[int], list[int]]:
    """Return the rows in use of tracks, and those of sections."""
    rows = [each.row for each in entries.values() if each.row is not None]
    return rows, [section.row for each in entries.values() for section in each.sections]


def _files_of(layout: Layout) -> set[str]:
    return {layout.tracks_name, layout.vectors_name, layout.sections_name, layout.neighbours_name}


def _make_folder(folder: str) -> None:
    try:
        os.mkdir(folder)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise DataError(f"{folder}: a file, not an index of tempo") from None
        # Never write into a folder of something else.
        if os.listdir(folder) and not {DESCRIPTION, _LOCK} & set(os.listdir(folder)):
            raise DataError(f"{folder}: a folder that is not an index of tempo") from None


def _difference(found: Layout, wanted: Layout) -> str:
    """Say which settings differ, in words."""
    different = [
        key
        for key in sorted({*found.settings, *wanted.settings})
        if found.settings.get(key) != wanted.settings.get(key)
    ]
    if "profile" in different:
        if "profile" not in found.settings:
            return "no profile"
        return "another profile" if "profile" in wanted.settings else "a profile (give it by --profile)"
    return f"another version of tempo or another model ({', '.join(different) or 'parts'})"


def _end_of_lines(path: str) -> int:
    """Return the size of a file up to its last line break."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        while size:
            start = max(0, size - 65_536)
            file.seek(start)
            found = file.read(size - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            size = start
    return 0
