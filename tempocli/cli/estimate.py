"""``tempo estimate``: from audio files to their tempo."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import click

from tempocli import writers
from tempocli.cli import console, options
from tempocli.cli.inputs import Inputs
from tempocli.errors import AudioError
from tempocli.schema import FileResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tempocli.estimator import Estimator

_IMAGE_SUFFIXES = (".png", ".svg", ".pdf")

_EXAMPLES = """\b
Examples:
  tempo estimate song.mp3                      the tempo, with candidates on a terminal
  bpm=$(tempo estimate song.mp3)               just the number
  tempo estimate ~/Music -o tempi.csv          a whole collection, with errors as rows
  tempo estimate --curve --format json mix.flac  tempo over time
  tempo estimate --plot mix.png mix.flac       the same, drawn
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
@click.option("-0", "--null", "null_separated", is_flag=True, help="A null character ends each path of the list.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(writers.FORMATS),
    help="Output format.  [default: by the suffix of --output, else text]",
)
@click.option("-o", "--output", metavar="FILE", help="Write the results to FILE, whole or not at all.")
@click.option("--curve", is_flag=True, help="Add the tempo over time (json, jsonl).")
@click.option("--plot", metavar="FILE", help="Draw the tempogram of one input to a .png, .svg or .pdf (extra 'plot').")
@options.model
@options.device
@options.jobs
@click.option(
    "--top", type=click.IntRange(min=1), metavar="K", default=5, show_default=True, help="Candidates at most."
)
@click.option(
    "--precision", type=click.IntRange(0, 6), metavar="N", default=2, show_default=True, help="Decimals of a tempo."
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
    model: str,
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
    inputs = Inputs(paths, files_from, null_separated)
    inputs.check()
    output = None if output == "-" else output
    format_name = format_name or _format_of(output)
    _check_format(format_name, inputs, curve=curve)
    _check_plot(plot, inputs)
    for written in (output, plot):
        _check_not_an_input(written, inputs)
    target = _Target(format_name, output, writers.Layout(precision, named=not inputs.single, curve=curve))

    with ExitStack() as stack:
        # Opened before the work, which may be long and would be lost.
        write = target.open(stack)
        image = _open_image(stack, plot)
        estimator = _estimator(
            model,
            device=device,
            # MIREX is about the two best.
            top=max(top, 2) if format_name == "mirex" else top,
            min_bpm=min_bpm,
            max_bpm=max_bpm,
        )
        files: Iterable[str] = inputs.files()
        if not quiet and not inputs.single and target.leaves_room_for_a_bar():
            files = list(files)
        if image is not None:
            results = _estimate_and_plot(estimator, paths[0], image)
        else:
            results = _estimate(estimator, files, jobs)
        tally = _Tally(notes=not quiet and format_name in {"text", "mirex"})
        results = tally.watch(results)
        write(console.track(results, len(files)) if isinstance(files, list) else results)
    click.get_current_context().exit(tally.exit_code())
