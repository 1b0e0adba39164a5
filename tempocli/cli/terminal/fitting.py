"""Tables that fit the width of a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from tempocli.cli.terminal import words

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP, _MIN_NAME, _MIN_NOTES = 2, 14, 10


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    title : str
    justify : str
        ``"left"`` or ``"right"``.
    wraps : bool
        Whether long cells go on in the next line.
    need : int or None
        On a narrow terminal, columns with the smallest number are left out first; ``None`` for never.
    """

    title: str
    justify: Literal["left", "right"] = "right"
    wraps: bool = False
    need: int | None = None


def fitted(columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int) -> Table:
    """Return a table of a width, whose first column always stays.

    Columns that are empty, then those that are needed least, are left out, then the names in the first
    column are cut in the middle.

    Parameters
    ----------
    columns : sequence of Column
        The first is that of names.
    rows : sequence of sequence of Text
        A cell for each column.
    width : int
        Of the terminal, in columns.
    """
    widths = [
        max(
            cell_len(line)
            for cell in (column.title, *(row[at].plain for row in rows))
            for line in _lines(cell)
        )
        for at, column in enumerate(columns)
    ]
    shown = [at for at in range(len(columns)) if at == 0 or any(row[at].plain for row in rows)]
    least = min(widths[0], _MIN_NAME)

    def taken(at: int, wrapped: int) -> int:
        return _GAP + (min(widths[at], wrapped) if columns[at].wraps else widths[at])

    def room(wrapped: int) -> int:
        return width - sum(taken(at, wrapped) for at in shown[1:])

    for at in sorted(
        (at for at in shown if columns[at].need is not None), key=lambda at: columns[at].need or 0
    ):
        if room(_MIN_NOTES) < least:
            shown.remove(at)
    # Wrapped columns get what others leave, but at least a little, and names at most the rest.
    wrapped = max(_MIN_NOTES, width // 4)
    while wrapped > _MIN_NOTES and room(wrapped) < least:
        wrapped -= 1
    name = max(1, min(widths[0], room(wrapped)))
    spare = room(wrapped) - name
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for at in shown:
        column = columns[at]
        own = name if at == 0 else taken(at, wrapped) - _GAP
        if column.wraps and spare > 0:
            own, spare = min(widths[at], own + spare), max(0, spare - (widths[at] - own))
        table.add_column(
            column.title,
            justify=column.justify,
            no_wrap=not column.wraps,
            overflow="fold" if column.wraps else "ellipsis",
            width=own,
        )
    for row in rows:
        first = Text(words.shortened(row[0].plain, name), style=row[0].style)
        table.add_row(first, *(row[at] for at in shown[1:]))
    return table


def _lines(text: str) -> list[str]:
    return text.split("\n")
