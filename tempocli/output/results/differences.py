"""What changed between two result files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tempocli.output.results.reading import read_rows
from tempocli.output.results.rows import read_part
from tempocli.schema import input_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tempocli.schema import Part

# The kinds of differences, in the order in which they are counted.
CHANGES = ("changed", "found", "lost", "only new", "only old")


@dataclass(frozen=True, slots=True)
class ResultTempo:
    """The tempo of an input in a result file.

    Attributes
    ----------
    path : str
        The input, as the file names it.
    part : Part or None
        The part of it; ``None`` for the whole input.
    bpm : float or None
        In BPM; ``None`` if it has no tempo or could not be read.
    """

    path: str
    part: Part | None
    bpm: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """An input whose tempo differs between two result files.

    Attributes
    ----------
    path : str
        The input, as the files name it.
    part : Part or None
        The part of it; ``None`` for the whole input.
    change : str
        One of `CHANGES`: ``"changed"``, another tempo; ``"found"``, a tempo only in the new file; ``"lost"``,
        only in the old one; ``"only new"`` and ``"only old"``, the other file does not have the input.
    old, new : float or None
        The tempi in BPM, if there are any.
    """

    path: str
    part: Part | None
    change: str
    old: float | None
    new: float | None

    @property
    def ratio(self) -> float | None:
        """The new tempo by the old one; ``None`` without both."""
        return None if self.old is None or self.new is None else self.new / self.old


def read_tempi(path: Path) -> dict[str, ResultTempo]:
    """Read the tempi of a result file, by the key of the input; the first row of an input counts.

    Parameters
    ----------
    path : Path
        CSV, TSV, JSON, JSONL or Parquet, as ``tempo estimate -o`` writes it.

    Raises
    ------
    DataError
        If it cannot be read, or is no such file.
    MissingExtraError
        If it is Parquet and pyarrow is not installed.
    """
    tempi: dict[str, ResultTempo] = {}
    for each in read_rows(path, _tempo):
        tempi.setdefault(input_key(each.path, each.part), each)
    return tempi


def differences(
    old: Mapping[str, ResultTempo], new: Mapping[str, ResultTempo], tolerance: float
) -> list[Difference]:
    """Compare the tempi of two result files.

    Parameters
    ----------
    old, new : dict of str to ResultTempo
        From `read_tempi`.
    tolerance : float
        Relative; tempi that differ by no more are the same.

    Returns
    -------
    list of Difference
        In the order of the new file; inputs that only the old one has come last.
    """
    found = []
    for key, now in new.items():
        change = _change(old.get(key), now, tolerance)
        if change is not None:
            before = old[key].bpm if key in old else None
            found.append(Difference(now.path, now.part, change, before, now.bpm))
    gone = (tempo for key, tempo in old.items() if key not in new)
    return found + [Difference(each.path, each.part, "only old", each.bpm, None) for each in gone]


def _change(old: ResultTempo | None, new: ResultTempo, tolerance: float) -> str | None:
    if old is None:
        return "only new"
    if old.bpm is None or new.bpm is None:
        return None if old.bpm == new.bpm else "lost" if new.bpm is None else "found"
    return None if math.isclose(old.bpm, new.bpm, rel_tol=tolerance) else "changed"


def _tempo(record: Mapping[str, Any]) -> ResultTempo:
    path, bpm = record["path"], record["bpm"]
    if not isinstance(path, str) or not path:
        raise ValueError("no path")
    number = None if bpm in {None, ""} else float(bpm)
    if number is not None and not 0.0 < number < math.inf:
        raise ValueError(f"{number} is no tempo")
    record["confidence"], record["error"]  # a table without them is no result file
    return ResultTempo(path, read_part(record), number)
