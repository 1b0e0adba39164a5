"""The data of ../shared that embeddings are measured on: tags, keys, single notes."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tempocli.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FEWEST = 8  # tracks of a tag
_PITCHES = {
    "C": 0, "C#": 1, "Db": 1, "D": 2, "D#": 3, "Eb": 3, "E": 4, "F": 5, "F#": 6, "Gb": 6, "G": 7, "G#": 8,
    "Ab": 8, "A": 9, "A#": 10, "Bb": 10, "B": 11,
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """Files with labels.

    Attributes
    ----------
    name : str
    paths : list of Path
    labels : list of str
        Names of the classes or tags.
    targets : ndarray
        Class of each file, shape=(n,), or whether it has each tag, shape=(n, n_labels).
    """

    name: str
    paths: list[Path]
    labels: list[str]
    targets: NDArray[np.int64]


def rows(path: Path) -> list[dict[str, str]]:
    """Read a table.

    Raises
    ------
    DataError
        If it is not there.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; the data beside the project is needed") from error


def tagged(shared: Path = SHARED) -> list[dict[str, str]]:
    """Read the tags of the tracks of dev and dev2."""
    tables = [shared / "embedding" / "labels" / f"{name}-tags.csv" for name in ("dev", "dev2")]
    return [row | {"file": str(shared / row["path"])} for table in tables for row in rows(table)]


def classes(name: str, files: list[str], values: list[str]) -> Task:
    """Return a task with one class per file."""
    labels = sorted(set(values))
    targets = np.array([labels.index(value) for value in values], np.int64)
    return Task(name, [Path(file) for file in files], labels, targets)


def genre(shared: Path = SHARED) -> Task:
    """Return the ten genres of the GTZAN clips."""
    found = [row for row in tagged(shared) if row["gtzan_genre"]]
    return classes("genre", [row["file"] for row in found], [row["gtzan_genre"] for row in found])


def tags(column: str, shared: Path = SHARED) -> Task:
    """Return the tags of a column that enough tracks have, spellings joined."""
    found = [row for row in tagged(shared) if row[column]]
    sets = [{joined(tag) for tag in row[column].split(";") if tag.strip()} for row in found]
    counts = Counter(tag for each in sets for tag in each)
    labels = sorted(tag for tag, count in counts.items() if count >= FEWEST)
    targets = np.array([[tag in each for tag in labels] for each in sets], np.int64)
    return Task(column.removeprefix("km_"), [Path(row["file"]) for row in found], labels, targets)


def joined(tag: str) -> str:
    """Return one spelling of a tag: lower case, without the s of a plural, as in Synth and Synths."""
    return re.sub(r"(?<=[a-z]{3})(?<!s)(?<!u)s$", "", tag.strip().lower())


def notes(shared: Path = SHARED) -> Task:
    """Return the single notes of 16 instruments."""
    folder = shared / "embedding" / "philharmonia"
    found = rows(folder / "philharmonia.csv")
    return classes(
        "notes", [str(folder / row["path"]) for row in found], [row["instrument"] for row in found]
    )


def keys(shared: Path = SHARED) -> tuple[list[Path], list[tuple[int, bool]]]:
    """Return files, and the pitch class and whether it is minor of their keys."""
    found = [row for row in tagged(shared) if row["gtzan_key"]]
    return [Path(row["file"]) for row in found], [parse_key(row["gtzan_key"]) for row in found]


def parse_key(text: str) -> tuple[int, bool]:
    """Parse a key such as "G# minor"."""
    tonic, mode = text.split()
    return _PITCHES[tonic], mode == "minor"


def long_tracks(seconds: float, shared: Path = SHARED) -> list[Path]:
    """Return the tracks of dev and dev2 that are long enough."""
    found = [row for name in ("dev", "dev2") for row in rows(shared / f"{name}.csv")]
    return [shared / row["path"] for row in found if float(row["duration_s"]) >= seconds]
