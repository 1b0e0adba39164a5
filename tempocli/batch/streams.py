"""Standard input among other inputs: a worker reads it, as it reads files, by a path that leads to it."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from tempocli.batch.worker import Done, estimate_file
from tempocli.errors import AudioError
from tempocli.schema import FileResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tempocli.batch.worker import SupportsEstimate
    from tempocli.batch.worker_handle import WorkerHandle
    from tempocli.schema import Part

_CHUNK = 1 << 20


def estimate_stream(
    estimator: SupportsEstimate, handle: WorkerHandle, stream: BinaryIO, name: str, part: Part | None = None
) -> Done:
    """Estimate a stream by a worker; on systems that give it no path, here.

    Parameters
    ----------
    estimator : SupportsEstimate
        What estimates it here.
    handle : WorkerHandle
        The worker's.
    stream : binary file
    name : str
        What the user called it.
    part : Part, optional
        What is wanted of it, if not the whole.
    """
    try:
        with _path_of(stream) as path:
            if path is not None:
                return _named(handle.estimate(path, part), path, name)
    except AudioError as error:
        return Done(FileResult(name, error=error.reason))
    except OSError as error:
        return Done(FileResult(name, error=error.strerror or str(error)))
    return Done(estimate_file(estimator, name, source=stream, part=part))


@contextmanager
def _path_of(stream: BinaryIO) -> Iterator[str | None]:
    """Lend a path by which other processes read a stream from its start; None when there is none."""
    if stream.closed or stream.isatty():
        yield None  # for which there are words where streams are opened
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
    except OSError:  # it lies in memory
        return False


def _reachable(descriptor: int) -> str | None:
    # Of a file without a name, too. Only Linux opens such a path anew, from its start.
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    return path if os.path.exists(path) else None


def _named(done: Done, path: str, name: str) -> Done:
    for record in done.records:
        record.msg = str(record.msg).replace(path, name)
    return Done(replace(done.result, path=name, fingerprint=None), done.records)
