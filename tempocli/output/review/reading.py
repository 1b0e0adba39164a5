"""Read what a file of corrections says now, without opening it for more."""

from __future__ import annotations

import csv
import io
import logging
import math
from typing import TYPE_CHECKING

from tempocli.errors import DataError
from tempocli.output.formats.layout import decode
from tempocli.output.results.rows import read_part
from tempocli.schema import AudioInput

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)


def read_corrections(path: Path) -> list[tuple[AudioInput, float]]:
    """Read the tempi that a person has said, in the order of the tracks' first rows.

    Parameters
    ----------
    path : Path
        CSV with the columns ``path`` and ``bpm``; ``part_start`` and ``part_duration`` are optional, all
        others are not read. The last row of a track counts; without a tempo, the track has none. An
        incomplete last row is left out.

    Returns
    -------
    list of (AudioInput, float)
        Tempi in BPM.

    Raises
    ------
    DataError
        If it cannot be read, or is no such file.
    """
    try:
        text = decode(path.read_bytes()).removeprefix("\ufeff")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    number = 1
    try:
        names, *rows = csv.reader(io.StringIO(text, newline=""))
        if not {"path", "bpm"} <= set(names):
            raise DataError(f"{path}: not a file of corrections: has no columns path and bpm")
        if rows and not text.endswith("\n") and len(rows[-1]) < len(names):
            logger.warning("%s: its last row is incomplete, and is left out", path)
            rows.pop()
        tracks: dict[str, tuple[AudioInput, float | None]] = {}
        for cells in rows:
            number += 1
            if cells:
                track, bpm = _read(dict(zip(names, cells, strict=True)))
                tracks[track.key] = track, bpm
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path}: row {number} is not a correction") from error
    return [(track, bpm) for track, bpm in tracks.values() if bpm is not None]


def _read(row: dict[str, str]) -> tuple[AudioInput, float | None]:
    bpm = float(row["bpm"]) if row["bpm"] else None
    if not row["path"] or (bpm is not None and not 0.0 < bpm < math.inf):
        raise ValueError(row["bpm"])
    return AudioInput(row["path"], read_part(row)), bpm
