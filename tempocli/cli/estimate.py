"""``tempo estimate``: from audio files to their tempo."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from tempocli import tags, writers
from tempocli.batch import Selection, estimate_files
from tempocli.batch.stamps import stamp_of
from tempocli.cli import console, options, progress, ray
from tempocli.cli.inputs import Inputs
from tempocli.cli.interrupts import stopping
from tempocli.cli.sinks import GROWING, Growing, Sink, View, growing_file, plain_sink
from tempocli.cli.tagging import Tagging, may_ask, untagged
from tempocli.cli.tally import Tally
from tempocli.errors import AudioError
from tempocli.schema import FileResult
from tempocli.writers.files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tempocli.cli.options import EngineOptions, ResumeOptions, TagOptions
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
@options.resuming
@click.option("--curve", is_flag=True, help="Add the tempo over time (json, jsonl).")
@click.option(
    "--plot", metavar="FILE", help="Draw the tempogram of one input to a .png, .svg or .pdf (extra 'plot')."
)
@options.model
@options.device
@options.jobs
@options.engine
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
@options.tagging
@options.verbosity
def command(
    paths: tuple[str, ...],
    files_from: str | None,
    null_separated: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    format_name: str | None,
    output: str | None,
    resuming: ResumeOptions,
    curve: bool,
    plot: str | None,
    model: str,
    device: str,
    jobs: int,
    engine: EngineOptions,
    timeout: float | None,
    top: int,
    precision: int,
    min_bpm: float,
    max_bpm: float,
    tagging: TagOptions,
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
    if engine.ray_address is not None and engine.engine != "ray":
        raise click.UsageError("--ray-address needs --engine ray.")
    if engine.engine == "ray":
        ray.check(
            inputs, format_name, output, tagging=tagging.write_tags or tagging.skip_tagged, plot=bool(plot)
        )
        assert output is not None
        work = ray.work(
            writers.Layout(precision, curve=curve),
            timeout or _TIMEOUT,
            hashed=resuming.verify_hash,
            model=model,
            device=device,
            top=top,
            min_bpm=min_bpm,
            max_bpm=max_bpm,
        )
        status = ray.run(inputs, output, work, engine.ray_address, resume=resuming.resume, quiet=quiet)
        click.get_current_context().exit(status)
    layout = writers.Layout(precision, named=not inputs.single, curve=curve)
    view = View(format_name, layout, output, inputs.single)
    _check_resume(view, resuming)
    _check_tagging(tagging, paths)
    # The two best are what MIREX asks for.
    top = max(top, 2) if format_name == "mirex" else top
    tally = Tally(notes=not quiet and view.lacks_reasons)

    with ExitStack() as stack:
        # Opened before the work, which may be long and would be lost.
        growing = view.can_be_continued
        file = stack.enter_context(growing_file(view, resume=resuming.resume)) if growing else None
        sink: Sink = stack.enter_context(plain_sink(view)) if file is None else Growing(file)
        if tagging.write_tags:
            sink = Tagging(sink, tagging, tally, hashed=resuming.verify_hash)
        image = _open_image(stack, plot) if plot is not None else None
        estimator = _load(model, device=device, top=top, min_bpm=min_bpm, max_bpm=max_bpm)
        if file is not None:
            settings = f"{estimator.settings()}, precision {precision}{', curve' if curve else ''}"
            file.begin(settings, by_hash=resuming.verify_hash, without_failed=resuming.retry_failed)
        if image is not None:
            sink.write(tally.watch(_draw(estimator, paths[0], image)))
        elif inputs.single and timeout is None and not resuming.resume and not tagging.skip_tagged:
            # In this process: it needs no start, and an interrupt takes effect at once.
            sink.write(tally.watch(_estimate_one(estimator, paths[0], hashed=resuming.verify_hash)))
        else:
            stop = stack.enter_context(stopping(quiet=quiet))
            files = untagged(inputs.files(), tally) if tagging.skip_tagged else inputs.files()
            results = estimate_files(
                estimator,
                _left_to_do(files, file, tally),
                jobs=jobs,
                timeout=timeout or _TIMEOUT,
                hashed=resuming.verify_hash,
                stdin=console.stdin() if "-" in paths else None,
                stop=stop,
            )
            with_bar = console.stderr_is_terminal() and not (tagging.write_tags and may_ask(tagging))
            said = not quiet and view.has_room_for_progress
            shown = progress.shown(results, tally, inputs, bar=with_bar) if said else results
            sink.write(tally.watch(shown))
            if stop.is_set():
                raise KeyboardInterrupt
            if not tally.n_done:
                console.error("the list names no files")
            elif said:
                _summarise(tally, view)
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


def _summarise(tally: Tally, view: View) -> None:
    on_terminal = console.stderr_is_terminal()
    # A pipe of few files is left in peace.
    if on_terminal or view.output is not None or tally.seconds > _LONG_SECONDS:
        for line in tally.summary(histogram=on_terminal):
            console.error(line)


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


def _check_resume(view: View, resuming: ResumeOptions) -> None:
    if view.format_name == "parquet" and not view.can_be_continued:
        raise click.UsageError("--format parquet needs --output FILE.")
    if resuming.resume and not view.can_be_continued:
        formats = ", ".join(sorted(GROWING))
        raise click.UsageError(f"--resume needs --output FILE in one of the formats {formats}.")
    if resuming.verify_hash and not view.can_be_continued:
        raise click.UsageError("--verify-hash has a use only with --output, as --resume has.")
    if resuming.retry_failed and not resuming.resume:
        raise click.UsageError("--retry-failed needs --resume.")


def _check_tagging(tagging: TagOptions, paths: Iterable[str]) -> None:
    if (tagging.overwrite or tagging.dry_run) and not tagging.write_tags:
        raise click.UsageError("--overwrite and --dry-run need --write-tags.")
    if tagging.write_tags and "-" in paths:
        raise click.UsageError("--write-tags cannot write into standard input.")
    if tagging.write_tags or tagging.skip_tagged:
        tags.require()


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
