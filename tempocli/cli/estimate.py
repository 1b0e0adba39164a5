"""``tempo estimate``: from audio files to their tempo."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from tempocli import writers
from tempocli.batch import Selection, estimate_files
from tempocli.batch.stamps import stamp_of
from tempocli.cli import console, options, progress
from tempocli.cli.inputs import Inputs
from tempocli.cli.interrupts import stopping
from tempocli.cli.sinks import GROWING, Growing, Sink, View, growing_file, plain_sink
from tempocli.cli.tally import Tally
from tempocli.errors import AudioError
from tempocli.schema import FileResult
from tempocli.writers.files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tempocli.estimator import Estimator
    from tempocli.results import ResultFile

    Image = Callable[..., None]

logger = logging.getLogger(__name__)

# Of one file, in seconds: a mix of ten hours takes a minute of CPU.
_TIMEOUT = 600.0
_LONG_SECONDS = 30.0  # a batch that deserves a summary wherever it is run
_IMAGE_SUFFIXES = (".png", ".svg", ".pdf")

_EXAMPLES = """\b
Examples:
  tempo estimate song.mp3                          tempo and candidates
  bpm=$(tempo estimate song.mp3)                   just the number
  tempo estimate ~/Music -o tempi.csv              all files of a folder
  tempo estimate --curve --format json mix.flac    tempo over time
  tempo estimate --plot mix.png mix.flac           the same, drawn
  ffmpeg -i film.mkv -f wav - | tempo estimate -
  find . -name '*.mp3' -print0 | tempo estimate --files-from - -0

