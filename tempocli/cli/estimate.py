"""``tempo estimate``: from audio files to their tempo."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from tempocli import writers
from tempocli.batch import estimate_files
from tempocli.cli import console, options
from tempocli.cli.inputs import Inputs
from tempocli.errors import AudioError
from tempocli.schema import FileResult
from tempocli.writers.files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tempocli.estimator import Estimator

    Image = Callable[..., None]

logger = logging.getLogger(__name__)

EXIT_SOME_FAILED = 3
_IMAGE_SUFFIXES = (".png", ".svg", ".pdf")

_EXAMPLES = """\b
Examples:
  tempo estimate song.mp3                          tempo and candidates
  bpm=$(tempo estimate song.mp3)                   just the number
  tempo estimate ~/Music -o tempi.csv              all files of a folder
  tempo estimate --curve --format json mix.flac    tempo over time
  tempo estimate --plot mix.png mix.flac           the same, drawn
  tempo estimate --method both song.mp3            also by comparison with click and drum references
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
    type=click.Choice(writers.FORMATS),
    help="Output format.  [default: by the suffix of --output, else text]",
)
@click.option("-o", "--output", metavar="FILE", help="Write the results to FILE, whole or not at all.")
@click.option("--curve", is_flag=True, help="Add the tempo over time (json, jsonl).")
@click.option(
    "--plot", metavar="FILE", help="Draw the tempogram of one input to a .png, .svg or .pdf (extra 'plot')."
)
@options.method
@options.model
@options.device
@options.jobs
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
    format_name: str | None,
    output: str | None,
    curve: bool,
    plot: str | None,
    method: str,
    references: str | None,
    model: str | None,
    device: str,
    jobs: int,
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
    options.check_references(method, references)
    inputs = Inputs(paths, files_from, null_separated)
    inputs.check()
    output = None if output == "-" else output
    format_name = format_name or _format_of(output)
    _check_format(format_name, inputs, curve=curve)
    _check_plot(plot, inputs)
    _check_overwrites((output, plot), paths)
    view = _View(
        format_name, writers.Layout(precision, named=not inputs.single, curve=curve), output, inputs.single
    )
    # The two best are what MIREX asks for.
    top = max(top, 2) if format_name == "mirex" else top
    tally = _Tally(notes=not quiet and view.lacks_reasons)

    with ExitStack() as stack:
        # Opened before the work, which may be long and would be lost.
        file = stack.enter_context(atomic_file(output)) if output is not None else None
        image = _open_image(stack, plot) if plot is not None else None
        how = {"method": method, "references": references, "device": device}
        estimator = _load(model, **how, top=top, min_bpm=min_bpm, max_bpm=max_bpm)
        if image is not None:
            view.write(tally.watch(_draw(estimator, paths[0], image)), file)
        else:
            files: Iterable[str] = inputs.files()
            if view.has_room_for_a_bar and not quiet:
                files = list(files)
            stdin = console.stdin() if "-" in paths else None
            results = tally.watch(estimate_files(estimator, files, jobs=jobs, stdin=stdin))
            view.write(console.track(results, len(files)) if isinstance(files, list) else results, file)
    click.get_current_context().exit(tally.exit_code())


@dataclass(frozen=True, slots=True)
class _View:
    """How the results are shown: as a table on a terminal, else in a format of `tempocli.writers`."""

    format_name: str
    layout: writers.Layout
    output: str | None
    single: bool

    @property
    def _is_table(self) -> bool:
        return self.format_name == "text" and self.output is None and console.stdout_is_terminal()

    @property
    def lacks_reasons(self) -> bool:
        """Whether it does not say why an input has no tempo."""
        return self.format_name in {"text", "mirex"} and not self._is_table

    @property
    def has_room_for_a_bar(self) -> bool:
        """Whether a progress bar would be seen, and no results run through it."""
        streams = (
            self.output is None and console.stdout_is_terminal() and self.format_name not in {"text", "json"}
        )
        return not self.single and console.stderr_is_terminal() and not streams

    def write(self, results: Iterable[FileResult], file: BinaryIO | None) -> None:
        """Write to a file, or to stdout as the results come."""
        if self._is_table:
            from tempocli.cli import display

            show = display.show_one if self.single else display.show_many
            show(results, self.layout)
            return
        put = console.write if file is None else file.write
        for piece in writers.write(self.format_name, results, self.layout):
            put(writers.encode(piece))


class _Tally:
    """Reports what failed, and remembers it for the exit status."""

    def __init__(self, *, notes: bool) -> None:
        self._notes = notes
        self.n_results = 0
        self.n_failed = 0

    def watch(self, results: Iterable[FileResult]) -> Iterator[FileResult]:
        """Pass results on."""
        for result in results:
            self.n_results += 1
            if result.estimate is None:
                self.n_failed += 1
                console.error(f"{result.path}: {result.error}")
            elif result.estimate.bpm is None and self._notes:
                console.error(f"{result.path}: no tempo: {result.estimate.reason}")
            yield result
        if not self.n_results:
            console.error("the list names no files")
        logger.info("%d inputs, %d failed", self.n_results, self.n_failed)

    def exit_code(self) -> int:
        """Return 0 when all is well, 1 when nothing is, 3 when some inputs failed."""
        if self.n_failed == self.n_results:
            return 1
        return EXIT_SOME_FAILED if self.n_failed else 0


def _load(model: str | None, **settings: Any) -> Estimator:
    from tempocli.estimator import Estimator

    estimator = Estimator(model, **settings)
    logger.info("model: %s", estimator.model_name)
    return estimator


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
    if suffix not in writers.SUFFIXES:
        raise click.UsageError(f"No format is known by the suffix {suffix!r} of {output!r}: give --format.")
    return writers.SUFFIXES[suffix]


def _check_format(format_name: str, inputs: Inputs, *, curve: bool) -> None:
    if format_name in writers.SINGLE_FORMATS and not inputs.single:
        raise click.UsageError(
            f"--format {format_name} describes one track: give one file (jsonl takes many)."
        )
    if curve and format_name not in writers.CURVE_FORMATS:
        raise click.UsageError(
            f"--curve has no place in the format {format_name}: give --format json or jsonl."
        )


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
