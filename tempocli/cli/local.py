"""``--engine local``: the messages, progress and output of a run of `tempocli.batch.engines.local`."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tempocli.audio.files.web import WebLimits
from tempocli.batch.engines import local
from tempocli.batch.engines.summary import BatchSummary
from tempocli.cli.sinks import saying_what_is_kept, shown_sink
from tempocli.cli.tagging import Tagging, TagReport, may_ask, untagged
from tempocli.cli.tally import Messages, summary_lines
from tempocli.cli.terminal import console, progress
from tempocli.cli.terminal.interrupts import stopping
from tempocli.cli.terminal.words import Notes, input_name
from tempocli.errors import AudioError
from tempocli.output import formats as writers
from tempocli.schema import AudioInput, FileResult
from tempocli.system.atomic_files import atomic_file

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator

    from tempocli.batch.engines.local import Limits, LocalJob
    from tempocli.batch.engines.output import Sink
    from tempocli.batch.tag_worker import TagWorker
    from tempocli.cli.inputs import Inputs
    from tempocli.cli.options import ResumeOptions, TagOptions
    from tempocli.cli.sinks import View
    from tempocli.estimator import Estimator
    from tempocli.inference.options import EstimatorOptions
    from tempocli.output.results import ResultFile

    Image = Callable[..., None]

_LONG_SECONDS = 30.0  # longer batches get a summary even without a terminal


@dataclass(frozen=True, slots=True)
class Request:
    """The settings of a run.

    Attributes
    ----------
    inputs : Inputs
        The inputs to estimate.
    view : View
        Format and destination of the results.
    options : EstimatorOptions
        Settings of the estimator.
    jobs : int
        Number of worker processes.
    limits : Limits
        Time and memory limits of one file.
    resuming : ResumeOptions
        Whether and how to resume an output file.
    tagging : TagOptions
        What to do about tags.
    plot : str or None
        Path of the image to draw.
    max_download : int
        Maximum size in bytes of an input that is a URL.
    verbose : bool
        Whether to log more to stderr.
    quiet : bool
        Whether to write errors only to stderr.
    """

    inputs: Inputs
    view: View
    options: EstimatorOptions
    jobs: int
    limits: Limits
    resuming: ResumeOptions
    tagging: TagOptions
    plot: str | None
    max_download: int
    verbose: bool
    quiet: bool

    @property
    def is_simple(self) -> bool:
        """Whether to read one file in this process, which starts faster and stops at the first Ctrl-C."""
        needs_worker = self.limits.timeout is not None or self.resuming.resume or self.tagging.skip_tagged
        return self.plot is not None or (self.inputs.single and not needs_worker)

    @property
    def has_progress(self) -> bool:
        """Whether to show progress."""
        return not self.quiet and self.view.has_room_for_progress

    def job(self) -> LocalJob:
        """Return the job for the engine."""
        inputs, resuming = self.inputs, self.resuming
        if self.is_simple:
            files: Iterable[AudioInput] = [AudioInput(inputs.paths[0], inputs.part)]
        else:
            files = inputs.files()
        return local.LocalJob(
            files,
            self.options,
            self.view.spec,
            self.jobs,
            self.limits,
            local.Resume(resuming.resume, resuming.verify_hash, resuming.retry_failed),
            inputs.stdin if "-" in inputs.paths else None,
            WebLimits(self.max_download, self.limits.timeout or local.TIMEOUT),
            in_process=self.is_simple,
        )


def run(request: Request) -> int:
    """Estimate all inputs and return the exit status."""
    view = request.view
    notes = Notes(view.layout, doubt=view.single, steadiness=request.verbose)
    messages = Messages(notes if view.is_bare and not request.quiet else None)
    summary = BatchSummary()
    with ExitStack() as stack:
        # Opened before the work, like the output, so that errors come early.
        image = _open_image(stack, request.plot) if request.plot is not None else None
        tag_worker = _open_tag_worker(stack, request)
        observer = _Observer(request, summary, messages, tag_worker, image)
        local.run(request.job(), summary, observer)
    if not request.is_simple:
        if not summary.n_done:
            console.error("the list names no files")
        elif request.has_progress:
            _summarise(summary, messages, view)
        if request.tagging.write_tags and not request.quiet:
            console.error(observer.tags.summary())
    return summary.exit_status()


class _Observer(local.Observer):
    """Shows results and progress, and writes tags and the plot."""

    def __init__(
        self,
        request: Request,
        summary: BatchSummary,
        messages: Messages,
        tag_worker: TagWorker | None,
        image: Image | None,
    ) -> None:
        self._request = request
        self._summary = summary
        self._messages = messages
        self._tag_worker = tag_worker
        self._image = image
        self._settings = ""
        each = request.verbose or request.is_simple
        self.tags = TagReport(request.tagging, each=each and not request.quiet)

    def sink(self, output: Sink | None) -> Sink:
        request = self._request
        sink = shown_sink(request.view, lambda: self._settings) if output is None else output
        if not request.tagging.write_tags or self._tag_worker is None:
            return sink
        hashed = request.resuming.verify_hash
        return Tagging(sink, request.tagging, self._summary, self._tag_worker, self.tags, hashed=hashed)

    @contextmanager
    def watching(self, file: ResultFile) -> Iterator[None]:
        with saying_what_is_kept(file):
            yield

    def loaded(self, estimator: Estimator) -> None:
        if self._request.view.format_name == "csv":
            self._settings = local.settings_of(estimator, self._request.view.layout)

    @contextmanager
    def stopping(self) -> Iterator[threading.Event]:
        with stopping(quiet=self._request.quiet) as stop:
            yield stop

    def wanted(self, files: Iterable[AudioInput]) -> Iterable[AudioInput]:
        if not self._request.tagging.skip_tagged or self._tag_worker is None:
            return files
        return untagged(files, self._summary, self._tag_worker)

    def shown(self, results: Iterator[FileResult]) -> Iterator[FileResult]:
        request = self._request
        if not request.has_progress:
            return results
        tagging = request.tagging
        with_bar = console.stderr_is_terminal() and not (tagging.write_tags and may_ask(tagging))
        return progress.shown(results, self._summary, request.inputs, bar=with_bar)

    def counted(self, result: FileResult) -> None:
        self._messages.show(result)

    def alone(self, estimator: Estimator, wanted: AudioInput, job: LocalJob) -> Iterator[FileResult]:
        if self._image is None:
            return super().alone(estimator, wanted, job)
        return _draw(estimator, wanted, job, self._image)


def _summarise(summary: BatchSummary, messages: Messages, view: View) -> None:
    on_terminal = console.stderr_is_terminal()
    # No summary for a short run in a pipe.
    if on_terminal or view.output is not None or summary.seconds > _LONG_SECONDS:
        for line in summary_lines(summary):
            console.error(line)
        for line in messages.histogram(console.columns()) if on_terminal else ():
            console.plain(line)


def _draw(estimator: Estimator, wanted: AudioInput, job: LocalJob, image: Image) -> Iterator[FileResult]:
    path, part = wanted.path, wanted.part
    try:
        analysis = local.call_alone(estimator.analyse, wanted, job)
    except AudioError as error:
        yield FileResult(path, error=error.reason, part=part)
        return
    image(analysis, title=writers.printable(input_name(os.path.basename(path), part)))
    yield FileResult(path, estimate=analysis.estimate, part=part)


def _open_tag_worker(stack: ExitStack, request: Request) -> TagWorker | None:
    """Return the tag worker, or ``None`` if not needed; its imports would slow down the start."""
    tagging, limits = request.tagging, request.limits
    if not (tagging.write_tags or tagging.skip_tagged):
        return None
    from tempocli.batch.tag_worker import TagWorker

    return stack.enter_context(TagWorker(timeout=limits.timeout, max_memory=limits.max_memory))


def _open_image(stack: ExitStack, plot: str) -> Image:
    from tempocli.output.plots.tempogram import draw_tempogram

    suffix = os.path.splitext(plot)[1].lower()
    return partial(draw_tempogram, file=stack.enter_context(atomic_file(plot)), image_format=suffix[1:])
