"""Estimates as tables on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from tempocli.cli.terminal import console, words
from tempocli.cli.terminal.fitting import Column, fitted
from tempocli.output.formats import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tempocli.output.formats import Layout
    from tempocli.schema import Estimate, FileResult, TempoSection

_UNSURE = 0.5
_COLUMNS = (
    Column("File", "left"),
    Column("BPM"),
    Column("", need=1),  # the error of the tempo
    Column("Confidence", need=4),
    Column("Octave\nconfidence", need=3),
    Column("2nd BPM", need=2),
    Column("Notes", "left", wraps=True),
)


def show_one(results: Iterable[FileResult], layout: Layout) -> None:
    """Show all fields of the estimate of one input."""
    output = console.results_console()
    for result in results:
        if result.estimate is None:
            continue
        output.print(Text(_name(result), style="bold"), soft_wrap=True)
        output.print(_facts(result.estimate, layout))
        if result.estimate.candidates:
            output.print(_candidates(result.estimate, layout))


def show_many(results: Iterable[FileResult], layout: Layout) -> None:
    """Show a table with one row per input; after an interrupt, only the finished ones."""
    rows: list[list[Text]] = []
    try:
        for result in results:
            cells = [Text(_name(result)), *_row(result, layout)]
            rows.append(cells + [Text()] * (len(_COLUMNS) - len(cells)))
    finally:
        if rows:
            output = console.results_console()
            output.print(fitted(_COLUMNS, rows, output.width))


def _name(result: FileResult) -> str:
    return printable(words.input_name(result.path, result.part))


def _row(result: FileResult, layout: Layout) -> list[Text]:
    estimate = result.estimate
    if estimate is None:
        return [Text("failed", style="red")]
    if estimate.bpm is None:
        return [Text("-"), *[Text()] * 4, Text(estimate.reason or "", style="dim")]
    notes = [
        *(["doubtful"] if estimate.doubtful else []),
        *(["not steady"] if estimate.steady is False else []),
    ]
    other = layout.bpm(estimate.candidates[1].bpm) if len(estimate.candidates) > 1 else ""
    return [
        Text(layout.bpm(estimate.bpm), style="bold"),
        Text(_error(estimate, layout), style="dim"),
        _percent(estimate.confidence),
        _percent(estimate.octave_confidence),
        Text(other, style="dim"),
        Text(", ".join(notes), style="yellow"),
    ]


def _facts(estimate: Estimate, layout: Layout) -> Table:
    facts = Table.grid(padding=(0, 2))
    if estimate.bpm is None:
        facts.add_row("  Tempo", Text(f"none: {estimate.reason}"))
        return facts
    tempo = f"{layout.bpm(estimate.bpm)} {_error(estimate, layout)}".rstrip()
    facts.add_row("  Tempo", Text(f"{tempo} BPM", style="bold green"))
    confidence = _percent(estimate.confidence)
    facts.add_row("  Confidence", confidence.append(", doubtful") if estimate.doubtful else confidence)
    facts.add_row("  Octave confidence", _percent(estimate.octave_confidence))
    if estimate.steady is not None:
        facts.add_row("  Steadiness", "steady" if estimate.steady else Text("not steady", style="yellow"))
    if estimate.steady is False:
        for section in estimate.tempo_sections:
            facts.add_row(f"  {words.span(section)}", _section(section, layout))
    for method, bpm in estimate.by_method:
        facts.add_row(f"  By {method}", Text(f"{layout.bpm(bpm)} BPM"))
    return facts


def _candidates(estimate: Estimate, layout: Layout) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    table.add_column("Candidate BPM", justify="right")
    table.add_column("Probability", justify="right")
    table.add_column("Ratio", justify="right")
    for candidate in estimate.candidates:
        table.add_row(
            layout.bpm(candidate.bpm), f"{candidate.probability:.0%}", _relation(candidate.relation)
        )
    return table


def _relation(relation: str) -> str:
    return relation if relation == "other" else f"x{relation}"


def _error(estimate: Estimate, layout: Layout) -> str:
    return "" if estimate.bpm_error is None else f"± {layout.bpm_error(estimate.bpm_error)}"


def _section(section: TempoSection, layout: Layout) -> Text:
    return Text(f"{layout.bpm(section.bpm)} BPM, ").append(_percent(section.confidence))


def _percent(share: float) -> Text:
    return Text(f"{share:.0%}", style="yellow" if share < _UNSURE else "")
