"""Manage a worker process: start it on first use, and replace it if it dies or hangs."""

from __future__ import annotations

import logging
import signal
import time
from typing import TYPE_CHECKING

from tempocli.batch.memory import DEFAULT_MAX_MEMORY, MemoryWatch, over_limit
from tempocli.batch.server import processes, start_context, without_main_module
from tempocli.batch.worker import Broken, Done, Portable, Ready, Task, Windows, serve
from tempocli.errors import ModelError, TempoError
from tempocli.schema import FileResult
from tempocli.system.fingerprints import fingerprint_of

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from tempocli.inference.classifier import Encode
    from tempocli.schema import Part

_STARTS = 3  # attempts to start a worker; one may fail for a temporary lack of memory
_START_SECONDS = 120.0
_END_SECONDS = 30.0  # the system may write a core dump first
# Signals that end a process from outside; a crashing decoder causes other signals.
_FROM_OUTSIDE = {"SIGHUP", "SIGINT", "SIGKILL", "SIGTERM"}
_ENDED = "the batch was ended"

logger = logging.getLogger(__name__)


class _LostError(Exception):
    """The worker died or was ended; the message is the reason."""


class _KilledError(_LostError):
    """The worker was ended from outside, which may not be caused by the file."""


class WorkerHandle:
    """Handle of a worker process; for use by one thread, except for `close`.

    Parameters
    ----------
    portable : Portable
        Picklable estimator for the workers.
    encode : callable
        Encodes the windows of the workers.
    timeout : float or None
        Time limit per file, in seconds.
    hashed : bool
        Whether the checksum of each file's content is computed.
    max_memory : int or None
        Memory limit per file, in bytes.
    """

    def __init__(
        self,
        portable: Portable,
        encode: Encode,
        *,
        timeout: float | None,
        hashed: bool,
        max_memory: int | None = DEFAULT_MAX_MEMORY,
    ) -> None:
        self._portable = portable
        self._encode = encode
        self._timeout = timeout
        self._hashed = hashed
        self._max_memory = max_memory
        self._process: BaseProcess | None = None
        self._channel: Connection | None = None
        self._closed = False

    def process(self, path: str, part: Part | None = None) -> Done:
        """Estimate a file, or a part of it, in the worker. If the worker dies, the file fails.

        Raises
        ------
        ModelError
            If the model does not work.
        TempoError
            If no worker can be started.
        """
        task = Task(path, self._hashed, part)
        try:
            try:
                return self._try(task)
            except _KilledError as killed:
                if self._closed:
                    raise
                logger.info("%s: %s; tried once more", path, killed)
                return self._try(task)
        except _LostError as lost:
            return Done(FileResult(path, error=str(lost), fingerprint=fingerprint_of(path)))

    def _try(self, task: Task) -> Done:
        if self._channel is None:
            self._start()
        process = self._process
        if process is None or process.pid is None:
            raise _LostError(_ENDED)
        with MemoryWatch(process.pid, self._max_memory, process.kill) as memory:
            try:
                return self._converse(task)
            except _LostError as lost:
                self._end()
                if memory.exceeded and self._max_memory is not None:
                    raise _LostError(over_limit(self._max_memory)) from lost
                raise

    def close(self) -> None:
        """End the worker permanently, even while it is busy; thread-safe."""
        self._closed = True
        self._end()

    def _end(self) -> None:
        process, self._process, self._channel = self._process, None, None
        if process is not None:
            with processes:
                process.kill()
                process.join()

    def _start(self) -> None:
        context = start_context()
        for _ in range(_STARTS):
            channel, theirs = context.Pipe()
            level = logging.getLogger("tempocli").getEffectiveLevel()
            process = context.Process(
                target=serve, args=(theirs, self._portable, level), name="tempo worker", daemon=True
            )
            with processes, without_main_module():
                process.start()
            self._process, self._channel = process, channel
            # Only the worker may hold its end, so that its death is noticed.
            theirs.close()
            if self._closed or self._is_ready(channel):
                return
            self._end()
        raise TempoError("worker processes cannot be started")

    def _is_ready(self, channel: Connection) -> bool:
        try:
            answer = channel.recv() if channel.poll(_START_SECONDS) else None
        except (EOFError, OSError):
            return False
        if isinstance(answer, Ready) and answer.error is not None:
            raise TempoError(f"worker processes cannot be started: {answer.error}")
        return isinstance(answer, Ready)

    def _converse(self, task: Task) -> Done:
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        message: Task | tuple[object, ...] = task
        while True:
            answer = self._exchange(message, deadline)
            if isinstance(answer, Done):
                return answer
            if isinstance(answer, Broken):
                raise ModelError(answer.error)
            message = self._encode(answer.data)

    def _exchange(self, message: object, deadline: float | None) -> Done | Windows | Broken:
        channel = self._channel
        if channel is None or self._closed:
            raise _LostError(_ENDED)
        try:
            channel.send(message)
            if not channel.poll(None if deadline is None else max(0.0, deadline - time.monotonic())):
                raise _LostError(f"took longer than {self._timeout:g} s")
            answer: Done | Windows | Broken = channel.recv()
        except (EOFError, OSError) as error:
            raise self._loss() from error
        return answer

    def _loss(self) -> _LostError:
        """Return the error that describes how the worker died."""
        process = self._process
        if process is None:
            return _LostError(_ENDED)
        with processes:
            process.join(_END_SECONDS)
            code = process.exitcode
        if code is None or code >= 0:
            return _LostError(f"its decoder ended the process (exit status {code})")
        name = signal.Signals(-code).name
        if name not in _FROM_OUTSIDE:
            return _LostError(f"its decoder crashed ({name})")
        hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
        return _KilledError(f"its worker was killed ({name}){hint}")
