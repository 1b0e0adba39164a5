"""Process files on a Ray cluster by any processor, and take the results as they come."""

from __future__ import annotations

import os
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from tempocli.batch.engines.ray.engine import cluster
from tempocli.batch.worker import refused
from tempocli.batch.worker_handle import WorkerHandle
from tempocli.errors import TempoError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tempocli.batch.pool import SupportsBatch
    from tempocli.schema import AudioInput, FileResult

_CHUNK = 16  # files of a task: about half a minute
_TASKS_PER_CORE = 2  # in the queue, so that no core waits


def process_on_ray(
    processor: SupportsBatch,
    files: Iterable[AudioInput],
    *,
    address: str | None = None,
    timeout: float | None = None,
    max_memory: int | None = None,
    hashed: bool = False,
) -> Iterator[FileResult]:
    """Process files by tasks on a Ray cluster; Ray repeats the tasks of a lost node.

    Every node must be able to read the files by the same paths, and have the same version of this package.

    Parameters
    ----------
    processor : SupportsBatch
        Its portable form must open its own model.
    files : iterable of AudioInput
        Read as results are taken.
    address : str, optional
        Address of a running cluster; by default, Ray is started on this machine.
    timeout, max_memory, hashed
        As for `tempocli.batch.process_files`.

    Yields
    ------
    FileResult
        One result per file, in the order in which tasks end.

    Raises
    ------
    MissingExtraError
        If ray is not installed.
    TempoError
        If the cluster cannot be reached, or gives up.
    """
    with cluster(address):
        import ray

        key = os.urandom(8).hex()
        portable = ray.put(processor.portable())
        task = ray.remote(num_cpus=1)(_process)
        most = max(1, int(ray.cluster_resources().get("CPU", 1)) * _TASKS_PER_CORE)
        inputs = iter(files)
        running: list[Any] = []
        try:
            while True:
                while len(running) < most and (chunk := list(islice(inputs, _CHUNK))):
                    running.append(task.remote(key, portable, chunk, timeout, max_memory, hashed))
                if not running:
                    return
                ended, running = ray.wait(running)
                for each in ended:
                    yield from ray.get(each)
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise TempoError(f"Ray gave up: {reason}; what was done is kept, run it again") from error


def _process(
    key: str,
    portable: Any,
    files: list[AudioInput],
    timeout: float | None,
    max_memory: int | None,
    hashed: bool,
) -> list[FileResult]:
    """Process the files of a task in a worker process, which a file may crash."""
    _WORKPLACES[key] = (portable, timeout, max_memory, hashed)
    handle = _workplace(key, os.getpid())
    return [
        refused(wanted) if wanted.refusal is not None else handle.process(wanted.path, wanted.part).result
        for wanted in files
    ]


# What the worker process of a run is made of; looked up by key, since it cannot be hashed.
_WORKPLACES: dict[str, tuple[Any, float | None, int | None, bool]] = {}


@lru_cache(maxsize=1)
def _workplace(key: str, process: int) -> WorkerHandle:
    """Start one worker process per Ray process and run."""
    portable, timeout, max_memory, hashed = _WORKPLACES[key]

    def encode(windows: Any) -> Any:
        raise TempoError("the models of a task on Ray are its own")

    return WorkerHandle(portable, encode, timeout=timeout, hashed=hashed, max_memory=max_memory)
