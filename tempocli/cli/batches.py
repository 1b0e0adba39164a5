"""Commands that read many files: their options, and a run with progress, messages and exit status."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING

import click

from tempocli.batch import Selection, process_files
from tempocli.batch.engines.local import TIMEOUT
from tempocli.batch.engines.summary import BatchSummary
from tempocli.batch.memory import call_within
from tempocli.cli import limits, options
from tempocli.cli.inputs import Inputs
from tempocli.cli.tally import Messages, summary_lines
from tempocli.cli.terminal import console, progress
from tempocli.cli.terminal.interrupts import stopping
from tempocli.cli.usage import completion
from tempocli.errors import AudioError
from tempocli.schema import FileResult

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator

    from tempocli.batch.pool import SupportsBatch
    from tempocli.cli.options import EngineOptions, Function
    from tempocli.schema import AudioInput, Part

_LONG_SECONDS = 30.0  # longer batches get a summary even without a terminal


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Options of a command that reads many files.

    Attributes
    ----------
    files_from : str or None
        A file that lists more inputs.
    null_separated : bool
        Whether its paths end with a null character.
    include, exclude : tuple of str
        Patterns of the files to take from folders, and to skip.
    jobs : int
        Number of worker processes.
    timeout : float or None
        Time limit of a file, in seconds; ``None`` for the default.
    max_memory : int or None
        Memory limit of a file, in bytes.
    verbose, quiet : bool
    """

    files_from: str | None
    null_separated: bool
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    jobs: int
    timeout: float | None
    max_memory: int | None
    verbose: bool
    quiet: bool

    def inputs(self, paths: tuple[str, ...], part: Part | None = None) -> Inputs:
        """Return the inputs, after configuring messages.

        Raises
        ------
        click.UsageError
            If there are none, or options contradict each other.
        """
        console.configure(verbose=self.verbose, quiet=self.quiet)
        selection = Selection(self.include, self.exclude)
        inputs = Inputs(paths, self.files_from, self.null_separated, selection, part=part)
        inputs.check()
        return inputs


def batch(function: Function) -> Function:
    """Add PATHS and the options of `BatchOptions`, grouped into one argument `batch`."""
    grouped = options.grouped(
        "batch",
        BatchOptions,
        function,
        click.option(
            "--files-from",
            type=click.Path(exists=True, dir_okay=False, allow_dash=True),
            metavar="FILE|-",
            help="Also read paths from FILE, one per line.",
        ),
        click.option(
            "-0",
            "--null",
            "null_separated",
            is_flag=True,
            help="Paths in --files-from end with a null character.",
        ),
        click.option(
            "--include",
            multiple=True,
            metavar="GLOB",
            help="In folders, take the files that match GLOB instead of all audio files.",
        ),
        click.option(
            "--exclude", multiple=True, metavar="GLOB", help="In folders, skip files and folders that match."
        ),
        limits.jobs,
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help=f"Abort a file after this time.  [default: {TIMEOUT:g} for several files]",
        ),
        limits.max_memory,
        options.verbosity,
    )
    paths = click.argument("paths", nargs=-1, metavar="[PATHS]...", shell_complete=completion.files)
    return paths(grouped)


def run(
    processor: SupportsBatch,
    batch: BatchOptions,
    inputs: Inputs,
    receive: Callable[[FileResult], None],
    *,
    files: Iterable[AudioInput] | None = None,
    summary: BatchSummary | None = None,
    hashed: bool = False,
    bar: bool = True,
    engine: EngineOptions | None = None,
    alone: bool = False,
) -> int:
    """Process files in worker processes, with progress and messages on stderr.

    Parameters
    ----------
    processor : SupportsBatch
        Such as `tempocli.embedding.embedder.Embedder`.
    batch : BatchOptions
    inputs : Inputs
    receive : callable
        Takes each result, in input order; failed ones, too, which have been told on stderr.
    files : iterable of AudioInput, optional
        What to process of the inputs; by default, all of them.
    summary : BatchSummary, optional
        Counts the files.
    hashed : bool
        Whether results include the checksum of the files.
    bar : bool
        Whether there may be a progress bar; without, no progress is shown.
    engine : EngineOptions, optional
        Where to process the files; by default, on this machine. Ray's results are in the order in which its
        tasks end.
    alone : bool
        Whether to read a single file in this process, which starts faster, unless a timeout is given.

    Returns
    -------
    int
        Exit status.

    Raises
    ------
    KeyboardInterrupt
        If the run was stopped; what was received until then stays.
    TempoError
        If no worker process can be started.
    """
    summary = summary or BatchSummary()
    messages = Messages()
    with stopping(quiet=batch.quiet) as stop:
        wanted = inputs.files() if files is None else files
        if alone and inputs.single and batch.timeout is None:
            results = _in_process(processor, wanted, inputs, batch.max_memory)
        elif engine is not None and engine.engine == "ray":
            results = _on_ray(processor, wanted, batch, engine, stop, hashed=hashed)
        else:
            results = process_files(
                processor,
                wanted,
                jobs=batch.jobs,
                timeout=batch.timeout or TIMEOUT,
                max_memory=batch.max_memory,
                hashed=hashed,
                stdin=inputs.stdin() if "-" in inputs.paths else None,
                stop=stop,
            )
        if bar and not batch.quiet:
            results = progress.shown(results, summary, inputs, bar=console.stderr_is_terminal())
        for result in results:
            summary.add(result)
            if result.error is not None:
                messages.show(result)
            receive(result)
        if stop.is_set():
            raise KeyboardInterrupt
    if not summary.n_done:
        console.error("the list names no files")
    elif (
        not batch.quiet
        and not inputs.single
        and (console.stderr_is_terminal() or summary.seconds > _LONG_SECONDS)
    ):
        for line in summary_lines(summary):
            console.error(line)
    return summary.exit_status()


def _in_process(
    processor: SupportsBatch, files: Iterable[AudioInput], inputs: Inputs, max_memory: int | None
) -> Iterator[FileResult]:
    """Process the files one after the other in this process."""
    for each in files:
        source = inputs.stdin() if each.path == "-" else each.path
        start, duration = (0.0, None) if each.part is None else (each.part.start, each.part.duration)
        process = partial(processor.process, source, start=start, duration=duration)
        try:
            outcome = call_within(max_memory, each.path, process)
        except AudioError as error:
            yield FileResult(each.path, error=error.reason, part=each.part)
            continue
        yield FileResult(
            each.path,
            estimate=outcome.estimate,
            part=each.part,
            embedding=outcome.embedding,
            beats=outcome.beats,
            form=outcome.form,
            evidence=outcome.evidence,
        )


def _on_ray(
    processor: SupportsBatch,
    files: Iterable[AudioInput],
    batch: BatchOptions,
    engine: EngineOptions,
    stop: threading.Event,
    *,
    hashed: bool,
) -> Iterator[FileResult]:
    """Process files on Ray; after the first Ctrl-C, no more tasks are started."""
    from tempocli.batch.engines.ray.processing import process_on_ray

    return process_on_ray(
        processor,
        takewhile(lambda _: not stop.is_set(), files),
        address=engine.ray_address,
        timeout=batch.timeout or TIMEOUT,
        max_memory=batch.max_memory,
        hashed=hashed,
    )
