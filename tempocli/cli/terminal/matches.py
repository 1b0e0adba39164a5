"""Tracks that are like a track, as a table on a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from tempocli.cli.terminal import console, words
from tempocli.output.formats import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tempocli.output.matches import Row


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
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("File", overflow="fold", ratio=1)
    table.add_column("Similarity", justify="right", no_wrap=True)
    table.add_column("BPM", justify="right", no_wrap=True)
    table.add_column("Pitch fader", justify="right", no_wrap=True)
    for row in rows:
        tempo = "-" if row.bpm is None else f"{row.bpm:.2f}"
        name = printable(words.input_name(row.path, row.part))
        name = name if row.label is None else f"{name} ({row.label})"
        table.add_row(Text(name), f"{row.similarity:.3f}", tempo, fader(row.bpm, bpm))
    console.results_console().print(table)


def fader(bpm: float | None, wanted: float | None) -> str:
    """Return how far a track must be moved to the wanted tempo, or its half or double, such as ``+2.1 %``."""
    if bpm is None or wanted is None:
        return ""
    octaves = min(1, max(-1, round(math.log2(bpm / wanted))))
    change = 100.0 * (wanted * 2.0**octaves / bpm - 1.0)
    return f"{change:+.1f} %"
