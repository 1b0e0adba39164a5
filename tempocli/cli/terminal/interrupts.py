"""Ctrl-C in two steps: the first finishes the files in progress, the second stops at once."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tempocli.cli.terminal import console

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def stopping(*, quiet: bool) -> Iterator[threading.Event]:
    """Turn the first Ctrl-C within the block into an event; the second raises KeyboardInterrupt.

    Yields
    ------
    threading.Event
        Set by the first Ctrl-C.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread can handle signals in Python
        return
    is_over = False

    def handle(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    def say() -> None:
        # Not in the signal handler: the interrupted thread may be writing to stderr.
        stop.wait()
        if not is_over and not quiet:
            console.error("finishing the files under way; Ctrl-C again to leave them")

    threading.Thread(target=say, daemon=True).start()
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
        is_over = True
        stop.set()
