"""``tempo diff``: what changed between two result files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tempocli.cli.terminal import console
from tempocli.cli.terminal.words import input_name
from tempocli.errors import TempoError
from tempocli.output.formats.layout import encode, escape, printable
from tempocli.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from tempocli.output.results.differences import Difference

EXIT_DIFFERENT, EXIT_TROUBLE = 1, 2

_COLUMNS = (
    "path", "change", "old_bpm", "new_bpm", "difference", "ratio", "relation", "octave", "part_start",
    "part_duration",
)  # fmt: skip
_OCTAVES = {"2", "1/2", "4", "1/4"}
_EXAMPLES = """\b
Examples:
  tempo diff old.csv new.csv                     the files whose tempo changed
  tempo diff old.jsonl new.parquet --format csv  the formats may differ
  tempo diff -q old.csv new.csv || echo changed  use only the exit status

In a pipe, text output is one line per file with PATH, CHANGE, OLD, NEW, RELATION, separated by tabs; '-'
means none. CHANGE is changed, found, lost, only new, or only old. RELATION is NEW / OLD if that is a simple
ratio within 4 %, such as 2, 1/2 or 3/2; 1 for a smaller change; otherwise other.
Exit status: 0 no differences, 1 differences, 2 trouble, 130 interrupted.
"""


@click.command("diff", epilog=_EXAMPLES)
@click.argument("old", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("new", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "csv", "json"]),
    default="text",
    show_default=True,
    help="Output format.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    default=0.1,
    show_default=True,
    help="Tempi that differ by no more are the same.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show tracebacks.")
@click.option("-q", "--quiet", is_flag=True, help="No output except errors; use the exit status.")
@click.pass_context
def command(
    context: click.Context,
    old: Path,
    new: Path,
    format_name: str,
    tolerance: float,
    verbose: bool,
    quiet: bool,
) -> None:
    """Show the files whose tempo changed between two result files.

    OLD and NEW are files that 'tempo estimate -o' wrote: .csv, .tsv, .json, .jsonl or .parquet.
    """
    console.configure(verbose=verbose, quiet=quiet)
    from tempocli.output.results.differences import differences, read_tempi

    try:
        before, after = read_tempi(old), read_tempi(new)
    except TempoError as error:
        # The error's own exit code is 1, which here means that the files differ.
        console.error(str(error))
        context.exit(EXIT_TROUBLE)
    if math.isnan(tolerance):
        raise click.UsageError("--tolerance is not a number.")
    found = differences(before, after, tolerance / 100.0)
    if not quiet:
        _WRITERS[format_name](found)
        n_same = len(after) - sum(each.change != "only old" for each in found)
        console.error(_summary(n_same, found))
    context.exit(EXIT_DIFFERENT if found else 0)


def _relation(difference: Difference) -> str | None:
    if difference.old is None or difference.new is None:
        return None
    from tempocli.decoding.distributions import relation

    return relation(difference.new, difference.old)


def _record(difference: Difference) -> dict[str, Any]:
    old, new, part = difference.old, difference.new, difference.part
    relation = _relation(difference)
    return {
        "path": difference.path,
        "change": difference.change,
        "old_bpm": old,
        "new_bpm": new,
        "difference": None if old is None or new is None else round(new - old, 6),
        "ratio": None if difference.ratio is None else round(difference.ratio, 5),
        "relation": relation,
        "octave": None if relation is None else relation in _OCTAVES,
        "part_start": None if part is None else part.start,
        "part_duration": None if part is None else part.duration,
    }


def _write_text(found: list[Difference]) -> None:
    if console.stdout_is_terminal():
        _print_table(found)
        return
    lines = []
    for each in found:
        part = [] if each.part is None else [repr(each.part.start), _number(each.part.duration)]
        cells = [escape(each.path), each.change, _number(each.old), _number(each.new)]
        lines.append("\t".join([*cells, _relation(each) or "-", *part]) + "\n")
    console.write(encode("".join(lines)))


def _print_table(found: list[Difference]) -> None:
    if not found:
        return
    from rich.text import Text

    from tempocli.cli.terminal.fitting import Column, fitted

    columns = (
        Column("File", "left"),
        Column("Change", "left", need=1),
        Column("Old BPM"),
        Column("New BPM"),
        Column("New / old", need=2),
    )
    rows = []
    for each in found:
        name = printable(input_name(each.path, each.part))
        cells = (name, each.change, _number(each.old), _number(each.new), _relation(each) or "-")
        rows.append([Text(cell) for cell in cells])
    output = console.results_console()
    output.print(fitted(columns, rows, output.width))


def _write_csv(found: list[Difference]) -> None:
    from tempocli.output.formats.lines import quote

    lines = [",".join(_COLUMNS)]
    lines += [",".join(quote(_cell(cell)) for cell in _record(each).values()) for each in found]
    console.write(encode("\n".join(lines) + "\n"))


def _write_json(found: list[Difference]) -> None:
    document = {"schema_version": SCHEMA_VERSION, "differences": [_record(each) for each in found]}
    console.write(encode(json.dumps(document, indent=2, ensure_ascii=False) + "\n"))


_WRITERS: dict[str, Callable[[list[Difference]], None]] = {
    "text": _write_text,
    "csv": _write_csv,
    "json": _write_json,
}


def _number(value: float | None) -> str:
    return "-" if value is None else repr(value)


def _cell(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _summary(n_same: int, found: list[Difference]) -> str:
    from tempocli.output.results.differences import CHANGES

    counts = {change: sum(each.change == change for each in found) for change in CHANGES}
    n_octaves = sum(_relation(each) in _OCTAVES for each in found)
    parts = [f"{n_same:,} same"] + [f"{n:,} {change}" for change, n in counts.items() if n]
    if n_octaves:
        place = next(i for i, text in enumerate(parts) if text.endswith(" changed"))
        parts[place] += f" ({n_octaves:,} by an octave)"
    return ", ".join(parts)
