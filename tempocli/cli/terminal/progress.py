"""Progress of a batch on stderr: a bar on a terminal, otherwise a line at intervals."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tempocli.cli.tally import duration
from tempocli.cli.terminal import console

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tempocli.batch.engines.summary import BatchSummary
    from tempocli.cli.inputs import Inputs
    from tempocli.schema import FileResult

# The first line after 30 s; the interval doubles up to 600 s.
_FIRST_SECONDS, _LAST_SECONDS = 30.0, 600.0


class Total:
    """Counts the inputs in the background, unless their number is known.

    Attributes
    ----------
    value : int or None
        Number of inputs; ``None`` until it is known.
    """

    def __init__(self, inputs: Inputs | int) -> None:
        self.value = inputs if isinstance(inputs, int) else None
        if not isinstance(inputs, int) and inputs.can_be_counted:
            threading.Thread(target=self._count, args=(inputs,), daemon=True).start()

    def _count(self, inputs: Inputs) -> None:
        try:
            self.value = sum(1 for _ in inputs.files(quiet=True))
        except OSError:
            return  # the run itself reports the error


def shown(
    results: Iterable[FileResult], summary: BatchSummary, inputs: Inputs | int, *, bar: bool
) -> Iterator[FileResult]:
    """Yield the results of inputs, or of a number of them, and show progress, as a bar or as lines.

    The caller adds each result to `summary` before it asks for the next.
    """
    total = Total(inputs)
    return _bar(results, summary, total) if bar else _lines(results, summary, total)


def _bar(results: Iterable[FileResult], summary: BatchSummary, total: Total) -> Iterator[FileResult]:
    from rich import progress
    from rich.console import Console

    display = progress.Progress(
        progress.BarColumn(),
        progress.TextColumn("{task.description}"),
        console=Console(stderr=True),
        # Only stderr is redirected: its lines are printed above the bar.
        redirect_stdout=False,
        transient=True,
    )
    with display:
        task = display.add_task("", total=None)
        for result in results:
            yield result
            display.update(
                task,
                total=total.value,
                completed=summary.n_done,
                description=_state(summary, total),
            )
        if summary.n_results:
            # A short batch may end before the count does.
            total.value = summary.n_done
            display.update(task, total=total.value, completed=total.value, description=_state(summary, total))


def _lines(results: Iterable[FileResult], summary: BatchSummary, total: Total) -> Iterator[FileResult]:
    interval = _FIRST_SECONDS
    next_line = time.monotonic() + interval
    for result in results:
        yield result
        if time.monotonic() >= next_line:
            console.error(_state(summary, total))
            interval = min(2 * interval, _LAST_SECONDS)
            next_line = time.monotonic() + interval


def _state(summary: BatchSummary, total: Total) -> str:
    n_done = summary.n_done
    parts = [f"{n_done}/{total.value} files" if total.value is not None else f"{n_done} files"]
    parts.append(f"{summary.rate:.1f}/s")
    if summary.n_failed:
        parts.append(f"{summary.n_failed} failed")
    if total.value is not None and summary.n_results:
        parts.append(f"{duration(max(0, total.value - n_done) / summary.rate)} left")
    return ", ".join(parts)
