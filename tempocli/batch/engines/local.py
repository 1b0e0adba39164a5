"""The local engine: estimate inputs on this machine, without any user interface.

The caller passes an `Observer`, which sees the results as they arrive and can extend the work.
"""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import FileIO
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from tempocli.audio.files.entries import is_url
from tempocli.batch import estimate_files
from tempocli.batch.engines.output import GrowingOutput, WholeOutput, open_growing, open_whole
from tempocli.batch.memory import DEFAULT_MAX_MEMORY, call_within
from tempocli.errors import AudioError
from tempocli.inference.options import EstimatorOptions
from tempocli.schema import FileResult
from tempocli.system.fingerprints import fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tempocli.audio.files.web import WebLimits
    from tempocli.batch.engines.output import OutputSpec, Sink
    from tempocli.batch.engines.summary import BatchSummary
    from tempocli.estimator import Estimator
    from tempocli.output.formats import Layout
    from tempocli.output.results import ResultFile
    from tempocli.schema import AudioInput

T = TypeVar("T")

logger = logging.getLogger(__name__)

# Of one file, in seconds: a mix of ten hours takes a minute of CPU.
TIMEOUT = 600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of time and memory per file.

    Attributes
    ----------
    timeout : float or None
        Time limit in seconds; by default `TIMEOUT` for several files, and no limit for one.
    max_memory : int or None
        Memory limit in bytes; ``None`` sets no limit.
    """

    timeout: float | None = None
    max_memory: int | None = DEFAULT_MAX_MEMORY


@dataclass(frozen=True, slots=True)
class Resume:
    """Whether and how to resume an interrupted run.

    Attributes
    ----------
    resume : bool
        Whether to resume from an existing output.
    by_hash : bool
        Whether unchanged files are recognised by their content, whose checksum is in the results.
    without_failed : bool
        Whether to try failed inputs again.
    """

    resume: bool = False
    by_hash: bool = False
    without_failed: bool = False


@dataclass(frozen=True, slots=True)
class LocalJob:
    """Inputs, options and output of a run.

    Attributes
    ----------
    files : iterable of AudioInput
        The inputs, read lazily.
    options : EstimatorOptions
        Options of the estimator.
    output : OutputSpec or None
        The file to write; ``None`` if the observer takes the results.
    jobs : int
        Number of worker processes.
    limits : Limits
        What one file may cost.
    resume : Resume
        Whether and how the output is continued.
    stdin : callable, optional
        Opens the stream of an input named ``-``; by default, ``-`` is a file of that name.
    web : WebLimits or None
        Limits of inputs that are URLs; with ``None``, URLs are paths.
    in_process : bool
        Whether a single input is read in this process, which avoids the start of a worker.
    """

    files: Iterable[AudioInput]
    options: EstimatorOptions = field(default_factory=EstimatorOptions)
    output: OutputSpec | None = None
    jobs: int = 1
    limits: Limits = field(default_factory=Limits)
    resume: Resume = field(default_factory=Resume)
    stdin: Callable[[], BinaryIO] | None = None
    web: WebLimits | None = None
    in_process: bool = False


class Observer:
    """Hooks around the work; this base class does nothing."""

    def sink(self, output: Sink | None) -> Sink:
        """Return the sink of the results, which passes them to the job's output, if any."""
        if output is None:
            raise ValueError("a job without an output needs an observer that takes the results")
        return output

    @contextmanager
    def watching(self, file: ResultFile) -> Iterator[None]:
        """Wrap the work on a resumable result file."""
        yield

    def loaded(self, estimator: Estimator) -> None:
        """Receive the estimator, before the first result."""

    @contextmanager
    def stopping(self) -> Iterator[threading.Event]:
        """Wrap the work on several inputs; once the event is set, no further input is started."""
        yield threading.Event()

    def wanted(self, files: Iterable[AudioInput]) -> Iterable[AudioInput]:
        """Select the inputs to estimate."""
        return files

    def alone(self, estimator: Estimator, wanted: AudioInput, job: LocalJob) -> Iterator[FileResult]:
        """Estimate the only input of a job in this process."""
        return estimate_alone(estimator, wanted, job)

    def shown(self, results: Iterator[FileResult]) -> Iterator[FileResult]:
        """Pass on the results of several inputs before they are counted."""
        return results

    def counted(self, result: FileResult) -> None:
        """Receive a counted result before it is written."""


