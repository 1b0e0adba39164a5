"""The Ray engine: the driver lists the files, tasks estimate them and write Parquet."""

from __future__ import annotations

import json
import logging
import os
from array import array
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.batch import Selection
from tempocli.batch.engines.ray.chunk import Work, estimate_list
from tempocli.batch.engines.ray.storage import locate, locked, open_storage, storage_errors
from tempocli.batch.engines.summary import BatchSummary
from tempocli.errors import MissingExtraError, OutputError, TempoError
from tempocli.output.results import parquet
from tempocli.output.results.index import PathIndex
from tempocli.output.results.rows import read_part
from tempocli.output.results.settings import difference
from tempocli.schema import DOUBTFUL_CONFIDENCE, input_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from tempocli.schema import Part

_LISTS = "_lists"  # in the output folder; Parquet readers skip names that begin with an underscore
# Files per task: few at first, so that all cores start soon; many later, to limit the number of tasks.
_CHUNKS = ((1_000, 16), (100_000, 200), (None, 2_000))


@dataclass(frozen=True, slots=True)
class Job:
    """Inputs, options and output of a run.

    Attributes
    ----------
    names : iterable of str
        Files and folders, paths or URLs; paths must mean the same on all machines.
    output : str
        Folder for the Parquet files, a path or URL.
    work : Work
        How.
    selection : Selection
        Selects the files of folders.
    address : str or None
        Address of a running Ray cluster; by default, the environment variable RAY_ADDRESS. Without either,
        Ray is started on this machine.
    resume : bool
        Whether to resume from an existing output.
    part : Part or None
        Part of each input; by default, the whole input.
    """

    names: Iterable[str]
    output: str
    work: Work
    selection: Selection = field(default_factory=Selection)
    address: str | None = None
    resume: bool = False
    part: Part | None = None


def estimate_on_ray(job: Job, *, done: Callable[[int], None] | None = None) -> BatchSummary:
    """Estimate files on a Ray cluster, or with Ray on this machine.

    Ray retries the tasks of a lost node. At the end, the result is checked to contain each file exactly once.

    Parameters
    ----------
    job : Job
        The job.
    done : callable, optional
        Called repeatedly with the number of estimated files.

    Returns
    -------
    BatchSummary
        Counts of what is in the output.

    Raises
    ------
    MissingExtraError
        If ray is not installed.
    OutputError
        If the output exists and is not resumed, was written with other settings, or is being written.
    TempoError
        If the cluster cannot be reached, or the result is incomplete.
    """
    # Disable Ray's usage reports; the processes that it starts here inherit this setting.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("The engine ray", "ray") from error
    parquet.require()
    with locked(job.output) as is_ours:
        if not is_ours:
            raise OutputError(f"{job.output}: another run is writing it")
        return _estimate(job, done)


def _estimate(job: Job, done: Callable[[int], None] | None) -> BatchSummary:
    summary = BatchSummary()
    system, folder = open_storage(job.output)
    settings = job.work.settings(job.work.estimator())
    earlier, taken = _earlier(job, system, folder, settings)
    lists = f"{folder}/{_LISTS}"
    with storage_errors(job.output):
        with suppress(FileNotFoundError):
            system.rm(lists, recursive=True)
        system.makedirs(lists, exist_ok=True)
    names = _write_lists(job, earlier, taken, system, lists)
    if names:
        with cluster(job.address):
            _run(names, job.work, system.unstrip_protocol(folder), done)
    _verify(job, system, folder, taken, sum(names.values()), summary)
    system.rm(lists, recursive=True)
    return summary


def _earlier(job: Job, system: Any, folder: str, settings: str) -> tuple[PathIndex, NDArray[np.int64]]:
    """Read the files that are already in the output, and their sorted positions."""
    index, positions = PathIndex(), array("q")
    with storage_errors(job.output):
        is_there = system.exists(folder) and system.glob(f"{folder}/*.parquet")
    if is_there:
        if not job.resume:
            raise OutputError(f"{job.output}: has results already; add to them by --resume, or delete them")
        columns = ["path", "error", "settings", "position", "part_start", "part_duration"]
        for rows in parquet.read_columns(folder, system, columns):
            for row in rows:
                if row["settings"] != settings:
                    raise OutputError(
                        f"{job.output}: {difference(row['settings'], settings)}; give another output"
                    )
                key = input_key(parquet.from_text(row["path"]), read_part(row))
                index.add(key, failed=row["error"] is not None)
                positions.append(row["position"])
    index.freeze()
    return index, np.sort(np.array(positions, np.int64))


