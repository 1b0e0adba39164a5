"""Read annotations and estimates of sections: text with start, end and label, and JAMS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.errors import DataError
from tempocli.evaluation.segments import Segmentation

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_TEXT = frozenset({".lab", ".txt", ".tsv", ".csv"})
SUFFIXES = _TEXT | {".jams"}
_NAMESPACES = ("segment_open", "segment_salami_upper", "segment_salami_function")
_GAP = 1e-3  # seconds: rounding


def read_folder(folder: Path) -> dict[str, Segmentation]:
    """Read the annotations of a folder, by the names of their files without suffix.

    Raises
    ------
    DataError
        If there are none, two have the same name, or one cannot be read.
    """
    found: dict[str, Segmentation] = {}
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}") from error
    for path in paths:
        if path.stem in found:
            raise DataError(f"{folder}: has two annotations of {path.stem}")
        found[path.stem] = read_segments(path)
    if not found:
        raise DataError(f"{folder}: has no annotations of sections ({', '.join(sorted(SUFFIXES))})")
    return found


def read_segments(path: Path) -> Segmentation:
    """Read the sections of one song.

    Parameters
    ----------
    path : Path
        Text with a section a line: start and end in seconds, and label, separated by blanks, tabs or commas;
        a line of headings is left out. Or JAMS with an annotation of segments.

    Raises
    ------
    DataError
        If it is something else, or sections overlap or leave gaps.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _jams_rows(text) if path.suffix.lower() == ".jams" else _text_rows(text)
        return segmentation(rows)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise DataError(
            f"{path}: not an annotation of sections ({' '.join(str(error).split())[:100]})"
        ) from error


def segmentation(rows: Iterable[tuple[Any, Any, Any]]) -> Segmentation:
    """Make a segmentation of starts, ends and labels.

    Raises
    ------
    ValueError, TypeError
        If there are no sections, a time is not finite, or sections are empty, overlap or leave gaps.
    """
    found = [(float(start), float(end), str(label)) for start, end, label in rows]
    intervals = np.array([(start, end) for start, end, _ in found], np.float64).reshape(-1, 2)
    if not len(intervals):
        raise ValueError("no sections")
    if not np.isfinite(intervals).all() or (intervals[:, 1] <= intervals[:, 0]).any():
        raise ValueError("a section does not end after its start")
    if (np.abs(intervals[1:, 0] - intervals[:-1, 1]) > _GAP).any():
        raise ValueError("sections overlap or leave gaps")
    if intervals[-1, 1] <= 0.0:
        raise ValueError("all sections end before 0")
    return Segmentation(intervals, tuple(label for *_, label in found))


def _text_rows(text: str) -> list[tuple[str, str, str]]:
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    rows = []
    for number, line in enumerate(lines):
        separator = "\t" if "\t" in line else "," if "," in line else None
        fields = [field.strip() for field in line.split(separator, 2)]
        if number == 0 and not _is_number(fields[0]):
            continue  # headings
        if len(fields) < 2:
            raise ValueError(f"no end in the line {line}")
        rows.append((fields[0], fields[1], fields[2] if len(fields) > 2 else ""))
    return rows


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _jams_rows(text: str) -> list[tuple[float, float, str]]:
    (found,) = [each for each in json.loads(text)["annotations"] if each["namespace"] in _NAMESPACES][:1]
    return [
        (float(each["time"]), float(each["time"]) + float(each["duration"]), str(each["value"]))
        for each in found["data"]
    ]
