"""``--engine local``: from the inputs to where the results go, on this machine."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from tempocli import writers
from tempocli.batch import estimate_files
from tempocli.batch.memory import call_within
from tempocli.batch.stamps import stamp_of
from tempocli.cli import console, progress
from tempocli.cli.interrupts import stopping
from tempocli.cli.sinks import Growing, Sink, View, growing_file, plain_sink
from tempocli.cli.tagging import Tagging, may_ask, untagged
from tempocli.cli.tally import Tally
from tempocli.cli.words import Notes, input_name
from tempocli.errors import AudioError
from tempocli.schema import FileResult
from tempocli.tag_worker import TagWorker
from tempocli.writers.files import atomic_file

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator

    from tempocli.cli.inputs import Inputs
    from tempocli.cli.options import ResumeOptions, TagOptions
    from tempocli.estimator import Estimator
    from tempocli.results import ResultFile
    from tempocli.schema import AudioInput

    Image = Callable[..., None]

T = TypeVar("T")

logger = logging.getLogger(__name__)

# Of one file, in seconds: a mix of ten hours takes a minute of CPU.
TIMEOUT = 600.0
_LONG_SECONDS = 30.0  # a batch that deserves a summary wherever it is run


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost.

    Attributes
    ----------
    timeout : float or None
        Seconds, if the user said so.
    max_memory : int or None
        Bytes of memory.
    """

    timeout: float | None
    max_memory: int | None


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes
    ----------
    inputs : Inputs
        What to estimate.
    view : View
        How and where results are shown.
    search : dict
        What `tempocli.estimator.Estimator` takes.
    jobs : int
        Worker processes.
    limits : Limits
        What one file may cost.
    resuming : ResumeOptions
        Whether and how an output is continued.
    tagging : TagOptions
        What to do about tags.
    plot : str or None
        The image to draw.
    verbose : bool
        Whether stderr says more.
    quiet : bool
        Whether stderr has errors only.
    """

    inputs: Inputs
    view: View
    search: dict[str, Any]
    jobs: int
    limits: Limits
    resuming: ResumeOptions
    tagging: TagOptions
    plot: str | None
    verbose: bool
    quiet: bool

    @property
    def is_simple(self) -> bool:
        """Whether one file is read in this process, which starts and is interrupted at once."""
        needs_worker = self.limits.timeout is not None or self.resuming.resume or self.tagging.skip_tagged
        return self.inputs.single and not needs_worker

    @property
    def has_progress(self) -> bool:
        """Whether it is said how it goes."""
        return not self.quiet and self.view.has_room_for_progress


def run(request: Request) -> int:
    """Estimate, and return the exit status."""
    view, resuming = request.view, request.resuming
    notes = Notes(view.layout, doubt=view.single, steadiness=request.verbose)
    tally = Tally(notes if view.is_bare and not request.quiet else None)
    with ExitStack() as stack:
        # Opened before the work, which may be long and would be lost.
        growing = view.can_be_continued
        file = stack.enter_context(growing_file(view, resume=resuming.resume)) if growing else None
        sink: Sink = stack.enter_context(plain_sink(view)) if file is None else Growing(file)
        limits = request.limits
        tag_worker = stack.enter_context(TagWorker(timeout=limits.timeout, max_memory=limits.max_memory))
        if request.tagging.write_tags:
            sink = Tagging(sink, request.tagging, tally, tag_worker, hashed=resuming.verify_hash)
        image = _open_image(stack, request.plot) if request.plot is not None else None
        estimator = _load(request)
        if file is not None:
            settings = estimator.settings() + view.layout.settings()
            file.begin(settings, by_hash=resuming.verify_hash, without_failed=resuming.retry_failed)
        if image is not None:
            sink.write(tally.watch(_draw(estimator, request, image)))
        elif request.is_simple:
            sink.write(tally.watch(_estimate_one(estimator, request)))
        else:
            stop = stack.enter_context(stopping(quiet=request.quiet))
            _run_batch(request, estimator, file, sink, tally, tag_worker, stop)
        if file is not None:
            file.finish()
    return tally.exit_code()


def _run_batch(
    request: Request,
    estimator: Estimator,
    file: ResultFile | None,
    sink: Sink,
    tally: Tally,
    tag_worker: TagWorker,
    stop: threading.Event,
) -> None:
    inputs, tagging = request.inputs, request.tagging
    files = untagged(inputs.files(), tally, tag_worker) if tagging.skip_tagged else inputs.files()
    results = estimate_files(
        estimator,
        _left_to_do(files, file, tally),
        jobs=request.jobs,
        timeout=request.limits.timeout or TIMEOUT,
        max_memory=request.limits.max_memory,
        hashed=request.resuming.verify_hash,
        stdin=inputs.stdin() if "-" in inputs.paths else None,
        stop=stop,
    )
    if request.has_progress:
        with_bar = console.stderr_is_terminal() and not (tagging.write_tags and may_ask(tagging))
        results = progress.shown(results, tally, inputs, bar=with_bar)
    sink.write(tally.watch(results))
    if stop.is_set():
        raise KeyboardInterrupt
    if not tally.n_done:
        console.error("the list names no files")
    elif request.has_progress:
        _summarise(tally, request.view)


def _left_to_do(files: Iterable[AudioInput], done: ResultFile | None, tally: Tally) -> Iterator[AudioInput]:
    for each in files:
        had_failed = done.take(each.key) if done is not None else None
        if had_failed is None:
            yield each
        else:
            tally.add_earlier(failed=had_failed)


def _summarise(tally: Tally, view: View) -> None:
    on_terminal = console.stderr_is_terminal()
    # A pipe of few files is left in peace.
    if on_terminal or view.output is not None or tally.seconds > _LONG_SECONDS:
        for line in tally.summary(histogram=on_terminal):
            console.error(line)


def _load(request: Request) -> Estimator:
    from tempocli.estimator import Estimator

    load = partial(Estimator, **request.search)
    references = request.search["references"]
    # These are audio files, too, and whose they are is not known.
    estimator = load() if references is None else call_within(request.limits.max_memory, references, load)
    logger.info("model: %s", estimator.model_name)
    return estimator


def _estimate_one(estimator: Estimator, request: Request) -> Iterator[FileResult]:
    path, part = request.inputs.paths[0], request.inputs.part
    stamp = None if path == "-" else stamp_of(path, hashed=request.resuming.verify_hash)
    try:
        estimate = _call_alone(estimator.estimate, request)
        yield FileResult(path, estimate=estimate, stamp=stamp, part=part)
    except AudioError as error:
        yield FileResult(path, error=error.reason, stamp=stamp, part=part)
    except Exception as error:
        error.add_note(f"while estimating {path!r}")
        raise


def _call_alone(function: Callable[..., T], request: Request) -> T:
    """Call a function of an estimator on the only input, in this process."""
    path, part = request.inputs.paths[0], request.inputs.part
    source = request.inputs.stdin() if path == "-" else path
    span = {} if part is None else {"start": part.start, "duration": part.duration}
    return call_within(request.limits.max_memory, path, partial(function, source, **span))


def _draw(estimator: Estimator, request: Request, image: Image) -> Iterator[FileResult]:
    path, part = request.inputs.paths[0], request.inputs.part
    try:
        analysis = _call_alone(estimator.analyse, request)
    except AudioError as error:
        yield FileResult(path, error=error.reason, part=part)
        return
    image(analysis, title=writers.printable(input_name(os.path.basename(path), part)))
    yield FileResult(path, estimate=analysis.estimate, part=part)


def _open_image(stack: ExitStack, plot: str) -> Image:
    from tempocli.plot import draw_tempogram

    suffix = os.path.splitext(plot)[1].lower()
    return partial(draw_tempogram, file=stack.enter_context(atomic_file(plot)), image_format=suffix[1:])
