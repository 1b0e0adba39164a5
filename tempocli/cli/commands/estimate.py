"""``tempo estimate``: estimate the tempo of audio files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from tempocli.audio.files.entries import is_url
from tempocli.batch import Selection
from tempocli.batch.engines.local import TIMEOUT, Limits
from tempocli.batch.engines.output import GROWING
from tempocli.cli import limits, local, options, ray
from tempocli.cli.config.settings import asked_format, is_given
from tempocli.cli.inputs import MAX_STDIN, Inputs
from tempocli.cli.sinks import View
from tempocli.cli.sizes import read_size
from tempocli.cli.terminal import console
from tempocli.cli.usage import completion
from tempocli.cli.usage.groups import GroupedCommand
from tempocli.inference.options import EstimatorOptions, SearchOptions
from tempocli.output import formats as writers

if TYPE_CHECKING:
    from tempocli.cli.options import EngineOptions, PartOptions, ResumeOptions, TagOptions
    from tempocli.decoding.profiles.profile import Profile

_IMAGE_SUFFIXES = (".png", ".svg", ".pdf")

_EXAMPLES = """\b
Examples:
  tempo estimate song.mp3                          tempo and candidates
  tempo estimate https://example.org/song.mp3      a file of the web (requires extra 'http')
  bpm=$(tempo estimate song.mp3)                   just the number
  tempo estimate ~/Music -o tempi.csv              all files of a folder
  tempo estimate ~/Music -o tempi.csv --resume     resume an interrupted run
  tempo estimate ~/Music --write-tags --dry-run    show the tags that would be written
  tempo estimate --curve --format json mix.flac    tempo over time
  tempo estimate --plot mix.png mix.flac           plot of the tempo over time
  tempo estimate --start 60 --duration 30 mix.flac    a part of a file
  tempo estimate album.cue -o album.csv            each track of a CUE sheet; also .m3u and .pls
  tempo estimate --min-bpm 70 --max-bpm 140 *.mp3  tempi moved by octaves into a range
  tempo estimate --profile mine *.mp3              as you count, see 'tempo learn'
  ffmpeg -i film.mkv -f wav - | tempo estimate -
  find . -name '*.mp3' -print0 | tempo estimate --files-from - -0

