"""Read and write tables of reference and estimated tempi (CSV), and match them to each other."""

from __future__ import annotations

import csv
import io
import math
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tempocli.errors import DataError
from tempocli.evaluation import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tempocli.schema import FileResult

ESTIMATE_COLUMNS = ("path", "bpm", "bpm2", "confidence", "octave_confidence", "bpm_error", "steady")


@dataclass(frozen=True, slots=True)
class Reference:
    """One row of a reference table.

    Attributes
    ----------
    path : str
        The track, as the table names it.
    bpm : float
        Its tempo in BPM.
    bpm2 : float or None
        A second tempo in BPM that listeners feel, if given.
    salience : float
        Weight of `bpm` against `bpm2`, 0 to 1.
    steady : bool
        Whether the track is known to keep one exact tempo.
    columns : dict of str to str
        The whole row, as text.
    """

    path: str
    bpm: float
    bpm2: float | None
    salience: float
    steady: bool
    columns: dict[str, str]


@dataclass(frozen=True, slots=True)
class TrackEstimate:
    """The estimate of one track.

    Attributes
    ----------
    path : str
        The track.
    bpm : float or None
        Its tempo in BPM; ``None`` when there is no estimate.
    bpm2 : float or None
        The next best tempo in BPM, if there is one.
    confidence, octave_confidence : float or None
        As in `tempocli.schema.Estimate`, 0 to 1, if known.
    bpm_error : float or None
        Standard error of `bpm` in BPM, at least 0, if known.
    steady : bool or None
        Whether the track is estimated to keep one tempo, if known.
    """

    path: str
    bpm: float | None = None
    bpm2: float | None = None
    confidence: float | None = None
    octave_confidence: float | None = None
    bpm_error: float | None = None
    steady: bool | None = None

    @classmethod
    def from_result(cls, path: str, result: FileResult) -> TrackEstimate:
        """Create an estimate of `path` from the result of its file; empty if the file failed."""
        estimate = result.estimate
        if estimate is None:
            return cls(path)
        return cls(
            path=path,
            bpm=estimate.bpm,
            bpm2=estimate.candidates[1].bpm if len(estimate.candidates) > 1 else None,
            confidence=estimate.confidence,
            octave_confidence=estimate.octave_confidence,
            bpm_error=estimate.bpm_error,
            steady=estimate.steady,
        )


def read_references(path: str | Path) -> list[Reference]:
    """Read a reference table: CSV with a header and the columns ``path`` and ``bpm``.

    The columns ``bpm2``, ``salience`` and ``steady`` have the meaning of `Reference`, and are optional.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column, has no rows, or has an invalid value.
    """
    return [_reference(row) for row in _read_table(path)]


def read_estimates(path: str | Path) -> list[TrackEstimate]:
    """Read a table of estimates: CSV with a header and the columns ``path`` and ``bpm``.

    The columns ``bpm2``, ``confidence``, ``octave_confidence``, ``bpm_error`` and ``steady`` are optional. A
    BPM that is empty, ``-``, or not above 0 stands for no estimate.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column, has no rows, names a path twice, has an estimate of a part
        of a file, or has an invalid value.
    """
    estimates: dict[str, TrackEstimate] = {}
    for row in _read_table(path):
        estimate = _estimate(row)
        if estimate.path in estimates:
            raise row.error(f"a second estimate of {estimate.path}")
        estimates[estimate.path] = estimate
    return list(estimates.values())


