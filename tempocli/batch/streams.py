"""Process standard input in a worker, through a path that refers to the stream."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from tempocli.batch.worker import Done, process_file
from tempocli.errors import AudioError
from tempocli.schema import FileResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tempocli.batch.worker import Processor
    from tempocli.batch.worker_handle import WorkerHandle
    from tempocli.schema import Part

_CHUNK = 1 << 20


def process_stream(
    processor: Processor, handle: WorkerHandle, stream: BinaryIO, name: str, part: Part | None = None
) -> Done:
    """Process a stream in a worker, or in this process on systems that have no path for it.

    Parameters
    ----------
    processor : Processor
        Processes the stream in this process.
    handle : WorkerHandle
        Handle of the worker.
    stream : binary file
    name : str
        Name of the stream as given by the user.
    part : Part, optional
        Part of the stream; by default, the whole stream.
    """
    try:
        with _path_of(stream) as path:
            if path is not None:
                return _named(handle.process(path, part), path, name)
    except AudioError as error:
        return Done(FileResult(name, error=error.reason))
    except OSError as error:
        return Done(FileResult(name, error=error.strerror or str(error)))
    return Done(process_file(processor, name, source=stream, part=part))


@contextmanager
def _path_of(stream: BinaryIO) -> Iterator[str | None]:
    """Provide a path by which other processes can read a stream from its start, or None."""
    if stream.closed or stream.isatty():
        yield None  # the error is reported when the stream is opened
    elif _is_regular_file(stream):
        yield _reachable(stream.fileno())
    else:
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(stream, copy, _CHUNK)
            copy.flush()
            yield _reachable(copy.fileno())


def _is_regular_file(stream: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # a stream in memory
        return False


def _reachable(descriptor: int) -> str | None:
    # Also works for an unnamed file. Only Linux opens such a path again from its start.
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    return path if os.path.exists(path) else None


def _named(done: Done, path: str, name: str) -> Done:
    for record in done.records:
        record.msg = str(record.msg).replace(path, name)
    return Done(replace(done.result, path=name, fingerprint=None), done.records)
