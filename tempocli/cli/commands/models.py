"""``tempo models``: list and verify the shipped models."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from tempocli.cli.terminal import console
from tempocli.errors import ModelError
from tempocli.output.formats.layout import encode, escape

if TYPE_CHECKING:
    from collections.abc import Callable

    from tempocli.inference.registry import ModelEntry

_COLUMNS = ("name", "size", "licence", "summary", "sha256", "path", "version")


@click.command("models")
@click.option(
    "--verify",
    "verified",
    is_flag=True,
    help="Verify the SHA-256 of each model and the files beside it; exit status 1 if one differs.",
)
def command(verified: bool) -> None:
    """List the models available for --model.

    In a pipe: a header and the tab-separated columns name, size (bytes), licence, summary, sha256, path,
    version; with --verify also state, "ok" or "damaged".
    """
    from tempocli.inference.registry import check_if_ours, list_files, list_models, verify

    entries = list_models()
    states = [_state(partial(verify, entry)) for entry in entries] if verified else []
    others = [_state(partial(check_if_ours, path)) for path in list_files()] if verified else []
    if console.stdout_is_terminal():
        _show(entries, states)
    else:
        _write(entries, states)
    if "damaged" in [*states, *others]:
        click.get_current_context().exit(1)


def _state(check: Callable[[], None]) -> str:
    try:
        check()
    except ModelError as error:
        console.error(str(error))
        return "damaged"
    return "ok"


def _write(entries: list[ModelEntry], states: list[str]) -> None:
    rows = [[str(getattr(entry, column)) for column in _COLUMNS] for entry in entries]
    table = [list(_COLUMNS), *rows]
    if states:
        table = [[*row, cell] for row, cell in zip(table, ["state", *states], strict=True)]
    console.write(encode("".join("\t".join(map(escape, row)) + "\n" for row in table)))


def _show(entries: list[ModelEntry], states: list[str]) -> None:
    from rich.text import Text

    from tempocli.cli.terminal.fitting import Column, fitted

    columns = (
        Column("Name", "left"),
        Column("Version", "left", need=2),
        Column("Size", need=3),
        Column("Licence", "left", need=1),
        Column("Summary", "left", wraps=True),
        Column("State", "left"),
    )
    rows = []
    for number, entry in enumerate(entries):
        size = f"{entry.size / 1e6:.1f} MB"
        cells = (entry.version, size, entry.licence, entry.summary, states[number] if states else "")
        rows.append([Text(entry.name, style="bold"), *map(Text, cells)])
    output = console.results_console()
    output.print(fitted(columns, rows, output.width))
