"""The tracks of an index: a log of JSON lines, in which later lines replace earlier ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tempocli.errors import DataError
from tempocli.schema import Part, input_key
from tempocli.system.fingerprints import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tempocli.schema import FileResult


@dataclass(frozen=True, slots=True)
class SectionEntry:
    """A section of a track of an index.

    Attributes
    ----------
    start, end : float
        In seconds from the start of the file.
    label : str
        Sections of a track that sound alike have the same one.
    row : int
        Row of its vector, in the file of sections.
    """

    start: float
    end: float
    label: str
    row: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A track of an index.

    Attributes
    ----------
    path : str
        Absolute path of the file.
    row : int or None
        Row of its vector; ``None`` if it could not be read, or nothing was heard.
    bpm, bpm_error : float or None
        Tempo and its standard error in BPM; ``None`` without a tempo.
    confidence, octave_confidence : float
        See `tempocli.schema.Estimate`.
    steady : bool or None
    duration : float or None
        In seconds.
    reason : str or None
        Why there is no tempo.
    error : str or None
        Why the file could not be read.
    fingerprint : Fingerprint or None
    part : Part or None
        Part of the file; ``None`` for the whole file.
    sections : tuple of SectionEntry
        In time order; empty if the index has none, or the track is too short.
    """

    path: str
    row: int | None = None
    bpm: float | None = None
    bpm_error: float | None = None
    confidence: float = 0.0
    octave_confidence: float = 0.0
    steady: bool | None = None
    duration: float | None = None
    reason: str | None = None
    error: str | None = None
    fingerprint: Fingerprint | None = None
    part: Part | None = None
    sections: tuple[SectionEntry, ...] = ()

    @property
    def key(self) -> str:
        """Unique key in the index: path and part."""
        return input_key(self.path, self.part)

    @classmethod
    def of(cls, result: FileResult, path: str, row: int | None, section_row: int = 0) -> Entry:
        """Return the entry of a result; its sections have the rows from `section_row` on."""
        entry: dict[str, Any] = {"error": result.error}
        estimate = result.estimate
        if estimate is not None:
            entry |= {
                "bpm": estimate.bpm,
                "bpm_error": estimate.bpm_error,
                "confidence": estimate.confidence,
                "octave_confidence": estimate.octave_confidence,
                "steady": estimate.steady,
                "duration": estimate.duration,
                "reason": estimate.reason,
            }
        if row is not None and result.form is not None:
            entry["sections"] = tuple(
                SectionEntry(each.start, each.end, each.label, section_row + number)
                for number, each in enumerate(result.form.sections)
            )
        return cls(path, row, fingerprint=result.fingerprint, part=result.part, **entry)

    def line(self) -> bytes:
        """Return the line of the log."""
        values = {name: getattr(self, name) for name in _PLAIN if getattr(self, name) is not None}
        if self.fingerprint is not None:
            print_ = self.fingerprint
            values["file"] = [print_.size, print_.mtime_ns, print_.sha256]
        if self.part is not None:
            values["part"] = [self.part.start, self.part.duration, self.part.title]
        if self.sections:
            values["sections"] = [[each.start, each.end, each.label, each.row] for each in self.sections]
        return json.dumps(values).encode() + b"\n"  # ASCII: any path survives


_PLAIN = (
    "path", "row", "bpm", "bpm_error", "confidence", "octave_confidence", "steady", "duration", "reason",
    "error",
)  # fmt: skip


def removal(key: str) -> bytes:
    """Return the line of the log that removes a track."""
    return json.dumps({"removed": key}).encode() + b"\n"


def read_entries(lines: Iterable[bytes], name: str) -> dict[str, Entry]:
    """Read a log.

    Parameters
    ----------
    lines : iterable of bytes
        A last line without a line break is ignored: its writer was killed.
    name : str
        Name of the file, for errors.

    Returns
    -------
    dict of str to Entry
        By key, in the order of the log.

    Raises
    ------
    DataError
        If a line is damaged.
    """
    entries: dict[str, Entry] = {}
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            break
        try:
            values = json.loads(line)
            if "removed" in values:
                entries.pop(values["removed"], None)
                continue
            if "file" in values:
                values["fingerprint"] = Fingerprint(*values.pop("file"))
            if "part" in values:
                values["part"] = Part(*values["part"])
            if "sections" in values:
                values["sections"] = tuple(SectionEntry(*each) for each in values["sections"])
            entry = Entry(**values)
            rows = [entry.row, *(each.row for each in entry.sections)]
            if not all(row is None or isinstance(row, int) for row in rows):
                raise ValueError("row is not a whole number")
        except (ValueError, TypeError, RecursionError) as error:
            raise DataError(f"{name}: line {number} is damaged ({error}); make the index again") from error
        entries[entry.key] = entry
    return entries
