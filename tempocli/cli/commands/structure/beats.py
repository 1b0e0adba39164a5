"""``tempo beats``: beats and bars of audio files."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import click

from tempocli.batch.engines.summary import BatchSummary
from tempocli.cli import batches, options
from tempocli.cli.commands.structure.sinks import Target
from tempocli.cli.terminal import console
from tempocli.cli.terminal.words import input_name
from tempocli.cli.usage import completion
from tempocli.cli.usage.groups import GroupedCommand
from tempocli.output.beats import FORMATS, GRID_FORMATS, SINGLE_FORMATS, SUFFIXES, BeatWriter
from tempocli.output.beats.documents import RECORD_KEYS, line_record
from tempocli.output.formats import Layout
from tempocli.output.results.rows import JsonRows
from tempocli.system.atomic_files import atomic_file

if TYPE_CHECKING:
    from typing import BinaryIO

    from tempocli.cli.batches import BatchOptions
    from tempocli.cli.inputs import Inputs
    from tempocli.cli.options import PartOptions, ResumeOptions
    from tempocli.decoding.profiles.profile import Profile
    from tempocli.schema import FileResult

_EXAMPLES = """\b
Examples:
  tempo beats song.flac                          time and position in the bar of each beat
  tempo beats song.flac --click check.wav        the music with clicks, to hear whether they are right
  tempo beats song.flac --grid                   one line per stretch of constant tempo
  tempo beats song.flac -o song.beats            as beat_this and madmom write it
  tempo beats song.flac -o song.mid              a MIDI tempo map; --format audacity: a label track
  tempo beats ~/Music -o beats.jsonl             all files of a folder
  tempo beats ~/Music -o beats.jsonl --resume    resume an interrupted run
  tempo beats --min-bpm 140 --max-bpm 200 dnb.mp3    twice as many beats
  tempo export --to rekordbox-xml beats.jsonl -o collection.xml    for DJ software

Text output is TIME<TAB>POSITION, with the path in front for several files. Position 1 is the downbeat.
Exit status: 0 success, 1 error, 2 usage error, 3 some files failed, 130 interrupted.
"""


@click.command("beats", cls=GroupedCommand, epilog=_EXAMPLES)
@batches.batch
@options.part
@click.option(
    "-o", "--output", metavar="FILE", shell_complete=completion.files, help="Write the beats to FILE."
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    help="Output format.  [default: from the extension of --output, else text]",
)
@click.option(
    "--grid", is_flag=True, help="Write stretches of constant tempo in place of beats (text, csv, midi)."
)
@click.option(
    "--click",
    "click_path",
    metavar="FILE.wav",
    shell_complete=completion.files,
    help="Write the music of one input with clicks.",
)
@partial(options.resuming, formats="jsonl")
@options.tempo_range
@options.profile
@click.option("--metre", type=click.IntRange(2, 7), metavar="N", help="Beats a bar, if they are known.")
@click.option(
    "--model",
    shell_complete=completion.models("beats"),
    metavar="NAME|PATH",
    show_default="beats",
    help="Beat network: a name (see 'tempo models') or path of an ONNX file.",
)
@options.device
def command(
    paths: tuple[str, ...],
    batch: BatchOptions,
    part: PartOptions,
    output: str | None,
    format_name: str | None,
    grid: bool,
    click_path: str | None,
    resuming: ResumeOptions,
    min_bpm: float,
    max_bpm: float,
    profile: Profile | None,
    metre: int | None,
    model: str | None,
    device: str,
) -> None:
    """Find the beats, downbeats and metre of audio files, at the tempo of 'tempo estimate'.

    PATHS are files, folders, playlists, CUE sheets, or '-' for standard input, as for 'tempo estimate'.
    """
    inputs = batch.inputs(paths, part.of_files())
    options.check_tempo_range(min_bpm, max_bpm)
    target = Target.of(output, format_name, SUFFIXES)
    target.check(inputs, resuming, SINGLE_FORMATS)
    _check_format(target, grid=grid)
    _check_click(click_path, inputs)
    options.check_overwrites((target.output, click_path), (*paths, batch.files_from))
    with ExitStack() as stack:
        # Opened before the work, so that an error does not lose a long run.
        layout = Layout(named=not inputs.single)
        writer = partial(BeatWriter, name=target.format_name, layout=layout, grid=grid)
        sink = target.open(stack, writer, JsonRows(line_record, RECORD_KEYS), resuming)
        clicks = None if click_path is None else stack.enter_context(atomic_file(click_path))
        from tempocli.beats.tracker import BeatTracker

        tracker = BeatTracker(
            model, device=device, min_bpm=min_bpm, max_bpm=max_bpm, metre=metre, profile=profile
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
            tracker,
            batch,
            inputs,
            receive,
            files=sink.missing(inputs, tracker, summary),
            summary=summary,
            hashed=resuming.verify_hash,
            bar=target.output is not None and not inputs.single,
            alone=not resuming.resume,
        )
        if inputs.single and status:
            # Leaves the block by an exception, so that no empty file replaces a good one.
            click.get_current_context().exit(status)
        if clicks is not None:
            for result in found:
                _write_clicks(result, clicks)
        sink.close()
    click.get_current_context().exit(status)


def _check_format(target: Target, *, grid: bool) -> None:
    if target.format_name == "midi" and target.output is None and console.stdout_is_terminal():
        raise click.UsageError("--format midi is binary: give --output FILE.")
    if grid and target.format_name not in GRID_FORMATS:
        formats = ", ".join(sorted(GRID_FORMATS))
        raise click.UsageError(f"--grid goes with the formats {formats}; JSON has the grid anyway.")


def _check_click(path: str | None, inputs: Inputs) -> None:
    if path is None:
        return
    if not inputs.single or "-" in inputs.paths:
        raise click.UsageError("--click reads the music again: give one file.")
    if os.path.splitext(path)[1].lower() != ".wav":
        raise click.UsageError(f"--click writes a WAV file: give a name in .wav, not {path!r}.")


def _note(result: FileResult, *, alone: bool) -> None:
    """Say on stderr why there are no beats; of a single file on a terminal, a summary."""
    track = result.beats
    if track is None:
        return
    name = input_name(result.path, result.part)
    if not track.beats:
        console.error(f"{name}: no beats: {track.reason}")
        return
    if track.estimate.doubtful and alone:
        console.error(f"{name}: doubtful: confidence {track.estimate.confidence:.2f}")
    if alone and console.stderr_is_terminal():
        first = track.downbeats[0].time if track.downbeats else track.beats[0].time
        residual = 1000.0 * track.grid[0].residual
        grid = f"one grid, {residual:.0f} ms off" if len(track.grid) == 1 else f"{len(track.grid)} grids"
        console.error(
            f"{name}: {track.estimate.bpm:.2f} BPM, {len(track.beats)} beats, {track.metre} a bar "
            f"({100 * track.metre_confidence:.0f} %), first bar at {first:.2f} s, {grid}"
        )


def _write_clicks(result: FileResult, file: BinaryIO) -> None:
    from tempocli.beats.clicks import write_clicks

    if result.beats is not None:
        write_clicks(result.path, result.beats.beats, file, part=result.part)
