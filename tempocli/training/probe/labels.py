"""Read a table of labels."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tempocli.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

FEWEST = 8  # tracks of a label
_MANY = "labels"  # column of several labels, separated by semicolons


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of tracks.

    Attributes
    ----------
    paths : list of str
        Absolute paths.
    sets : list of frozenset of str
        The labels of each track; just one each, if `single`.
    groups : list of str
        What is never split between training and testing: album or artist, or else the track itself.
    single : bool
        Whether each track has one label.
    names : list of str
        The labels that are learned, sorted.
    dropped : dict of str to int
        Labels with too few tracks, and their number.
    """

    paths: list[str]
    sets: list[frozenset[str]]
    groups: list[str]
    single: bool
    names: list[str]
    dropped: dict[str, int]

    def of(self, paths: set[str]) -> Labels:
        """Return the labels of some of the tracks, after dropping what they are too few for.

        Raises
        ------
        DataError
            If too little is left to learn from.
        """
        kept = [index for index, path in enumerate(self.paths) if path in paths]
        return _without_rare(
            replace(
                self,
                paths=[self.paths[index] for index in kept],
                sets=[self.sets[index] for index in kept],
                groups=[self.groups[index] for index in kept],
            )
        )


def read_labels(table: Path, *, column: str | None = None, home: Path | None = None) -> Labels:
    """Read a CSV of labels.

    Parameters
    ----------
    table : Path
        Columns: ``path``, relative to the table or to `home`; ``label`` (one label) or ``labels`` (several,
        separated by semicolons); and, if it has one, ``group`` (album or artist). Tracks without a label are
        left out.
    column : str, optional
        Column of the labels; semicolons separate several. By default ``label`` or ``labels``.
    home : Path, optional
        Folder of the paths.

    Raises
    ------
    DataError
        If the table cannot be read, lacks a column, names a track twice, or has too little to learn from.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except OSError as error:
        raise DataError(f"{table}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: not a CSV in UTF-8 ({error})") from error
    column = _column(table, rows, column)
    folder = (home or table.parent).absolute()
    sets: dict[str, frozenset[str]] = {}
    groups: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        path, text = row.get("path"), row.get(column)
        if not path:
            raise DataError(f"{table}: line {number} has no path")
        found = frozenset(label.strip() for label in (text or "").split(";") if label.strip())
        if not found:
            continue
        full = str(folder / path)
        if full in sets:
            raise DataError(f"{table}: line {number} names {path} again")
        sets[full] = found
        groups[full] = row.get("group") or full
    single = column != _MANY and all(len(each) == 1 for each in sets.values())
    labels = Labels(list(sets), list(sets.values()), list(groups.values()), single, [], {})
    return _without_rare(labels)


def _column(table: Path, rows: list[dict[str, str]], wanted: str | None) -> str:
    if not rows:
        raise DataError(f"{table}: has no tracks")
    names = [name for name in rows[0] if isinstance(name, str)]
    for name in [wanted] if wanted else ["label", _MANY]:
        if name in names and "path" in names:
            return name
    raise DataError(f"{table}: needs the columns path and {wanted or 'label'}; it has {', '.join(names)}")


def _without_rare(labels: Labels) -> Labels:
    """Leave out labels that too few tracks, or tracks of too few groups, have."""
    counts = Counter(label for each in labels.sets for label in each)
    names = sorted(
        label
        for label, count in counts.items()
        if count >= FEWEST and len(_groups(labels, label)) >= 2 and count < len(labels.sets)
    )
    if labels.single:
        kept = [index for index, each in enumerate(labels.sets) if each <= set(names)]
    else:
        kept = list(range(len(labels.sets)))
    if len(names) < (2 if labels.single else 1) or len(kept) < 2 * FEWEST:
        raise DataError(
            f"too little to learn from: {len(names)} labels have {FEWEST} tracks and more "
            f"(of {len(counts)} labels and {len(labels.sets)} tracks), from two albums or artists at least"
        )
    return replace(
        labels,
        paths=[labels.paths[index] for index in kept],
        sets=[labels.sets[index] & set(names) for index in kept],
        groups=[labels.groups[index] for index in kept],
        names=names,
        dropped=labels.dropped | {label: count for label, count in counts.items() if label not in names},
    )


def _groups(labels: Labels, label: str) -> set[str]:
    return {group for group, each in zip(labels.groups, labels.sets, strict=True) if label in each}