def run(job: LocalJob, summary: BatchSummary, observer: Observer | None = None) -> None:
    """Estimate the inputs of a job and write the results.

    Parameters
    ----------
    job : LocalJob
        The job.
    summary : BatchSummary
        Counts the inputs.
    observer : Observer, optional
        Observes the run.

    Raises
    ------
    TempoError
        If the output cannot be created or resumed, or the estimator cannot be created.
    KeyboardInterrupt
        If the run was stopped; finished results are kept if the output can be resumed.
    OSError
        If the output cannot be written.
    """
    observer = observer or Observer()
    with ExitStack() as stack:
        # Opened before the work, so that an error does not lose a long run.
        output, growing = _open(job, stack)
        if growing is not None:
            stack.enter_context(observer.watching(growing))
        sink = observer.sink(output)
        estimator = load_estimator(job.options, job.limits)
        observer.loaded(estimator)
        if isinstance(output, WholeOutput):
            output.settings = settings_of(estimator, job.output.layout) if job.output is not None else ""
        if growing is not None:
            _begin(growing, estimator, job)
        if job.in_process:
            (wanted,) = job.files
            sink.write(_count(observer.alone(estimator, wanted, job), summary, observer))
        else:
            stop = stack.enter_context(observer.stopping())
            results = observer.shown(_estimates(estimator, job, growing, summary, observer, stop))
            sink.write(_count(results, summary, observer))
            if stop.is_set():
                raise KeyboardInterrupt
        if growing is not None:
            growing.finish()


def _open(job: LocalJob, stack: ExitStack) -> tuple[Sink | None, ResultFile | None]:
    if job.output is None:
        return None, None
    if not job.output.can_be_continued:
        return stack.enter_context(open_whole(job.output)), None
    output: GrowingOutput = stack.enter_context(open_growing(job.output, resume=job.resume.resume))
    return output, output.file


def load_estimator(options: EstimatorOptions, limits: Limits) -> Estimator:
    """Create an estimator; the memory limit per file also applies to reading the user's references."""
    from tempocli.estimator import Estimator

    load = partial(Estimator.from_options, options)
    if options.references is None:
        estimator = load()
    else:
        # The references are audio files of unknown origin, too.
        estimator = call_within(limits.max_memory, options.references, load)
    logger.info("model: %s", estimator.model_name)
    return estimator


def settings_of(estimator: Estimator, layout: Layout) -> str:
    """Return the settings that a result file has."""
    from tempocli.output.results.settings import canonical

    return canonical(estimator.settings(), layout)


def _begin(file: ResultFile, estimator: Estimator, job: LocalJob) -> None:
    assert job.output is not None
    settings = settings_of(estimator, job.output.layout)
    file.begin(settings, by_hash=job.resume.by_hash, without_failed=job.resume.without_failed)


def _estimates(
    estimator: Estimator,
    job: LocalJob,
    file: ResultFile | None,
    summary: BatchSummary,
    observer: Observer,
    stop: threading.Event,
) -> Iterator[FileResult]:
    return estimate_files(
        estimator,
        _left_to_do(observer.wanted(job.files), file, summary),
        jobs=job.jobs,
        timeout=job.limits.timeout or TIMEOUT,
        max_memory=job.limits.max_memory,
        hashed=job.resume.by_hash,
        stdin=job.stdin() if job.stdin is not None else None,
        stop=stop,
        web=job.web,
    )


def _left_to_do(
    files: Iterable[AudioInput], done: ResultFile | None, summary: BatchSummary
) -> Iterator[AudioInput]:
    for each in files:
        had_failed = done.take(each.key) if done is not None else None
        if had_failed is None:
            yield each
        else:
            summary.add_earlier(failed=had_failed)


def _count(results: Iterable[FileResult], summary: BatchSummary, observer: Observer) -> Iterator[FileResult]:
    for result in results:
        summary.add(result)
        observer.counted(result)
        yield result
    logger.info("%d inputs, %d failed", summary.n_results, summary.n_failed)


def estimate_alone(estimator: Estimator, wanted: AudioInput, job: LocalJob) -> Iterator[FileResult]:
    """Estimate the only input of a job in this process."""
    path, part = wanted.path, wanted.part
    is_file = not _is_stdin(wanted, job) and (job.web is None or not is_url(path))
    fingerprint = fingerprint_of(path, hashed=job.resume.by_hash) if is_file else None
    try:
        estimate = call_alone(estimator.estimate, wanted, job)
        yield FileResult(path, estimate=estimate, fingerprint=fingerprint, part=part)
    except AudioError as error:
        yield FileResult(path, error=error.reason, fingerprint=fingerprint, part=part)
    except Exception as error:
        error.add_note(f"while estimating {path!r}")
        raise


def call_alone(function: Callable[..., T], wanted: AudioInput, job: LocalJob) -> T:
    """Call a function of an estimator on the only input of a job, within the memory limit."""
    part = wanted.part
    span = {} if part is None else {"start": part.start, "duration": part.duration}

    def call(source: Any) -> T:
        return call_within(job.limits.max_memory, wanted.path, partial(function, source, **span))

    if job.stdin is not None and _is_stdin(wanted, job):
        return call(job.stdin())
    if job.web is None or not is_url(wanted.path):
        return call(wanted.path)
    from tempocli.audio.files.web import fetched

    with fetched(wanted.path, job.web) as copy, FileIO(copy) as file:
        # Messages about the file shall have the name that the user knows.
        file.name = wanted.path
        return call(file)


def _is_stdin(wanted: AudioInput, job: LocalJob) -> bool:
    return wanted.path == "-" and job.stdin is not None
