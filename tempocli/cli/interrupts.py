"""Ctrl-C in two steps: the first lets what is under way finish, the second ends it."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tempocli.cli import console

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def stopping(*, quiet: bool) -> Iterator[threading.Event]:
    """Turn the first Ctrl-C within the block into an event; the second raises KeyboardInterrupt.

    Yields
    ------
    threading.Event
        Set by the first one.
    """
    stop = threading.Event()

    def handle(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        if not quiet:
            console.error("finishing the files under way; Ctrl-C again to leave them")

    if threading.current_thread() is not threading.main_thread():
        yield stop  # Python lets no other thread handle signals
        return
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
