"""Formats with one line per result: text, CSV, TSV, MIREX."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.output.formats.layout import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tempocli.output.formats.layout import Layout
    from tempocli.schema import FileResult, Part

COLUMNS = (
    "path",
    "bpm",
    "confidence",
    "octave_confidence",
    "candidates",
    "duration",
    "model",
    "reason",
    "error",
    "bpm_error",
    "steady",
    "part_start",
    "part_duration",
    "part_title",
    "model_version",
)


def write_text(results: Iterable[FileResult], layout: Layout) -> Iterator[str]:
    """Write the number, after the path and a tab when `layout.named`; ``-`` for no tempo.

    After the number of a part of a file come its start and its duration, which is empty up to the end.
    """
    for result in results:
        if result.estimate is None:
            continue
        bpm = result.estimate.bpm
        number = "-" if bpm is None else layout.bpm(bpm)
        fields = [escape(result.path), number] if layout.named else [number]
        if layout.named and result.part is not None:
            fields += part_cells(result.part)[:2]
        yield "\t".join(fields) + "\n"


def write_csv(results: Iterable[FileResult], layout: Layout) -> Iterator[str]:
    """Write the `COLUMNS` with a header, quoted as RFC 4180 says, a line feed after each row."""
    return _table(results, layout, ",", quote)


def write_tsv(results: Iterable[FileResult], layout: Layout) -> Iterator[str]:
    """Write the `COLUMNS` with a header, separated by tabs."""
    return _table(results, layout, "\t", escape)


def write_mirex(results: Iterable[FileResult], layout: Layout) -> Iterator[str]:
    """Write the two best candidates, the slower first, and the slower one's share of their strength.

    One candidate stands for both; zeros stand for no tempo, since readers of this format expect numbers.
    """
    for result in results:
        if result.estimate is None:
            continue
        best = sorted(result.estimate.candidates[:2], key=lambda candidate: candidate.bpm)
        if not best:
            yield f"{layout.bpm(0)}\t{layout.bpm(0)}\t0.00\n"
            continue
        total = sum(candidate.probability for candidate in best)
        strength = best[0].probability / total if total else 1.0
        yield f"{layout.bpm(best[0].bpm)}\t{layout.bpm(best[-1].bpm)}\t{strength:.2f}\n"


def _table(
    results: Iterable[FileResult], layout: Layout, separator: str, protect: Callable[[str], str]
) -> Iterator[str]:
    header = separator.join(COLUMNS) + "\n"
    for result in results:
        row = separator.join(protect(cell) for cell in cells(result, layout)) + "\n"
        yield header + row
        header = ""


def cells(result: FileResult, layout: Layout) -> list[str]:
    """Return a result as the cells of the `COLUMNS`."""
    estimate = result.estimate
    if estimate is None:
        return [result.path, *[""] * 7, result.error or "", "", "", *part_cells(result.part), ""]
    return [
        result.path,
        "" if estimate.bpm is None else layout.bpm(estimate.bpm),
        f"{estimate.confidence:.4f}",
        f"{estimate.octave_confidence:.4f}",
        " ".join(f"{layout.bpm(each.bpm)}:{each.probability:.4f}" for each in estimate.candidates),
        f"{estimate.duration:.3f}",
        estimate.model,
        estimate.reason or "",
        "",
        "" if estimate.bpm_error is None else layout.bpm_error(estimate.bpm_error),
        "" if estimate.steady is None else str(estimate.steady).lower(),
        *part_cells(result.part),
        estimate.model_version,
    ]


def part_cells(part: Part | None) -> list[str]:
    """Return start, duration and title of the part of a result; all empty for the whole file."""
    if part is None:
        return ["", "", ""]
    # With all digits, because a resumed run recognises its inputs by them.
    return [repr(part.start), "" if part.duration is None else repr(part.duration), part.title or ""]


def quote(text: str) -> str:
    """Quote a CSV cell if necessary."""
    if any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
