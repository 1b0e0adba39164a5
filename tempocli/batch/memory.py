"""Limit the memory that a file may use: watch the process that reads it, and stop it above the limit.

The limit applies to resident memory, since a limit on address space would break CUDA. Resident memory is
read from Linux's ``/proc``; on other systems there is no limit.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from tempocli.errors import AudioError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

T = TypeVar("T")

DEFAULT_MAX_MEMORY = 1_000_000_000
# Maximum allocation rate in bytes per second; measured rates are 0.5 to 2 GB. No check is needed before the
# limit can be reached, so ordinary files are checked ten times a second.
_FASTEST = 10e9
_LEAST_SECONDS, _MOST_SECONDS = 0.005, 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class MemoryLimitError(AudioError):
    """An input that exceeds the memory limit; its reader may still be allocating memory."""


def _pause(left: int) -> float:
    """Return the seconds until the next check, when `left` bytes are left."""
    return min(max(left / _FASTEST, _LEAST_SECONDS), _MOST_SECONDS)


def over_limit(limit: int) -> str:
    """Return the error text for a file that needs more than `limit` bytes."""
    return f"needs more than {limit / 1e9:g} GB of memory"


class _Gauge:
    """Read the resident memory of a process in bytes; always 0 on systems without this information."""

    def __init__(self, process_id: int) -> None:
        try:
            self._file: int | None = os.open(f"/proc/{process_id}/statm", os.O_RDONLY)
        except OSError:
            self._file = None

    def read(self) -> int:
        if self._file is None:
            return 0
        try:
            return int(os.pread(self._file, 256, 0).split()[1]) * _PAGE
        except (OSError, IndexError):  # the process has ended
            return 0

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class MemoryWatch:
    """End a process when its memory has grown by more than a limit; a context manager.

    One thread watches all processes.

    Parameters
    ----------
    process_id : int
        Process to watch.
    limit : int or None
        Allowed growth of its memory in bytes, from now; with ``None`` it is not watched.
    end : callable
        Ends it.

    Attributes
    ----------
    exceeded : bool
        Whether the process was ended for exceeding the limit.
    """

    def __init__(self, process_id: int, limit: int | None, end: Callable[[], None]) -> None:
        self.exceeded = False
        self._process_id = process_id
        self._limit = limit
        self._end = end

    def __enter__(self) -> Self:
        if self._limit is not None:
            self._gauge = _Gauge(self._process_id)
            self._most = self._gauge.read() + self._limit
            _watcher.add(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._limit is not None:
            _watcher.remove(self)
            self._gauge.close()

    def look(self) -> float:
        """End the process if it is over the limit; return the seconds until the next check."""
        left = self._most - self._gauge.read()
        if left < 0 and not self.exceeded:
            self.exceeded = True
            self._end()
        return _pause(left)


class _Watcher:
    """The thread that watches all processes; started on first use."""

    def __init__(self) -> None:
        self._watches: set[MemoryWatch] = set()
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, watch: MemoryWatch) -> None:
        with self._change:
            self._watches.add(watch)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tempo memory", daemon=True)
                self._thread.start()
            self._change.notify()

    def remove(self, watch: MemoryWatch) -> None:
        with self._change:
            self._watches.discard(watch)

    def _run(self) -> None:
        while True:
            with self._change:
                pauses = [watch.look() for watch in self._watches]
                self._change.wait(min(pauses, default=None))


_watcher = _Watcher()


class _Call(threading.Thread, Generic[T]):
    """A function call in its own thread."""

    def __init__(self, function: Callable[[], T]) -> None:
        super().__init__(name="tempo file", daemon=True)
        self._function = function
        self._value: T
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._value = self._function()
        except BaseException as error:  # raised again in the thread that waits for the call
            self._error = error

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._value


def call_within(limit: int | None, name: str, function: Callable[[], T]) -> T:
    """Call a function, and abandon the call when the memory of this process grows by more than a limit.

    A thread cannot be ended: an abandoned call goes on and allocates more memory. The caller should then
    report the error and end the process.

    Parameters
    ----------
    limit : int or None
        In bytes. There is no limit with ``None``, or on systems that do not report memory.
    name : str
        Name of the input as given by the user.
    function : callable
        Reads the input. It is called in another thread.

    Raises
    ------
    MemoryLimitError
        If the limit is exceeded.
    BaseException
        Any exception raised by `function`.
    """
    gauge = _Gauge(os.getpid())
    try:
        before = gauge.read()
        if limit is None or not before:
            return function()
        call = _Call(function)
        call.start()
        while call.is_alive():
            left = before + limit - gauge.read()
            if left < 0:
                raise MemoryLimitError(name, over_limit(limit))
            call.join(_pause(left))
        return call.outcome()
    finally:
        gauge.close()
