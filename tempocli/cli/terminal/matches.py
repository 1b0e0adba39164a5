"""Tracks that are like a track, as a table on a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.text import Text

from tempocli.cli.terminal import console, words
from tempocli.cli.terminal.fitting import Column, fitted
from tempocli.output.formats import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tempocli.output.matches import Row


_COLUMNS = (
    Column("File", "left"),
    Column("Section", "left", need=3),
    Column("Similarity", need=2),
    Column("BPM"),
    Column("Pitch fader", need=1),
)


def show_matches(rows: Sequence[Row], bpm: float | None) -> None:
    """Show a table with one row per track.

    Parameters
    ----------
    rows : sequence of Row
    bpm : float or None
        Tempo of the song that was searched for, at which it was to be heard.
    """
    if not rows:
        return
    cells = [
        [
            Text(printable(words.input_name(row.path, None if row.label is not None else row.part))),
            Text(_section(row)),
            Text(f"{row.similarity:.3f}"),
            Text("-" if row.bpm is None else f"{row.bpm:.2f}"),
            Text(fader(row.bpm, bpm)),
        ]
        for row in rows
    ]
    output = console.results_console()
    output.print(fitted(_COLUMNS, cells, output.width))


def _section(row: Row) -> str:
    """Return the label and the times of a section that was found."""
    if row.label is None or row.part is None:
        return ""
    return printable(f"{row.label}, {words.times(row.part)}")


def fader(bpm: float | None, wanted: float | None) -> str:
    """Return how far a track must be moved to the wanted tempo, or its half or double, such as ``+2.1 %``."""
    if bpm is None or wanted is None:
        return ""
    octaves = min(1, max(-1, round(math.log2(bpm / wanted))))
    change = 100.0 * (wanted * 2.0**octaves / bpm - 1.0)
    return f"{change:+.1f} %"