def _free(taken: NDArray[np.int64]) -> Iterator[int]:
    """Yield the positions without an earlier result.

    Tasks end in any order, so an interrupted run leaves gaps. Filling them in order assigns the same files to
    them again, and no result file is overwritten.
    """
    position = 0
    for each in taken:
        yield from range(position, int(each))
        position = int(each) + 1
    yield from count(position)


def _write_lists(
    job: Job, earlier: PathIndex, taken: NDArray[np.int64], system: Any, lists: str
) -> dict[str, int]:
    """Write the remaining work as lists of files, and return their names and lengths."""
    names: dict[str, int] = {}
    chunk: list[bytes] = []
    positions = _free(taken)
    n_listed = 0

    def close() -> None:
        name = f"{lists}/{len(names):08d}.jsonl"
        with system.open(name, "wb") as file:
            file.write(b"".join(chunk))
        names[system.unstrip_protocol(name)] = len(chunk)
        chunk.clear()

    for wanted, location in locate(job.names, job.selection, job.part):
        if earlier.take(wanted.key) is not None:
            continue
        entry = {"position": next(positions), "location": location, **asdict(wanted)}
        chunk.append(json.dumps(entry).encode() + b"\n")
        n_listed += 1
        if len(chunk) >= next(size for end, size in _CHUNKS if end is None or n_listed <= end):
            close()
    if chunk:
        close()
    return names


def _run(names: Iterable[str], work: Work, folder: str, done: Callable[[int], None] | None) -> None:
    import ray.data

    def estimate(batch: dict[str, Any]) -> dict[str, list[int]]:
        return {"count": [estimate_list(str(name), folder, work) for name in batch["list"]]}

    items = [{"list": name} for name in names]
    # One task per list; the tasks of a lost node are repeated by another.
    lists = ray.data.from_items(items, override_num_blocks=len(items))
    counts = lists.map_batches(estimate, batch_size=None, num_cpus=1)
    total = 0
    try:
        for row in counts.iter_rows():
            total += row["count"]
            if done is not None:
                done(total)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise TempoError(f"Ray gave up: {reason}; what was done is kept, go on with --resume") from error


def _verify(
    job: Job, system: Any, folder: str, taken: NDArray[np.int64], n_new: int, summary: BatchSummary
) -> None:
    """Count the output; each position of a file must be in it exactly once, and no other position."""
    positions = array("q")
    if len(taken) + n_new:
        for rows in parquet.read_columns(folder, system, ["position", "error", "bpm", "confidence"]):
            there = np.array([row["position"] for row in rows], np.int64)
            positions.extend(there)
            for row, is_earlier in zip(rows, np.isin(there, taken), strict=True):
                _count(row, summary, is_earlier=bool(is_earlier))
    expected = np.concatenate([taken, np.fromiter(islice(_free(taken), n_new), np.int64, n_new)])
    found, counts = np.unique(np.array(positions, np.int64), return_counts=True)
    n_missing = len(np.setdiff1d(expected, found))
    n_more = int((counts > 1).sum()) + len(np.setdiff1d(found, expected))
    if n_missing or n_more:
        raise TempoError(f"{job.output}: {n_missing} files are missing and {n_more} are there more than once")


def _count(row: dict[str, Any], summary: BatchSummary, *, is_earlier: bool) -> None:
    if is_earlier:
        summary.add_earlier(failed=row["error"] is not None)
        return
    summary.n_results += 1
    if row["error"] is not None:
        summary.add_failure(row["error"])
    elif row["bpm"] is None:
        summary.n_without_tempo += 1
    else:
        summary.n_doubtful += row["confidence"] < DOUBTFUL_CONFIDENCE


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start Ray on this machine, for the time of the block.

    Raises
    ------
    MissingExtraError
        If ray is not installed.
    TempoError
        If the cluster cannot be reached.
    """
    # Disable Ray's usage reports; the processes that it starts here inherit this setting.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("The engine ray", "ray") from error

    if ray.is_initialized():
        yield  # by whoever calls us
        return
    # By default Ray looks for a cluster started here earlier, and waits for one that has ended.
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    except Exception as error:  # a node that does not start in time is a plain one
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TempoError(f"Ray cannot be reached at {address}: {reason}") from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    try:
        yield
    finally:
        ray.shutdown()
