"""Messages on stderr about the inputs: failures, notes, and a summary at the end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tempocli.cli.terminal import console
from tempocli.cli.terminal.words import input_name
from tempocli.schema import DOUBTFUL_CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tempocli.batch.engines.summary import BatchSummary
    from tempocli.schema import Estimate, FileResult

_SHOWN_REASONS = 10
_BIN_BPM = 20
_BAR = 40
_LABEL = 26  # columns before a bar


class Messages:
    """Prints a message or notes for each result, and collects a histogram of the tempi.

    Parameters
    ----------
    notes : callable, optional
        Returns the notes on an estimate, one line each.
    """

    def __init__(self, notes: Callable[[Estimate], Iterable[str]] | None = None) -> None:
        self._notes = notes
        self._bins: Counter[int] = Counter()

    def show(self, result: FileResult) -> None:
        """Print why an input failed, or the notes on its tempo."""
        name = input_name(result.path, result.part)
        if result.error is not None:
            console.error(f"{name}: {result.error}")
        if result.estimate is None:
            return
        if result.estimate.bpm is not None:
            self._bins[int(result.estimate.bpm // _BIN_BPM)] += 1
        for note in self._notes(result.estimate) if self._notes is not None else ():
            console.error(f"{name}: {note}")

    def histogram(self, width: int | None) -> Iterator[str]:
        """Yield the histogram of the tempi, one line per bin, of at most `width` columns."""
        if not self._bins:
            return
        largest = max(self._bins.values())
        longest = _BAR if width is None else max(1, min(_BAR, width - _LABEL))
        for number in range(min(self._bins), max(self._bins) + 1):
            bar = "#" * round(longest * self._bins[number] / largest)
            low = number * _BIN_BPM
            yield f"  {low:3d} to {low + _BIN_BPM:3d} BPM {self._bins[number]:8,d} {bar}".rstrip()


def summary_lines(summary: BatchSummary) -> Iterator[str]:
    """Yield the lines of the summary of a run, for any engine."""
    yield _totals(summary)
    for reason, count in summary.reasons.most_common(_SHOWN_REASONS):
        yield f"  {count:,} failed: {reason}"
    n_hidden = len(summary.reasons) - _SHOWN_REASONS
    if n_hidden > 0:
        yield f"  and {n_hidden} reasons more"
    if summary.n_doubtful:
        yield f"  {summary.n_doubtful:,} doubtful (confidence under {DOUBTFUL_CONFIDENCE:g})"


def _totals(summary: BatchSummary) -> str:
    parts = [f"{summary.n_results:,} file{'s' * (summary.n_results != 1)}"]
    if summary.n_earlier:
        n_failed = summary.n_failed_earlier
        failed = f" ({n_failed:,} of them failed)" if n_failed else ""
        parts.append(f"{summary.n_earlier:,} more done earlier{failed}")
    if summary.n_skipped:
        parts.append(f"{summary.n_skipped:,} more with a tag already")
    if summary.n_without_tempo:
        parts.append(f"{summary.n_without_tempo:,} without a tempo")
    if summary.n_failed:
        parts.append(f"{summary.n_failed:,} failed")
    return f"{', '.join(parts)}, in {duration(summary.seconds)} ({summary.rate:.1f} files/s)"


def duration(seconds: float) -> str:
    """Format a duration, such as ``2 min 5 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
