"""The sections of songs as tables on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tempocli.cli.terminal import console, words
from tempocli.cli.terminal.fitting import Column, fitted
from tempocli.output.formats import printable

if TYPE_CHECKING:
    from tempocli.output.formats import Layout
    from tempocli.schema import FileResult

_COLUMNS = (
    Column("Start"),
    Column("End"),
    Column("Label", "left"),
    Column("Bars"),
    Column("BPM"),
    Column("Confidence", need=1),
)


class SectionTables:
    """Shows a table for each file, as soon as its sections are there.

    Parameters
    ----------
    layout : Layout
        How tempi are written.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._output = console.results_console()

    def add(self, result: FileResult) -> None:
        """Show the sections of a file, if it has any."""
        if result.form is None or not result.form.sections:
            return
        name = printable(words.input_name(result.path, result.part))
        self._output.print(Text(words.shortened(name, self._output.width), style="bold"))
        rows = [
            [
                Text(_clock(each.start)),
                Text(_clock(each.end)),
                Text(each.label, style="bold"),
                Text("-" if each.bars is None else str(each.bars)),
                Text("-" if each.bpm is None else self._layout.bpm(each.bpm)),
                Text(f"{each.confidence:.0%}"),
            ]
            for each in result.form.sections
        ]
        self._output.print(fitted(_COLUMNS, rows, self._output.width))

    def close(self) -> None:
        """Do nothing: all is shown."""


def _clock(seconds: float) -> str:
    """Format a time in minutes, seconds and tenths."""
    tenths = round(10.0 * seconds)
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"
