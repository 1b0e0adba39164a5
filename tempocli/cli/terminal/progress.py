"""How a batch is going, on stderr: a bar on a terminal, now and then a line elsewhere."""

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

# Lines come after 30 s, then ever less often.
_FIRST_SECONDS, _LAST_SECONDS = 30.0, 600.0


class Total:
    """Counts the inputs while the first of them are being worked on.

    Attributes
    ----------
    value : int or None
        Their number, once it is known.
    """

    def __init__(self, inputs: Inputs) -> None:
        self.value: int | None = None
        if inputs.can_be_counted:
            threading.Thread(target=self._count, args=(inputs,), daemon=True).start()

    def _count(self, inputs: Inputs) -> None:
        try:
            self.value = sum(1 for _ in inputs.files(quiet=True))
        except OSError:
            return  # whoever works on them will say it


def shown(
    results: Iterable[FileResult], summary: BatchSummary, inputs: Inputs, *, bar: bool
) -> Iterator[FileResult]:
    """Pass results on, and say how it goes, by a bar or by lines.

    They are to be counted behind this, before the next is asked for.
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
        # Results go where they belong; lines on stderr are moved above the bar.
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
            # The count may not have ended before a short batch has.
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
