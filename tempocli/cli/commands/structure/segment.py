"""``tempo segment``: the sections of songs and their repeats."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from tempocli.batch.engines.summary import BatchSummary
from tempocli.cli import batches, options
from tempocli.cli.commands.structure.sinks import Target
from tempocli.cli.terminal import console
from tempocli.cli.terminal.words import input_name
from tempocli.cli.usage import completion
from tempocli.cli.usage.groups import GroupedCommand
from tempocli.output.form import FORMATS, SINGLE_FORMATS, SUFFIXES, FormWriter
from tempocli.output.form.documents import RECORD_KEYS, line_record
from tempocli.output.formats import Layout
from tempocli.output.results.rows import JsonRows
from tempocli.system.atomic_files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from tempocli.cli.batches import BatchOptions
    from tempocli.cli.inputs import Inputs
    from tempocli.cli.options import PartOptions, ResumeOptions
    from tempocli.decoding.profiles.profile import Profile
    from tempocli.schema import FileResult

_IMAGE_SUFFIXES = (".png", ".svg", ".pdf")
_EXAMPLES = """\b
Examples:
  tempo segment song.flac                        start, end, label, bars and tempo of each section
  tempo segment song.flac -o song.lab            start, end and label, as mir_eval reads them
  tempo segment song.flac --format audacity      a label track
  tempo segment song.flac --plot song.png        how alike the bars are, with the sections
  tempo segment ~/Music -o sections.jsonl        all files of a folder
  tempo segment ~/Music -o sections.jsonl --resume    resume an interrupted run
  tempo segment song.flac --min-bars 8           no sections of fewer than eight bars
  tempo segment song.flac --sections 6           six sections