def format_estimates(estimates: Iterable[TrackEstimate]) -> str:
    """Format estimates as a table for `read_estimates`, with all digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(ESTIMATE_COLUMNS)
    for estimate in estimates:
        cells = [getattr(estimate, column) for column in ESTIMATE_COLUMNS]
        writer.writerow([str(cell).lower() if isinstance(cell, bool) else cell for cell in cells])
    return text.getvalue()


def match_estimates(
    references: Sequence[Reference], estimates: Sequence[TrackEstimate]
) -> tuple[list[TrackEstimate], int]:
    """Match estimates to references by path, or by a file name that is unique in both tables.

    Returns
    -------
    estimates : list of TrackEstimate
        One per reference; without a BPM if no estimate matches.
    n_unmatched : int
        Number of references without a matching estimate.
    """
    by_path = {estimate.path: estimate for estimate in estimates}
    by_name = {_file_name(estimate.path): estimate for estimate in estimates}
    n_named = Counter(_file_name(path) for path in by_path)
    n_wanted = Counter(_file_name(path) for path in {reference.path for reference in references})
    matched = []
    n_unmatched = 0
    for reference in references:
        name = _file_name(reference.path)
        estimate = by_path.get(reference.path)
        if estimate is None and n_named[name] == 1 and n_wanted[name] == 1:
            estimate = by_name[name]
        n_unmatched += estimate is None
        matched.append(estimate or TrackEstimate(reference.path))
    return matched, n_unmatched


@dataclass(frozen=True, slots=True)
class _Row:
    cells: dict[str, str]
    place: str

    def error(self, reason: str) -> DataError:
        return DataError(f"{self.place}: {reason}")

    def number(self, column: str) -> float | None:
        text = self.cells.get(column, "").strip()
        if text in {"", "-"}:
            return None
        try:
            return float(text)
        except ValueError:
            raise self.error(f"{column} '{text}' is not a number") from None

    def flag(self, column: str) -> bool:
        text = self.cells.get(column, "").strip().lower()
        return text == "true" if text in {"true", "false"} else self.number(column) == 1.0

    def optional_flag(self, column: str) -> bool | None:
        return None if self.cells.get(column, "").strip() in {"", "-"} else self.flag(column)

    def not_negative(self, column: str) -> float | None:
        value = self.number(column)
        if value is not None and not 0.0 <= value < math.inf:
            raise self.error(f"{column} {value:g} is not 0 or above")
        return value

    def probability(self, column: str) -> float | None:
        value = self.number(column)
        if value is not None and not 0.0 <= value <= 1.0:
            raise self.error(f"{column} {value:g} is not between 0 and 1")
        return value


def _read_table(path: str | Path) -> list[_Row]:
    try:
        # Bytes of a path that are not UTF-8 are kept as they are.
        errors = sys.getfilesystemencodeerrors()
        with Path(path).open(encoding="utf-8-sig", errors=errors, newline="") as file:
            return _read_rows(str(path), file)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except csv.Error as error:
        raise DataError(f"{path}: not a CSV file: {error}") from error


def _read_rows(name: str, file: Iterable[str]) -> list[_Row]:
    reader = csv.reader(file, strict=True)
    header = [cell.strip() for cell in next(reader, [])]
    for column in ("path", "bpm"):
        if header.count(column) != 1:
            how_many = "two columns" if column in header else "no column"
            raise DataError(f"{name}: {how_many} named '{column}' in its first line")
    rows = []
    for cells in reader:
        if not cells:
            continue
        place = f"{name}: line {reader.line_num}"
        if len(cells) > len(header):
            raise DataError(f"{place}: {len(cells)} cells under {len(header)} column names")
        cells += [""] * (len(header) - len(cells))
        rows.append(_Row(dict(zip(header, cells, strict=True)), place))
        if not rows[-1].cells["path"]:
            raise rows[-1].error("no path")
    if not rows:
        raise DataError(f"{name}: no rows under the column names")
    return rows


def _reference(row: _Row) -> Reference:
    bpm, bpm2, salience = row.number("bpm"), row.number("bpm2"), row.probability("salience")
    if bpm is None or metrics.is_missing(bpm):
        raise row.error(f"bpm '{row.cells['bpm']}' is not above 0")
    if bpm2 is not None and metrics.is_missing(bpm2):
        raise row.error(f"bpm2 '{row.cells['bpm2']}' is not above 0")
    return Reference(
        path=row.cells["path"],
        bpm=bpm,
        bpm2=bpm2,
        salience=0.5 if salience is None else salience,
        steady=row.flag("steady"),
        columns=row.cells,
    )


def _estimate(row: _Row) -> TrackEstimate:
    if row.cells.get("part_start", "").strip():
        raise row.error("an estimate of a part of a file, where references are of whole files")
    bpm = row.number("bpm")
    if bpm is None or metrics.is_missing(bpm):
        return TrackEstimate(row.cells["path"])
    return TrackEstimate(
        path=row.cells["path"],
        bpm=bpm,
        bpm2=row.number("bpm2"),
        confidence=row.probability("confidence"),
        octave_confidence=row.probability("octave_confidence"),
        bpm_error=row.not_negative("bpm_error"),
        steady=row.optional_flag("steady"),
    )


def _file_name(path: str) -> str:
    # Estimates may come from another system than the references.
    return re.split(r"[/\\]", path)[-1]
