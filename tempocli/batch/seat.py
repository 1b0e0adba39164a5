"""One place for a worker process: it is started when first needed, and replaced when it dies or hangs."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import threading
import time
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from tempocli.batch.sockets import prepare_folder
from tempocli.batch.stamps import stamp_of
from tempocli.batch.worker import Done, Portable, Ready, Task, Windows, serve
from tempocli.errors import TempoError
from tempocli.schema import FileResult

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerContext, SpawnContext
    from multiprocessing.process import BaseProcess

    from tempocli.encoder import Encode
    from tempocli.schema import Part

_STARTS = 3  # tries to start a worker; one may be the victim of a moment without memory
_START_SECONDS = 120.0
_END_SECONDS = 30.0  # the system may write a core dump first
_PRELOADED = ["tempocli.batch.worker", "tempocli.estimator"]
# multiprocessing keeps its list of processes, and reads how they ended, as if there were one thread.
_processes = threading.Lock()


class _LostError(Exception):
    """The worker died or was ended; the text is the reason."""


class Seat:
    """One place for a worker process; used by one thread, but for `close`.

    Parameters
    ----------
    portable : Portable
        What the workers estimate with.
    encode : callable
        Encodes their windows.
    timeout : float or None
        Seconds that one file may take.
    hashed : bool
        Whether the content of files is hashed.
    """

    def __init__(self, portable: Portable, encode: Encode, *, timeout: float | None, hashed: bool) -> None:
        self._portable = portable
        self._encode = encode
        self._timeout = timeout
        self._hashed = hashed
        self._process: BaseProcess | None = None
        self._channel: Connection | None = None
        self._closed = False

    def estimate(self, path: str, part: Part | None = None) -> Done:
        """Have a file, or a part, estimated. If it costs the worker its life, that is the file's failure.

        Raises
        ------
        TempoError
            If no worker can be started.
        """
        if self._channel is None:
            self._start()
        try:
            return self._converse(Task(path, self._hashed, part))
        except _LostError as lost:
            self._end()
            return Done(FileResult(path, error=str(lost), stamp=stamp_of(path)))

    def close(self) -> None:
        """End the worker, whatever it is doing, for good; from any thread."""
        self._closed = True
        self._end()

    def _end(self) -> None:
        process, self._process, self._channel = self._process, None, None
        if process is not None:
            with _processes:
                process.kill()
                process.join()

    def _start(self) -> None:
        context = _context()
        for _ in range(_STARTS):
            channel, theirs = context.Pipe()
            level = logging.getLogger("tempocli").getEffectiveLevel()
            process = context.Process(
                target=serve, args=(theirs, self._portable, level), name="tempo worker", daemon=True
            )
            with _processes, _without_main_module():
                process.start()
            self._process, self._channel = process, channel
            # Only the worker must hold its end, or its death would go unnoticed.
            theirs.close()
            if self._closed or self._is_ready(channel):
                return
            self._end()
        raise TempoError("worker processes cannot be started")

    def _is_ready(self, channel: Connection) -> bool:
        try:
            return channel.poll(_START_SECONDS) and isinstance(channel.recv(), Ready)
        except (EOFError, OSError):
            return False

    def _converse(self, task: Task) -> Done:
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        message: Task | tuple[object, ...] = task
        while True:
            answer = self._exchange(message, deadline)
            if isinstance(answer, Done):
                return answer
            message = self._encode(answer.data)

    def _exchange(self, message: object, deadline: float | None) -> Done | Windows:
        channel = self._channel
        if channel is None or self._closed:
            raise _LostError("the batch was ended")
        try:
            channel.send(message)
            if not channel.poll(None if deadline is None else max(0.0, deadline - time.monotonic())):
                raise _LostError(f"took longer than {self._timeout:g} s")
            answer: Done | Windows = channel.recv()
        except (EOFError, OSError) as error:
            raise _LostError(self._cause_of_death()) from error
        return answer

    def _cause_of_death(self) -> str:
        process = self._process
        if process is None:
            return "the batch was ended"
        with _processes:
            process.join(_END_SECONDS)
            code = process.exitcode
        if code is None or code >= 0:
            return f"its decoder ended the process (exit status {code})"
        name = signal.Signals(-code).name
        if name == "SIGKILL":
            return "its decoder was killed (SIGKILL), as the system does when memory runs out"
        return f"its decoder crashed ({name})"


@contextmanager
def _without_main_module() -> Iterator[None]:
    """Keep a new process from running the main module, which it would for what might be pickled by its name.

    Nothing of ours is; so scripts need no guard, and workers start sooner.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _context() -> SpawnContext | ForkServerContext:
    # A server that forks: workers start in milliseconds and share the memory of the libraries, yet inherit
    # neither our threads nor our open files, as they would if we forked.
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    prepare_folder()
    return context
