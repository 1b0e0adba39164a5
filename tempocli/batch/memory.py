"""How much memory a file may cost: whoever reads it is watched, and given up when it takes more.

What counts is resident memory, since a limit on address space would break CUDA. It is read from Linux's
``/proc``; on other systems nothing is known of it, and there is no limit.
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
# Bytes a second that a process may get, at the most: measured are 0.5 to 2 GB. As long as it could not be at
# its limit there is no need to look, so that ordinary files are looked at ten times a second.
_FASTEST = 10e9
_LEAST_SECONDS, _MOST_SECONDS = 0.005, 0.1
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class MemoryLimitError(AudioError):
    """An input that needs more memory than it may; what reads it may still be taking more."""


def _pause(left: int) -> float:
    """Tell how many seconds need not be looked, when `left` bytes are left."""
    return min(max(left / _FASTEST, _LEAST_SECONDS), _MOST_SECONDS)


def over_limit(limit: int) -> str:
    """Write the reason why a file failed that needs more than `limit` bytes."""
    return f"needs more than {limit / 1e9:g} GB of memory"


class _Gauge:
    """Reads how many bytes of a process are in memory; always 0 where the system does not tell."""

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
    """Ends a process when its memory has grown by more than a limit; a context manager.

    One thread looks at all processes that are watched.

    Parameters
    ----------
    process_id : int
        The process.
    limit : int or None
        Bytes that it may take more than it has now; with ``None`` it is not watched.
    end : callable
        Ends it.

    Attributes
    ----------
    exceeded : bool
        Whether it was ended for that.
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
        """End the process if it has too much, and tell in how many seconds to look again."""
        left = self._most - self._gauge.read()
        if left < 0 and not self.exceeded:
            self.exceeded = True
            self._end()
        return _pause(left)


class _Watcher:
    """The thread that looks; it is started when first needed."""

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
    """A call in a thread of its own."""

    def __init__(self, function: Callable[[], T]) -> None:
        super().__init__(name="tempo file", daemon=True)
        self._function = function
        self._value: T
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._value = self._function()
        except BaseException as error:  # it is raised where the call is waited for
            self._error = error

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._value


def call_within(limit: int | None, name: str, function: Callable[[], T]) -> T:
    """Call a function, and leave it when the memory of this process grows by more than a limit.

    A thread cannot be ended: a call that is left goes on, and takes more. So what is left to do after that is
    to say so and to end the process.

    Parameters
    ----------
    limit : int or None
        Bytes; with ``None``, and on systems that do not tell, there is no limit.
    name : str
        What the user called the input.
    function : callable
        What reads it. It is called in another thread.

    Raises
    ------
    MemoryLimitError
        If it takes more.
    BaseException
        Whatever `function` raises.
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
