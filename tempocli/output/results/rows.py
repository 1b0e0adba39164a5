"""Encode and read rows of result files: results with the fingerprints of their files and the settings."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tempocli.errors import DataError
from tempocli.output.formats.documents import RECORD_KEYS, dump, line_record
from tempocli.output.formats.layout import decode, encode
from tempocli.output.formats.lines import COLUMNS, cells, quote
from tempocli.schema import Part
from tempocli.system.fingerprints import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from tempocli.output.formats import Layout
    from tempocli.schema import FileResult

# Added to the columns or keys of the format.
ADDED = ("size", "mtime_ns", "sha256", "settings")
KEYS = (*RECORD_KEYS, *ADDED)
_ALWAYS = "octave_confidence"  # which files of every version have, and those of others hardly


@dataclass(frozen=True, slots=True)
class Row:
    """The values read from a row.

    Attributes
    ----------
    path : str
        The input, as named by the user.
    fingerprint : Fingerprint or None
        State of the file when it was read.
    settings : str
        Settings of the estimate.
    failed : bool
        Whether the input could not be read.
    part : Part or None
        Part of the file; ``None`` for the whole file.
    """

    path: str
    fingerprint: Fingerprint | None
    settings: str
    failed: bool
    part: Part | None


class RowFormat(Protocol):
    """A format in which results can be appended to a file and read back."""

    header: bytes

    def encode(self, result: FileResult, layout: Layout, settings: str) -> bytes:
        """Write a result as one row."""

    def read(self, file: BinaryIO, name: str) -> Iterator[tuple[Row, bytes]]:
        """Read the complete rows of a file, each with its bytes; stop at an incomplete row.

        Raises
        ------
        DataError
            If the file is not a result file of this format.
        """


class CsvRows:
    """Rows as CSV with a header."""

    header = encode(",".join((*COLUMNS, *ADDED)) + "\n")

    def encode(self, result: FileResult, layout: Layout, settings: str) -> bytes:
        """Write a result as one row."""
        added = ["" if value is None else str(value) for value in _added(result, settings)]
        return encode(",".join(quote(cell) for cell in (*cells(result, layout), *added)) + "\n")

    def read(self, file: BinaryIO, name: str) -> Iterator[tuple[Row, bytes]]:
        """Read rows; see `RowFormat.read`."""
        header = file.readline()
        if header != self.header:
            if self.header.startswith(header):
                return
            raise unlike(name, "columns", (*COLUMNS, *ADDED), decode(header).rstrip("\r\n").split(","))
        record = b""
        for line in file:
            record += line
            # A line feed within quotes is part of a path.
            if record.count(b'"') % 2:
                continue
            row = _csv_row(record)
            if row is None:
                return
            yield row, record
            record = b""


def csv_pieces(results: Iterable[FileResult], layout: Layout, settings: str) -> Iterator[bytes]:
    """Yield the CSV of a result file, for an output that cannot be continued: the header, then the rows."""
    rows = CsvRows()
    yield rows.header
    for result in results:
        yield rows.encode(result, layout, settings)


class JsonRows:
    """Rows as JSON objects, one per line.

    Parameters
    ----------
    record : callable
        From a result and the layout to the object of its line.
    keys : sequence of str
        The keys that every object has.
    """

    header = b""

    def __init__(
        self,
        record: Callable[[FileResult, Layout], dict[str, Any]] = line_record,
        keys: Sequence[str] = RECORD_KEYS,
    ) -> None:
        self._record = record
        self._keys = (*keys, *ADDED)

    def encode(self, result: FileResult, layout: Layout, settings: str) -> bytes:
        """Write a result as one row."""
        added = dict(zip(ADDED, _added(result, settings), strict=True))
        return encode(dump(self._record(result, layout) | added))

    def read(self, file: BinaryIO, name: str) -> Iterator[tuple[Row, bytes]]:
        """Read rows; see `RowFormat.read`."""
        wanted = set(self._keys)
        for number, record in enumerate(file):
            values = _json_object(record)
            # If the first line is not a row, this is another file and not a truncated result file.
            if values is None and (number or (record.startswith(b"{") and not record.endswith(b"\n"))):
                return
            if values is None or not wanted <= values.keys():
                raise unlike(name, "keys", self._keys, values or ())
            fingerprint = _fingerprint(values["size"], values["mtime_ns"], values["sha256"])
            part = read_part(values)
            yield (
                Row(values["path"], fingerprint, values["settings"], values["error"] is not None, part),
                record,
            )


def unlike(name: str, kind: str, wanted: Iterable[str], found: Container[str]) -> DataError:
    """Return the error for a file that is not a result file, or is one of an earlier version."""
    missing = [each for each in wanted if each not in found]
    if not missing or _ALWAYS in missing:
        return DataError(f"{name}: has not the {kind} of a result file")
    return DataError(
        f"{name}: an earlier version of tempo wrote it, without the {kind} {', '.join(missing)}; "
        "give another output, or delete it"
    )


def _added(result: FileResult, settings: str) -> tuple[int | str | None, ...]:
    fingerprint = result.fingerprint
    if fingerprint is None:
        return None, None, None, settings
    return fingerprint.size, fingerprint.mtime_ns, fingerprint.sha256, settings


def _json_object(record: bytes) -> dict[str, Any] | None:
    """Read a row; None when it is not whole."""
    try:
        values = json.loads(record) if record.endswith(b"\n") else None
    except ValueError:
        return None
    return values if isinstance(values, dict) else None


def _csv_row(record: bytes) -> Row | None:
    """Read a row; None when it is not whole."""
    if not record.endswith(b"\n"):
        return None
    try:
        (values,) = csv.reader(io.StringIO(decode(record), newline=""), strict=True)
        row = dict(zip((*COLUMNS, *ADDED), values, strict=True))
        fingerprint = _fingerprint(row["size"], row["mtime_ns"], row["sha256"])
        part = read_part(row)
    except (ValueError, csv.Error):
        return None
    return Row(row["path"], fingerprint, row["settings"], row["error"] != "", part)


def read_part(values: Mapping[str, Any]) -> Part | None:
    """Read the part of the file from the columns or keys of a row; None for the whole file.

    Raises
    ------
    ValueError
        If the values are not numbers.
    """
    start, duration = values.get("part_start"), values.get("part_duration")
    if start in {None, ""}:
        return None
    return Part(float(start or 0), None if duration in {None, ""} else float(duration or 0))


def _fingerprint(
    size: int | str | None, mtime_ns: int | str | None, sha256: str | None
) -> Fingerprint | None:
    if size in {None, ""} or mtime_ns in {None, ""}:
        return None
    return Fingerprint(int(size or 0), int(mtime_ns or 0), sha256 or None)
