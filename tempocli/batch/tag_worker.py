"""Read and write tags in a separate process, which is ended if a file takes too much time or memory.

A compressed frame of an ID3 tag may expand from two megabytes to gigabytes, and thousands of frames of the
same name take mutagen hours.
"""

from __future__ import annotations

import multiprocessing
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tempocli.audio import tags
from tempocli.batch.memory import DEFAULT_MAX_MEMORY, MemoryWatch, over_limit
from tempocli.batch.server import processes, without_main_module
from tempocli.batch.worker import protect_the_batch
from tempocli.errors import TagError, TempoError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from types import TracebackType
    from typing import Self

READ_SECONDS = 30.0
# A long recording may be on a slow disk.
WRITE_SECONDS = 600.0
_START_SECONDS = 120.0
_CLOSE_SECONDS = 10.0  # for a file that is being written


class _Ready:
    """Message that the process has started."""


@dataclass(frozen=True, slots=True)
class _Answer:
    value: str | None = None
    reason: str | None = None


class TagWorker:
    """Read and write tags as `tempocli.audio.tags`, within limits; a context manager, thread-safe.

    The process is started on first use and restarted after it was ended.

    Parameters
    ----------
    timeout : float, optional
        Time limit per file in seconds; by default `READ_SECONDS` and `WRITE_SECONDS`.
    max_memory : int or None
        Memory limit per file in bytes. There is no limit with ``None``, or on systems that do not report it.
    """

    def __init__(self, *, timeout: float | None = None, max_memory: int | None = DEFAULT_MAX_MEMORY) -> None:
        self._read_seconds = READ_SECONDS if timeout is None else timeout
        self._write_seconds = WRITE_SECONDS if timeout is None else timeout
        self._max_memory = max_memory
        self._lock = threading.Lock()
        self._process: SpawnProcess | None = None
        self._channel: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def read_tempo(self, path: str) -> str | None:
        """Read a tempo; TagError also if a limit is exceeded."""
        return self._ask(self._read_seconds, "read_tempo", path)

    def tag_text(self, path: str, bpm: float, decimals: int | None = None) -> str:
        """Format a tempo as `tempocli.audio.tags.tag_text`; TagError also if a limit is exceeded."""
        return self._ask(self._read_seconds, "tag_text", path, bpm, decimals) or ""

    def write_tempo(self, path: str, bpm: float, decimals: int | None = None) -> None:
        """Write a tempo; TagError also if a limit is exceeded."""
        self._ask(self._write_seconds, "write_tempo", path, bpm, decimals)

    def read_field(self, path: str, field: str) -> str | None:
        """Read a field; TagError also if a limit is exceeded."""
        return self._ask(self._read_seconds, "read_field", path, field)

    def write_field(self, path: str, field: str, value: str) -> None:
        """Write a field; TagError also if a limit is exceeded."""
        self._ask(self._write_seconds, "write_field", path, field, value)

    def close(self) -> None:
        """End the process, after the file it is writing."""
        with self._lock:
            if self._channel is not None:
                self._channel.close()
            if self._process is not None:
                with processes:
                    self._process.join(_CLOSE_SECONDS)
            self._end()

    def _ask(self, seconds: float, function: str, path: str, *more: float | str | None) -> str | None:
        with self._lock:
            process, channel = self._process, self._channel
            if process is None or channel is None:
                process, channel = self._start()
            assert process.pid is not None
            with MemoryWatch(process.pid, self._max_memory, process.kill) as memory:
                try:
                    answer = _exchange(channel, (function, path, *more), seconds)
                except (EOFError, OSError) as error:
                    self._end()
                    reason = "the process that reads its tags was ended"
                    if memory.exceeded and self._max_memory is not None:
                        reason = f"its tags: {over_limit(self._max_memory)}"
                    elif isinstance(error, TimeoutError):
                        reason = f"its tags: took longer than {seconds:g} s"
                    raise TagError(path, reason) from error
                except BaseException:
                    # Ctrl-C: the pending answer must not be taken for that of the next request.
                    channel.close()
                    raise
        if answer.reason is not None:
            raise TagError(path, answer.reason)
        return answer.value

    def _start(self) -> tuple[SpawnProcess, Connection]:
        # Not started by the fork server of the batch, which loads modules that are not needed here.
        context = multiprocessing.get_context("spawn")
        channel, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), name="tempo tags", daemon=True)
        with processes, without_main_module():
            process.start()
        self._process, self._channel = process, channel
        # Only the process may hold its end, so that its death is noticed.
        theirs.close()
        with suppress(EOFError, OSError):
            if channel.poll(_START_SECONDS) and isinstance(channel.recv(), _Ready):
                return process, channel
        self._end()
        raise TempoError("the process that reads tags cannot be started")

    def _end(self) -> None:
        process, self._process = self._process, None
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()
        if process is not None:
            with processes:
                process.kill()
                process.join()


def _exchange(channel: Connection, question: tuple[Any, ...], seconds: float) -> _Answer:
    channel.send(question)
    if not channel.poll(seconds):
        raise TimeoutError
    answer: _Answer = channel.recv()
    return answer


def _serve(channel: Connection) -> None:
    """Answer requests until the other end of `channel` is closed; the target of a process."""
    protect_the_batch()
    with suppress(EOFError, OSError):
        channel.send(_Ready())
        while True:
            function, *arguments = channel.recv()
            channel.send(_answer(function, *arguments))


def _answer(function: str, path: str, *more: float | str | None) -> _Answer:
    try:
        return _Answer(getattr(tags, function)(path, *more))
    except TagError as error:
        return _Answer(reason=error.reason)
    except MemoryError:
        return _Answer(reason="too little memory for its tags")
    except Exception as error:
        reason = " ".join(f"internal error: {type(error).__name__}: {error}".split())
        return _Answer(reason=f"{reason} (please report this)")