In a pipe, text is the number for one file, else PATH<TAB>BPM a line; '-' is no tempo. Exit status: 0 all
estimated, 1 error, 2 wrong usage, 3 some files failed, 130 interrupted.
"""


@click.command("estimate", epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@click.option(
    "--files-from",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="FILE|-",
    help="Also estimate the files that FILE lists, one a line.",
)
@click.option(
    "-0", "--null", "null_separated", is_flag=True, help="A null character ends each path of the list."
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice([*writers.FORMATS, "parquet"]),
    help="Output format.  [default: by the suffix of --output, else text]",
)
@click.option(
    "--include",
    multiple=True,
    metavar="GLOB",
    help="In folders, take the files that match, and not those with an audio file's extension.",
)
@click.option(
    "--exclude", multiple=True, metavar="GLOB", help="In folders, leave out files and folders that match."
)
@click.option("-o", "--output", metavar="FILE", help="Write the results to FILE, whole or not at all.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with an interrupted --output, or add to a whole one (csv, jsonl, parquet).",
)
@click.option(
    "--verify-hash", is_flag=True, help="Let --resume tell changed files by content, not by size and time."
)
@click.option("--retry-failed", is_flag=True, help="Let --resume try files again that have failed.")
@click.option("--curve", is_flag=True, help="Add the tempo over time (json, jsonl).")
@click.option(
    "--plot", metavar="FILE", help="Draw the tempogram of one input to a .png, .svg or .pdf (extra 'plot')."
)
@options.model
@options.device
@options.jobs
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help=f"Give up a file after this time.  [default: {_TIMEOUT:g} when there are several]",
)
@click.option(
    "--top", type=click.IntRange(min=1), metavar="K", default=5, show_default=True, help="Candidates at most."
)
@click.option(
    "--precision",
    type=click.IntRange(0, 6),
    metavar="N",
    default=2,
    show_default=True,
    help="Decimals of a tempo.",
)
@options.tempo_range
@options.verbosity
def command(
    paths: tuple[str, ...],
    files_from: str | None,
    null_separated: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    format_name: str | None,
    output: str | None,
    resume: bool,
    verify_hash: bool,
    retry_failed: bool,
    curve: bool,
    plot: str | None,
    model: str,
    device: str,
    jobs: int,
    timeout: float | None,
    top: int,
    precision: int,
    min_bpm: float,
    max_bpm: float,
    verbose: bool,
    quiet: bool,
) -> None:
    """Estimate the tempo of audio files, in beats per minute.

    PATHS are files, folders (searched for audio files), and '-' for standard input.
    """
    console.configure(verbose=verbose, quiet=quiet)
    options.check_tempo_range(min_bpm, max_bpm)
    inputs = Inputs(paths, files_from, null_separated, Selection(include, exclude))
    inputs.check()
    output = None if output == "-" else output
    format_name = format_name or _format_of(output)
    _check_format(format_name, inputs, curve=curve)
    _check_plot(plot, inputs)
    _check_overwrites((output, plot), paths)
    layout = writers.Layout(precision, named=not inputs.single, curve=curve)
    view = View(format_name, layout, output, inputs.single)
    _check_resume(view, resume=resume, verify_hash=verify_hash, retry_failed=retry_failed)
    # The two best are what MIREX asks for.
    top = max(top, 2) if format_name == "mirex" else top
    tally = Tally(notes=not quiet and view.lacks_reasons)

    with ExitStack() as stack:
        # Opened before the work, which may be long and would be lost.
        file = stack.enter_context(growing_file(view, resume=resume)) if view.can_be_continued else None
        sink: Sink = stack.enter_context(plain_sink(view)) if file is None else Growing(file)
        image = _open_image(stack, plot) if plot is not None else None
        estimator = _load(model, device=device, top=top, min_bpm=min_bpm, max_bpm=max_bpm)
        if file is not None:
            settings = f"{estimator.settings()}, precision {precision}{', curve' if curve else ''}"
            file.begin(settings, by_hash=verify_hash, without_failed=retry_failed)
        if image is not None:
            sink.write(tally.watch(_draw(estimator, paths[0], image)))
        elif inputs.single and timeout is None and not resume:
            # In this process: it needs no start, and an interrupt takes effect at once.
            sink.write(tally.watch(_estimate_one(estimator, paths[0], hashed=verify_hash)))
        else:
            stop = stack.enter_context(stopping(quiet=quiet))
            results = estimate_files(
                estimator,
                _left_to_do(inputs.files(), file, tally),
                jobs=jobs,
                timeout=timeout or _TIMEOUT,
                hashed=verify_hash,
                stdin=console.stdin() if "-" in paths else None,
                stop=stop,
            )
            _write_batch(tally.watch(results), sink, view, tally, inputs, quiet=quiet)
            if stop.is_set():
                raise KeyboardInterrupt
        if file is not None:
            file.finish()
    click.get_current_context().exit(tally.exit_code())


def _left_to_do(files: Iterable[str], done: ResultFile | None, tally: Tally) -> Iterator[str]:
    for path in files:
        had_failed = done.take(path) if done is not None else None
        if had_failed is None:
            yield path
        else:
            tally.add_earlier(failed=had_failed)


def _write_batch(
    results: Iterator[FileResult], sink: Sink, view: View, tally: Tally, inputs: Inputs, *, quiet: bool
) -> None:
    if quiet or not view.has_room_for_progress:
        sink.write(results)
    else:
        on_terminal = console.stderr_is_terminal()
        total = progress.Total(inputs)
        shown = progress.bar(results, tally, total) if on_terminal else progress.lines(results, tally, total)
        sink.write(shown)
        # A pipe of few files is left in peace.
        if on_terminal or view.output is not None or tally.seconds > _LONG_SECONDS:
            for line in tally.summary(histogram=on_terminal):
                console.error(line)
    if not tally.n_results and not tally.n_earlier:
        console.error("the list names no files")


def _load(model: str, **settings: Any) -> Estimator:
    from tempocli.estimator import Estimator

    estimator = Estimator(model, **settings)
    logger.info("model: %s", estimator.model_name)
    return estimator


def _estimate_one(estimator: Estimator, path: str, *, hashed: bool) -> Iterator[FileResult]:
    stamp = None if path == "-" else stamp_of(path, hashed=hashed)
    try:
        estimate = estimator.estimate(console.stdin() if path == "-" else path)
        yield FileResult(path, estimate=estimate, stamp=stamp)
    except AudioError as error:
        yield FileResult(path, error=error.reason, stamp=stamp)
    except Exception as error:
        error.add_note(f"while estimating {path!r}")
        raise


def _draw(estimator: Estimator, path: str, image: Image) -> Iterator[FileResult]:
    try:
        analysis = estimator.analyse(console.stdin() if path == "-" else path)
    except AudioError as error:
        yield FileResult(path, error=error.reason)
        return
    image(analysis, title=writers.printable(os.path.basename(path)))
    yield FileResult(path, estimate=analysis.estimate)


def _open_image(stack: ExitStack, plot: str) -> Image:
    from tempocli.plot import draw_tempogram

    suffix = os.path.splitext(plot)[1].lower()
    return partial(draw_tempogram, file=stack.enter_context(atomic_file(plot)), image_format=suffix[1:])


def _format_of(output: str | None) -> str:
    suffix = os.path.splitext(output or "")[1].lower()
    if suffix == ".parquet":
        return "parquet"
    if suffix not in writers.SUFFIXES:
        raise click.UsageError(f"No format is known by the suffix {suffix!r} of {output!r}: give --format.")
    return writers.SUFFIXES[suffix]


def _check_format(format_name: str, inputs: Inputs, *, curve: bool) -> None:
    if format_name in writers.SINGLE_FORMATS and not inputs.single:
        raise click.UsageError(
            f"--format {format_name} describes one track: give one file (jsonl takes many)."
        )
    if curve and format_name not in {*writers.CURVE_FORMATS, "parquet"}:
        raise click.UsageError(
            f"--curve has no place in the format {format_name}: give --format json or jsonl."
        )


def _check_resume(view: View, *, resume: bool, verify_hash: bool, retry_failed: bool) -> None:
    if view.format_name == "parquet" and not view.can_be_continued:
        raise click.UsageError("--format parquet needs --output FILE.")
    if resume and not view.can_be_continued:
        formats = ", ".join(sorted(GROWING))
        raise click.UsageError(f"--resume needs --output FILE in one of the formats {formats}.")
    if verify_hash and not view.can_be_continued:
        raise click.UsageError("--verify-hash has a use only with --output, as --resume has.")
    if retry_failed and not resume:
        raise click.UsageError("--retry-failed needs --resume.")


def _check_plot(plot: str | None, inputs: Inputs) -> None:
    if plot is None:
        return
    if not inputs.single:
        raise click.UsageError("--plot draws one track: give one file.")
    if os.path.splitext(plot)[1].lower() not in _IMAGE_SUFFIXES:
        raise click.UsageError(
            f"--plot cannot tell an image format from {plot!r}: give a .png, .svg or .pdf."
        )


def _check_overwrites(outputs: Iterable[str | None], paths: Iterable[str]) -> None:
    for output in outputs:
        for path in paths:
            if output is not None and os.path.realpath(output) == os.path.realpath(path):
                raise click.UsageError(f"{output!r} is an input: it would be overwritten.")
