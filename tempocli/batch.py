"""Many files: find them, and estimate them in order, several at a time."""

from __future__ import annotations

import os
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Protocol

from tempocli.errors import AudioError
from tempocli.schema import FileResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from tempocli.schema import Estimate

_PLAIN = {".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".rf64", ".w64", ".wav", ".wave"}
_CODED = {".aac", ".alac", ".m4a", ".m4b", ".mka", ".mp2", ".mp3", ".oga", ".ogg", ".opus", ".wma"}
_FILMS = {".mov", ".mp4", ".webm"}
AUDIO_EXTENSIONS = frozenset(_PLAIN | _CODED | _FILMS)


class SupportsEstimate(Protocol):
    """What a batch needs of an estimator; `tempocli.estimator.Estimator` is one."""

    def estimate(self, source: str | Path | BinaryIO, /) -> Estimate:
        """Estimate one file; raise AudioError when it cannot be read."""


def find_files(paths: Iterable[str | Path]) -> Iterator[str]:
    """List the audio files that `paths` stand for.

    A file stands for itself, whatever its name; a folder for the audio files in it and below it, by
    extension, sorted by name, without hidden ones. Symbolic links are followed, but no folder is
    entered twice. A folder that holds no audio or cannot be listed stands for itself, so that
    `estimate_files` reports it like every other input that failed.

    Parameters
    ----------
    paths : iterable of str or Path
        Files and folders, which need not exist.

    Yields
    ------
    str
        Paths that begin with the one they were found under.
    """
    for each in paths:
        path = os.fspath(each)
        if not os.path.isdir(path):
            yield path
            continue
        files = _walk(path, set())
        first = next(files, None)
        yield path if first is None else first
        yield from files


def estimate_files(
    estimator: SupportsEstimate, files: Iterable[str], *, jobs: int = 1, stdin: BinaryIO | None = None
) -> Iterator[FileResult]:
    """Estimate the tempo of many files, in their order.

    Parameters
    ----------
    estimator : SupportsEstimate
        Called from several threads at once when `jobs` is more than 1.
    files : iterable of str
        Read as the results are taken, at most ``2 * jobs`` ahead.
    jobs : int
        Threads. Decoding, FFT and network all let go of Python's global lock.
    stdin : binary file, optional
        What the name ``-`` stands for; without it, a file of that name.

    Yields
    ------
    FileResult
        One for each file. An input that cannot be read has an error; any other exception is a bug and
        is raised, with a note that names the file.
    """

    def work(path: str) -> FileResult:
        source = stdin if path == "-" and stdin is not None else path
        try:
            return FileResult(path, estimate=estimator.estimate(source))
        except AudioError as error:
            return FileResult(path, error=_folder_error(path) or error.reason)
        except Exception as error:
            error.add_note(f"while estimating {path!r}")
            raise

    # One file is done in the caller's thread, where an interrupt takes effect at once.
    remaining = iter(files)
    head = list(islice(remaining, 2)) if jobs > 1 else []
    if len(head) < 2:
        yield from map(work, head)
        yield from map(work, remaining)
    else:
        yield from _in_threads(work, (path for part in (head, remaining) for path in part), jobs)


def _in_threads(work: Callable[[str], FileResult], files: Iterable[str], jobs: int) -> Iterator[FileResult]:
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(jobs, thread_name_prefix="tempo")
    pending: deque[Future[FileResult]] = deque()
    try:
        for path in files:
            pending.append(pool.submit(work, path))
            while pending and (pending[0].done() or len(pending) >= 2 * jobs):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _walk(folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    try:
        status = os.stat(folder)
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            return
        seen.add(identity)
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry.path, seen)
        elif entry.is_file() and os.path.splitext(entry.name)[1].lower() in AUDIO_EXTENSIONS:
            yield entry.path


def _folder_error(path: str) -> str | None:
    if not os.path.isdir(path):
        return None
    try:
        os.scandir(path).close()
    except OSError as error:
        return error.strerror or str(error)
    return "no audio files in this folder"