In a pipe, text output is START<TAB>END<TAB>LABEL<TAB>BARS<TAB>BPM, with the path in front for several files.
Exit status: 0 success, 1 error, 2 usage error, 3 some files failed, 130 interrupted.
"""


@click.command("segment", cls=GroupedCommand, epilog=_EXAMPLES)
@batches.batch
@options.part
@click.option(
    "-o", "--output", metavar="FILE", shell_complete=completion.files, help="Write the sections to FILE."
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    help="Output format.  [default: from the extension of --output, else text]",
)
@click.option(
    "--plot",
    metavar="FILE",
    shell_complete=completion.files,
    help="Plot the similarity of the bars of one input to a .png, .svg or .pdf (requires extra 'plot').",
)
@click.option("--sections", type=click.IntRange(1), metavar="K", help="Number of sections, if it is known.")
@click.option(
    "--min-bars",
    type=click.IntRange(1),
    metavar="N",
    default=1,
    show_default=True,
    help="Least length of a section.",
)
@partial(options.resuming, formats="jsonl")
@options.tempo_range
@options.profile
@click.option("--metre", type=click.IntRange(2, 7), metavar="N", help="Beats a bar, if they are known.")
@click.option(
    "--model",
    shell_complete=completion.models("embed"),
    metavar="NAME|PATH",
    show_default="music",
    help="Music encoder: a name (see 'tempo models') or path of an ONNX file.",
)
@click.option(
    "--section-model",
    shell_complete=completion.models("segment"),
    metavar="NAME|PATH",
    show_default="sections",
    help="Section encoder.",
)
@options.device
def command(
    paths: tuple[str, ...],
    batch: BatchOptions,
    part: PartOptions,
    output: str | None,
    format_name: str | None,
    plot: str | None,
    sections: int | None,
    min_bars: int,
    resuming: ResumeOptions,
    min_bpm: float,
    max_bpm: float,
    profile: Profile | None,
    metre: int | None,
    model: str | None,
    section_model: str | None,
    device: str,
) -> None:
    """Find the sections of songs, and which of them are repeats.

    Sections begin at bars. Those with the same label (A, B, ...) sound alike. PATHS are files, folders,
    playlists, CUE sheets, or '-' for standard input, as for 'tempo estimate'.
    """
    inputs = batch.inputs(paths, part.of_files())
    options.check_tempo_range(min_bpm, max_bpm)
    target = Target.of(output, format_name, SUFFIXES)
    target.check(inputs, resuming, SINGLE_FORMATS)
    _check_plot(plot, inputs)
    options.check_overwrites((target.output, plot), (*paths, batch.files_from))
    with ExitStack() as stack:
        # Opened before the work, so that an error does not lose a long run.
        layout = Layout(named=not inputs.single)
        writer = _writer(target, layout)
        sink = target.open(stack, writer, JsonRows(line_record, RECORD_KEYS), resuming)
        picture = None if plot is None else stack.enter_context(atomic_file(plot))
        from tempocli.embedding.segmentation.segmenter import Segmenter

        segmenter = Segmenter(
            model,
            section_model=section_model,
            device=device,
            min_bpm=min_bpm,
            max_bpm=max_bpm,
            metre=metre,
            n_sections=sections,
            min_bars=min_bars,
            keep_cells=plot is not None,
            profile=profile,
        )
        found: list[FileResult] = []

        def receive(result: FileResult) -> None:
            sink.add(result)
            if inputs.single:
                found.append(result)
            if not batch.quiet:
                _note(result, alone=inputs.single)

        summary = BatchSummary()
        status = batches.run(
            segmenter,
            batch,
            inputs,
            receive,
            files=sink.missing(inputs, segmenter, summary),
            summary=summary,
            hashed=resuming.verify_hash,
            bar=target.output is not None and not inputs.single,
            alone=not resuming.resume,
        )
        if inputs.single and status:
            # Leaves the block by an exception, so that no empty file replaces a good one.
            click.get_current_context().exit(status)
        if picture is not None:
            for result in found:
                _draw(result, picture, os.path.splitext(plot or "")[1][1:].lower())
        sink.close()
    click.get_current_context().exit(status)


def _writer(target: Target, layout: Layout) -> Callable[[Callable[[bytes], Any]], Any]:
    """Return from what takes bytes to what writes results; on a terminal, text is a table."""
    if target.format_name == "text" and target.output is None and console.stdout_is_terminal():
        from tempocli.cli.terminal.sections import SectionTables

        return lambda _: SectionTables(layout)
    return partial(FormWriter, name=target.format_name, layout=layout)


def _check_plot(path: str | None, inputs: Inputs) -> None:
    if path is None:
        return
    if not inputs.single:
        raise click.UsageError("--plot draws one track: give one file.")
    if os.path.splitext(path)[1].lower() not in _IMAGE_SUFFIXES:
        raise click.UsageError(
            f"--plot cannot tell an image format from {path!r}: give a .png, .svg or .pdf."
        )
    # That matplotlib is missing is said before the work.
    from tempocli.output.plots import form  # noqa: F401


def _note(result: FileResult, *, alone: bool) -> None:
    """Say on stderr why there are no sections, or no bars."""
    form = result.form
    if form is None:
        return
    name = input_name(result.path, result.part)
    if form.reason is not None:
        console.error(f"{name}: no sections: {form.reason}")
    elif form.metre is None:
        console.error(f"{name}: no beats: sections begin at any time")
    elif alone and console.stderr_is_terminal():
        labels = " ".join(each.label for each in form.sections)
        bpm = "" if form.estimate.bpm is None else f"{form.estimate.bpm:.2f} BPM, "
        console.error(f"{name}: {bpm}{form.metre} beats a bar, {labels}")


def _draw(result: FileResult, file: BinaryIO, image_format: str) -> None:
    from tempocli.output.plots.form import draw_form

    form = result.form
    if form is None:
        return
    if form.vectors is None:
        raise click.ClickException(
            f"{input_name(result.path, result.part)}: no sections to plot: {form.reason}"
        )
    draw_form(form, file, title=os.path.basename(result.path), image_format=image_format)
