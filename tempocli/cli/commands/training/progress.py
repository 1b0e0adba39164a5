"""Progress of long training commands: a bar on a terminal, else a line on stderr from time to time."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from tempocli.cli.terminal import console

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERVAL = 30.0  # seconds between lines


class Report(Protocol):
    """Takes the number of parts that are done, and a text about the last one."""

    def __call__(self, completed: int, text: str = "") -> None:
        """Show it."""
        ...


@contextmanager
def progress(what: str, total: int) -> Iterator[Report]:
    """Show progress on stderr.

    Without a terminal, a line is written every 30 s and one at the end, such as for a log file.

    Parameters
    ----------
    what : str
        What is done.
    total : int
        Number of parts.

    Yields
    ------
    callable
        To be called after each part.
    """
    if console.stderr_is_terminal():
        with _bar(what, total) as show:
            yield show
        return
    written, last = time.monotonic(), ""

    def report(completed: int, text: str = "") -> None:
        nonlocal written, last
        last = f"{what}: {completed} of {total}" + (f", {text}" if text else "")
        if time.monotonic() - written >= INTERVAL:
            console.error(last)
            written, last = time.monotonic(), ""

    try:
        yield report
    finally:  # also where it ends by an error or an interrupt: how far it came
        if last:
            console.error(last)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on stderr that something goes on whose parts cannot be counted, and for how long.

    Without a terminal, a line is written every 30 s.

    Parameters
    ----------
    what : str
        What is done.
    """
    if console.stderr_is_terminal():
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            bar.add_task(what, total=None)
            yield
        return
    began, ended = time.monotonic(), threading.Event()

    def tell() -> None:
        while not ended.wait(INTERVAL):
            console.error(f"{what}: {time.monotonic() - began:.0f} s so far")

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _bar(what: str, total: int) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[text]}"), console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, text="")

        def report(completed: int, text: str = "") -> None:
            bar.update(task, completed=completed, text=text)

        yield report