In a pipe, text output is the number for one file, else one line PATH<TAB>BPM per file; '-' means no tempo.
Exit status: 0 success, 1 error, 2 usage error, 3 some files failed, 130 interrupted.
"""


@click.command("estimate", cls=GroupedCommand, epilog=_EXAMPLES)
@click.argument("paths", nargs=-1, metavar="[PATHS]...", shell_complete=completion.files)
@click.option(
    "--files-from",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="FILE|-",
    help="Also read paths from FILE, one per line.",
)
@click.option(
    "-0", "--null", "null_separated", is_flag=True, help="Paths in --files-from end with a null character."
)
@click.option(
    "--max-stdin",
    type=read_size,
    metavar="SIZE",
    default=f"{MAX_STDIN // 10**9}GB",
    show_default=True,
    help="Stop with an error if standard input is larger than SIZE.",
)
@limits.max_download
@click.option(
    "--format",
    "format_name",
    type=click.Choice([*writers.FORMATS, "parquet"]),
    help="Output format.  [default: from the extension of --output, else text]",
)
@click.option(
    "--include",
    multiple=True,
    metavar="GLOB",
    help="In folders, take the files that match GLOB instead of all audio files.",
)
@click.option(
    "--exclude", multiple=True, metavar="GLOB", help="In folders, skip files and folders that match."
)
@options.part
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    shell_complete=completion.files,
    help="Write the results to FILE atomically.",
)
@options.resuming
@click.option("--curve", is_flag=True, help="Add the tempo over time (json, jsonl, parquet).")
@click.option(
    "--plot",
    metavar="FILE",
    shell_complete=completion.files,
    help="Plot the tempogram of one input to a .png, .svg or .pdf (requires extra 'plot').",
)
@options.method
@options.model
@options.device
@limits.jobs
@options.engine
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help=f"Abort a file after this time.  [default: {TIMEOUT:g} for several files]",
)
@limits.max_memory
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="K",
    default=5,
    show_default=True,
    help="Maximum number of candidates.",
)
@click.option(
    "--precision",
    type=click.IntRange(0, 6),
    metavar="N",
    default=2,
    show_default=True,
    help="Number of decimals of a tempo.",
)
@options.tempo_range
@options.profile
@options.tagging
@options.verbosity
def command(
    paths: tuple[str, ...],
    files_from: str | None,
    null_separated: bool,
    max_stdin: int,
    max_download: int,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    part: PartOptions,
    format_name: str | None,
    output: str | None,
    resuming: ResumeOptions,
    curve: bool,
    plot: str | None,
    method: str,
    references: str | None,
    model: str | None,
    device: str,
    jobs: int,
    engine: EngineOptions,
    timeout: float | None,
    max_memory: int | None,
    top: int,
    precision: int,
    min_bpm: float,
    max_bpm: float,
    profile: Profile | None,
    tagging: TagOptions,
    verbose: bool,
    quiet: bool,
) -> None:
    """Estimate the tempo of audio files, in beats per minute.

    PATHS are files, folders (searched for audio files), playlists of local files (.m3u, .m3u8, .pls), CUE
    sheets (.cue, one result per track), or '-' for standard input.
    """
    console.configure(verbose=verbose, quiet=quiet)
    options.check_tempo_range(min_bpm, max_bpm)
    options.check_method(method, model, references)
    inputs = Inputs(
        paths,
        files_from,
        null_separated,
        Selection(include, exclude),
        part=part.of_files(),
        max_stdin=max_stdin,
    )
    inputs.check()
    if engine.engine != "ray":
        ray.check_unused(inputs)
    output = None if output == "-" else output
    suffixes = {*writers.SUFFIXES, ".parquet"}
    format_name = asked_format(format_name, output, suffixes) or _format_of(output)
    _check_format(format_name, inputs, curve=curve)
    _check_plot(plot, inputs)
    options.check_overwrites((output, plot), (*paths, files_from))
    if engine.ray_address is not None and engine.engine != "ray":
        raise click.UsageError("--ray-address needs --engine ray.")
    # MIREX requires the two best candidates.
    top = max(top, 2) if format_name == "mirex" else top
    search = SearchOptions(min_bpm, max_bpm, top)
    wanted = EstimatorOptions(model, method, references, device, search, profile)
    layout = writers.Layout(precision, named=not inputs.single, curve=curve)
    if engine.engine == "ray":
        others = tagging.write_tags or tagging.skip_tagged or plot is not None or resuming.retry_failed
        ray.check(inputs, format_name, output, others=others, hashed=resuming.verify_hash)
        work = ray.work(wanted, layout, timeout or TIMEOUT, max_memory)
        status = ray.run(inputs, str(output), work, engine.ray_address, resume=resuming.resume, quiet=quiet)
    else:
        view = View(format_name, layout, output, inputs.single)
        _check_resume(view, resuming)
        _check_tagging(tagging, inputs)
        if any(map(is_url, inputs.paths)):
            from tempocli.audio.files import web

            web.require()
        request = local.Request(
            inputs,
            view,
            wanted,
            jobs,
            Limits(timeout, max_memory),
            resuming,
            tagging,
            plot,
            max_download,
            verbose=verbose,
            quiet=quiet,
        )
        status = local.run(request)
    click.get_current_context().exit(status)


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
            f"--curve has no place in the format {format_name}: give --format json, jsonl or parquet."
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


def _check_tagging(tagging: TagOptions, inputs: Inputs) -> None:
    needs_tags = tagging.overwrite or tagging.dry_run or is_given("tag_decimals")
    if needs_tags and not tagging.write_tags:
        raise click.UsageError("--overwrite, --dry-run and --tag-decimals need --write-tags.")
    if tagging.write_tags and "-" in inputs.paths:
        raise click.UsageError("--write-tags cannot write into standard input.")
    if tagging.write_tags and any(map(is_url, inputs.paths)):
        raise click.UsageError("--write-tags cannot write into a file behind a URL.")
    if inputs.part is not None and (tagging.write_tags or tagging.skip_tagged):
        raise click.UsageError("--start and --duration go with no tags: a part's tempo is not the file's.")
    if tagging.write_tags or tagging.skip_tagged:
        from tempocli.audio import tags

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
