"""Process many files with several workers; results are in input order."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from tempocli.audio.files.entries import is_url
from tempocli.batch.cores import most_jobs
from tempocli.batch.memory import DEFAULT_MAX_MEMORY
from tempocli.errors import AudioError, MissingExtraError
from tempocli.schema import AudioInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tempocli.audio.files.web import WebLimits
    from tempocli.batch.worker import Done, Portable
    from tempocli.batch.worker_handle import WorkerHandle
    from tempocli.schema import FileResult, Outcome

# Files a worker may be ahead of the oldest unfinished one. Their results wait in memory and are lost if the
# batch is killed.
_AHEAD = 16
_POLL_SECONDS = 0.2


class SupportsBatch(Protocol):
    """Interface of a processor for a batch, such as `tempocli.estimator.Estimator`."""

    device: str

    @property
    def encode(self) -> Callable[..., Any]:
        """Function that runs the model for workers without one; called from several threads at once."""

    def portable(self) -> Portable:
        """Return a picklable form of the processor for the workers."""

    def process(
        self, source: str | Path | BinaryIO, /, *, start: float = ..., duration: float | None = ...
    ) -> Outcome:
        """Process a stream that a worker cannot read."""


def _inputs(files: Iterable[str | os.PathLike[str] | AudioInput]) -> Iterator[str | AudioInput]:
    for file in files:
        if isinstance(file, str | AudioInput):
            yield file
        elif isinstance(file, os.PathLike):
            yield os.fspath(file)
        else:
            kind = type(file).__name__
            raise AudioError(
                "-", f"a {kind} is neither a path nor an input; arrays go to Estimator.estimate_many"
            )


def process_files(
    processor: SupportsBatch,
    files: Iterable[str | os.PathLike[str] | AudioInput],
    *,
    jobs: int = 1,
    timeout: float | None = None,
    max_memory: int | None = DEFAULT_MAX_MEMORY,
    hashed: bool = False,
    stdin: BinaryIO | None = None,
    stop: threading.Event | None = None,
    web: WebLimits | None = None,
) -> Iterator[FileResult]:
    """Process many files, such as estimate their tempi; results are in input order.

    Worker processes read and process the files. If a file crashes or hangs a worker, only that
    file fails.

    Parameters
    ----------
    processor : SupportsBatch
        Its model is called from several threads at once if `jobs` is more than 1.
    files : iterable of str, Path or AudioInput
        Paths or inputs; for arrays there is `Estimator.estimate_many`. They are read in another thread while
        results are taken, at most ``16 * jobs`` ahead.
    jobs : int
        Number of worker processes; each uses one core. At most `tempocli.batch.cores.most_jobs` are started.
    timeout : float, optional
        Time limit per file in seconds; above it the worker is ended and the file fails.
    max_memory : int, optional
        Memory limit per file in bytes; above it the worker is ended and the file fails. Linux only.
        ``None`` sets no limit.
    hashed : bool
        Whether results include the checksum of the files' content.
    stdin : binary file, optional
        Stream that the name ``-`` stands for; by default, ``-`` is a file of that name. A stream that is not
        a regular file is copied to a temporary file for a worker. Outside Linux it is read in this process.
    stop : threading.Event, optional
        Once set, no further file is started, and the results end with the files in progress.
    web : WebLimits, optional
        Fetch inputs that are URLs (``http``, ``https``) within these limits; by default, they are paths.

    Yields
    ------
    FileResult
        One result per file; a failed file has an error.

    Raises
    ------
    AudioError
        If something in `files` is neither a path nor an input.
    TempoError
        If no worker process can be started.
    """
    jobs = min(jobs, most_jobs())
    stop = stop or threading.Event()
    batch = _Batch(
        processor, _inputs(files), jobs=jobs, max_memory=max_memory, stdin=stdin, stop=stop, web=web
    )
    try:
        batch.start(timeout=timeout, hashed=hashed)
        yield from batch.results()
    finally:
        batch.close()


class _Batch:
    """Threads that take files, each with its own worker, and results that are yielded in order."""

    def __init__(
        self,
        processor: SupportsBatch,
        files: Iterator[str | AudioInput],
        *,
        jobs: int,
        max_memory: int | None,
        stdin: BinaryIO | None,
        stop: threading.Event,
        web: WebLimits | None,
    ) -> None:
        self._processor = processor
        self._files = files
        self._jobs = jobs
        self._max_memory = max_memory
        self._stdin = stdin
        self._stop = stop
        self._web = web
        self._handles: list[WorkerHandle] = []
        self._taking = threading.Lock()  # one thread at a time reads `files`
        self._change = threading.Condition()  # guards all fields below
        self._done: dict[int, Done | BaseException] = {}  # exceptions are raised in input order
        self._n_taken = 0
        self._n_given = 0
        self._exhausted = False
        self._closed = False
        self._error: BaseException | None = None

    @property
    def _takes_more(self) -> bool:
        return not (self._exhausted or self._closed or self._error or self._stop.is_set())

    def start(self, *, timeout: float | None, hashed: bool) -> None:
        from tempocli.batch.sockets import remove_leftovers
        from tempocli.batch.worker_handle import WorkerHandle

        remove_leftovers()
        encode = self._processor.encode
        if self._processor.device != "cpu":
            from tempocli.batch.merging import MergingEncoder

            encode = MergingEncoder(encode).encode
        portable = self._processor.portable()
        for number in range(self._jobs):
            handle = WorkerHandle(
                portable, encode, timeout=timeout, hashed=hashed, max_memory=self._max_memory
            )
            self._handles.append(handle)
            threading.Thread(target=self._work, args=(handle,), name=f"tempo {number}", daemon=True).start()

    def results(self) -> Iterator[FileResult]:
        while (done := self._next()) is not None:
            for record in done.records:
                logging.getLogger(record.name).handle(record)
            yield done.result

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify_all()
        for handle in self._handles:
            handle.close()

    def _next(self) -> Done | None:
        with self._change:
            # With a timeout, because a signal handler in this thread may set the event that stops the batch.
            while not self._change.wait_for(self._is_settled, _POLL_SECONDS):
                pass
            done = self._done.pop(self._n_given, None) or self._error
            if isinstance(done, BaseException):
                raise done
            self._n_given += done is not None
            self._change.notify_all()
            return done

    def _is_settled(self) -> bool:
        nothing_left = self._n_given == self._n_taken and not self._takes_more
        return nothing_left or self._n_given in self._done

    def _work(self, handle: WorkerHandle) -> None:
        number = None
        try:
            while (taken := self._take()) is not None:
                number, wanted = taken
                done = self._estimate(handle, wanted)
                with self._change:
                    self._done[number] = done
                    number = None
                    self._change.notify_all()
        except BaseException as error:
            with self._change:
                self._error = error
                if number is not None:
                    self._done[number] = error
                self._change.notify_all()
        finally:
            handle.close()

    def _estimate(self, handle: WorkerHandle, wanted: AudioInput) -> Done:
        from tempocli.batch.streams import process_stream
        from tempocli.batch.worker import Done, refused

        if wanted.refusal is not None:
            done = Done(refused(wanted))
        elif self._web is not None and is_url(wanted.path):
            done = _from_web(handle, wanted, self._web)
        elif wanted.path != "-" or self._stdin is None:
            done = handle.process(wanted.path, wanted.part)
        else:
            done = process_stream(self._processor, handle, self._stdin, wanted.path, wanted.part)
        return replace(done, result=replace(done.result, part=wanted.part)) if wanted.part else done

    def _take(self) -> tuple[int, AudioInput] | None:
        with self._taking:
            if not self._wait_for_room():
                return None
            file = next(self._files, None)
            with self._change:
                if file is None:
                    self._exhausted = True
                    self._change.notify_all()
                if not self._takes_more or file is None:
                    return None
                self._n_taken += 1
                return self._n_taken - 1, AudioInput(file) if isinstance(file, str) else file

    def _wait_for_room(self) -> bool:
        with self._change:
            while not self._change.wait_for(self._has_room, _POLL_SECONDS):
                pass
            return self._takes_more

    def _has_room(self) -> bool:
        return self._n_taken - self._n_given < _AHEAD * self._jobs or not self._takes_more


def _from_web(handle: WorkerHandle, wanted: AudioInput, limits: WebLimits) -> Done:
    """Fetch a file in this thread, and process the copy in a worker."""
    from tempocli.audio.files.web import fetched
    from tempocli.batch.worker import Done
    from tempocli.schema import FileResult

    url = wanted.path
    try:
        with fetched(url, limits) as copy:
            done = handle.process(copy, wanted.part)
    except AudioError as error:
        return Done(FileResult(url, error=error.reason))
    except MissingExtraError as error:
        return Done(FileResult(url, error=str(error)))
    for record in done.records:
        record.msg = str(record.msg).replace(copy, url)
    return replace(done, result=replace(done.result, path=url, fingerprint=None))
