"""Read annotations and estimates of beats: ``.beats`` and other text, JAMS, and JSON of ``tempo beats``."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.errors import DataError
from tempocli.evaluation.beats import BeatAnnotation

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_TEXT = frozenset({".beats", ".txt", ".tsv", ".csv"})
SUFFIXES = _TEXT | {".jams"}


def read_folder(folder: Path) -> dict[str, BeatAnnotation]:
    """Read the annotations of a folder, by the names of their files without suffix.

    Raises
    ------
    DataError
        If there are none, two have the same name, or one cannot be read.
    """
    found: dict[str, BeatAnnotation] = {}
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}") from error
    for path in paths:
        if path.stem in found:
            raise DataError(f"{folder}: has two annotations of {path.stem}")
        found[path.stem] = read_annotation(path)
    if not found:
        raise DataError(f"{folder}: has no annotations of beats ({', '.join(sorted(SUFFIXES))})")
    return found


def read_annotation(path: Path) -> BeatAnnotation:
    """Read the beats of one track.

    Parameters
    ----------
    path : Path
        Text with a beat a line: its time in seconds and, if known, its position in the bar, separated by
        blanks, a tab or a comma; or JAMS with an annotation in the namespace ``beat``.

    Raises
    ------
    DataError
        If it is something else, or times are not in order.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _jams_rows(text) if path.suffix.lower() == ".jams" else _text_rows(text)
        return annotation(rows)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: not an annotation of beats ({_brief(error)})") from error


def read_results(path: Path) -> dict[str, BeatAnnotation]:
    """Read a JSON or JSONL file of ``tempo beats``, by the names of the audio files without suffix.

    Raises
    ------
    DataError
        If it is something else.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        if path.suffix.lower() == ".json":
            records = json.loads(text)["results"]
        else:
            records = [json.loads(line) for line in text.split("\n") if line]
        return {
            os.path.splitext(os.path.basename(record["path"]))[0]: annotation(
                zip(record["beats"], record["positions"], strict=True)
            )
            for record in records
            if record["error"] is None
        }
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: not a result file of tempo beats ({_brief(error)})") from error


def annotation(rows: Iterable[tuple[Any, Any]]) -> BeatAnnotation:
    """Make an annotation of times and positions.

    Raises
    ------
    ValueError, TypeError
        If times are not finite, or not in order.
    """
    pairs = [(float(time), int(position)) for time, position in rows]
    times = np.array([time for time, _ in pairs], np.float64)
    if not np.isfinite(times).all() or (np.diff(times) < 0.0).any():
        raise ValueError("the times are not in order")
    return BeatAnnotation(times, np.array([position for _, position in pairs], np.int64))


def _text_rows(text: str) -> list[tuple[float, int]]:
    rows = []
    for line in text.splitlines():
        fields = line.replace(",", " ").split()
        if fields and not fields[0].startswith("#"):
            # Some annotations have positions as 1.0.
            position = float(fields[1]) if len(fields) > 1 else 0.0
            rows.append((float(fields[0]), int(position) if position == int(position) else 0))
    return rows


def _jams_rows(text: str) -> list[tuple[float, int]]:
    (found,) = [each for each in json.loads(text)["annotations"] if each["namespace"] == "beat"][:1]
    return [
        (float(each["time"]), int(each["value"]) if each.get("value") is not None else 0)
        for each in found["data"]
    ]


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:100]
