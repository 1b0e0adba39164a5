"""A Ray task: read a list of files, estimate them, and write their rows."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tempocli.batch.engines.ray.storage import (
    discard_copy,
    fetch,
    open_storage,
    remote_fingerprint,
    write_whole,
)
from tempocli.batch.memory import DEFAULT_MAX_MEMORY
from tempocli.batch.worker_handle import WorkerHandle
from tempocli.errors import AudioError
from tempocli.estimator import Estimator
from tempocli.output.formats.documents import line_record
from tempocli.output.results import parquet
from tempocli.output.results.settings import canonical
from tempocli.schema import FileResult, Part
from tempocli.system.prefetch import ahead

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from tempocli.inference.options import EstimatorOptions
    from tempocli.output.formats import Layout

_AHEAD = 2  # files fetched while one is estimated


@dataclass(frozen=True, slots=True)
class Work:
    """How files are estimated; the same for all tasks of a run.

    Attributes
    ----------
    options : EstimatorOptions
        Options of the estimator.
    layout : Layout
        How numbers are written.
    timeout : float or None
        Time limit per file, in seconds.
    max_memory : int or None
        Memory limit per file, in bytes.
    """

    options: EstimatorOptions
    layout: Layout
    timeout: float | None
    max_memory: int | None = DEFAULT_MAX_MEMORY

    def estimator(self) -> Estimator:
        """Load the model."""
        return Estimator.from_options(self.options)

    def settings(self, estimator: Estimator) -> str:
        """Return everything except the audio that an estimate depends on, as in the local engine."""
        return canonical(estimator.settings(), self.layout)


def estimate_list(name: str, folder: str, work: Work) -> int:
    """Estimate the files of one list, and write their results as one Parquet file.

    The name of the Parquet file is derived from that of the list, and the file is written atomically, so a
    repeated task replaces its own result.

    Parameters
    ----------
    name : str
        Path or URL of a JSONL file of positions, paths and locations.
    folder : str
        Path or URL of the folder for the result.
    work : Work
        How.

    Returns
    -------
    int
        Number of files.
    """
    system, path = open_storage(name)
    with system.open(path, "rb") as lines:
        entries = [json.loads(line) for line in lines]
    rows = list(_rows(entries, work))
    columns = parquet.schema(curve=work.layout.curve, position=True)
    write_whole(f"{folder}/part-{entries[0]['position']:012d}.parquet", parquet.to_bytes(rows, columns))
    return len(rows)


def _rows(entries: list[dict[str, Any]], work: Work) -> Iterator[dict[str, Any]]:
    settings, handle = _workplace(work, os.getpid())
    fetched = ahead(_fetch, entries, _AHEAD)
    for entry, coming in zip(entries, fetched, strict=True):
        part = entry["part"] and Part(**entry["part"])
        result = replace(_estimate(handle, entry["location"], part, coming), path=entry["path"], part=part)
        fingerprint = result.fingerprint
        yield line_record(result, work.layout) | {
            "size": fingerprint and fingerprint.size,
            "mtime_ns": fingerprint and fingerprint.mtime_ns,
            "sha256": fingerprint and fingerprint.sha256,
            "settings": settings,
            "position": entry["position"],
        }


def _fetch(entry: dict[str, Any]) -> tuple[str, bool]:
    if entry["refusal"] is not None:
        raise AudioError(entry["path"], entry["refusal"])
    return fetch(entry["location"])


def _estimate(
    handle: WorkerHandle, location: str, part: Part | None, coming: Future[tuple[str, bool]]
) -> FileResult:
    try:
        path, is_copy = coming.result()
    except AudioError as error:
        return FileResult(location, error=error.reason)
    try:
        result = handle.process(path, part).result
    finally:
        if is_copy:
            discard_copy(path)
    if not is_copy:
        return result
    sha256 = None if result.fingerprint is None else result.fingerprint.sha256
    return replace(result, fingerprint=remote_fingerprint(location, sha256))


@lru_cache(maxsize=1)
def _workplace(work: Work, process: int) -> tuple[str, WorkerHandle]:
    """Load the model once per Ray process, and keep one worker process, which a file may crash."""
    estimator = work.estimator()
    handle = WorkerHandle(
        estimator.portable(),
        estimator.encode,
        timeout=work.timeout,
        hashed=False,
        max_memory=work.max_memory,
    )
    return work.settings(estimator), handle
