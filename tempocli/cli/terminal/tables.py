"""Tables of scores, for a terminal and for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.cli.terminal import console
from tempocli.output.formats.layout import encode

if TYPE_CHECKING:
    from tempocli.evaluation.scoring import Score

    Rows = list[tuple[str, ...]]


def cells(score: Score, decimals: int, unit: str) -> tuple[str, str]:
    """Return the cells of a score and of its interval."""
    interval = f"{score.low:z.{decimals}f} to {score.high:z.{decimals}f}"
    return f"{score.value:z.{decimals}f}{unit}", interval


def print_tables(tables: list[Rows]) -> None:
    """Print tables whose first row is the header."""
    if console.stdout_is_terminal():
        _print_rich(tables)
    else:
        console.stdout().write(encode("\n\n".join(map(_align, tables)) + "\n"))


def _print_rich(tables: list[Rows]) -> None:
    from rich.table import Table

    output = console.results_console()
    for header, *rows in tables:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for number, title in enumerate(header):
            table.add_column(title, justify="right" if number else "left")
        for row in rows:
            table.add_row(*row)
        output.print(table)
        output.print()


def _align(rows: Rows) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)
