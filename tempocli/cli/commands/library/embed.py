"""``tempo embed``: vectors of tracks."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO

import click

from tempocli.cli import batches, options
from tempocli.cli.config.settings import asked_format
from tempocli.cli.terminal import console
from tempocli.cli.terminal.words import input_name
from tempocli.cli.usage import completion
from tempocli.cli.usage.groups import GroupedCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tempocli.cli.batches import BatchOptions
    from tempocli.cli.options import PartOptions
    from tempocli.inference.music import MusicSpec
    from tempocli.schema import FileResult

_EXAMPLES = """\b
Examples:
  tempo embed ~/Music -o vectors.parquet            a vector of each track
  tempo embed ~/Music -o vectors.npz                the same for NumPy
  tempo embed song.flac --windows -o windows.npz    a vector every 4 s
  tempo embed *.mp3 --parts timbre,rhythm -o v.npz  some parts only
  tempo embed song.mp3 | jq .timbre                 JSON lines in a pipe

A vector has named parts, each of unit length: timbre, rhythm, chroma and spectrum; see docs/embedding.md.
Exit status: 0 success, 1 error, 2 usage error, 3 some files failed, 130 interrupted.
"""


@click.command("embed", cls=GroupedCommand, epilog=_EXAMPLES)
@batches.batch
@options.part
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    shell_complete=completion.files,
    help="Write the vectors to FILE (.npz, .parquet, .jsonl).",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["npz", "parquet", "jsonl"]),
    help="Output format.  [default: from the extension of --output, else jsonl]",
)
@click.option("--windows", is_flag=True, help="A vector for each window of 12 s, every 4 s, with its time.")
@click.option(
    "--parts", "names", metavar="NAMES", help="Parts to write, separated by commas.  [default: all]"
)
@options.embedding_model
@options.device
def command(
    paths: tuple[str, ...],
    batch: BatchOptions,
    part: PartOptions,
    output: str | None,
    format_name: str | None,
    windows: bool,
    names: str | None,
    model: str | None,
    device: str,
) -> None:
    """Compute vectors that describe the sound, rhythm and harmony of audio files.

    PATHS are files, folders, playlists, CUE sheets, or '-' for standard input, as for 'tempo estimate'.
    """
    from tempocli.output.vectors import SUFFIXES, Columns, open_writer

    inputs = batch.inputs(paths, part.of_files())
    output = None if output == "-" else output
    format_name = asked_format(format_name, output, SUFFIXES) or _format_of(output)
    if output is None and format_name != "jsonl":
        raise click.UsageError(f"--format {format_name} needs --output FILE.")
    options.check_overwrites((output,), (*paths, batch.files_from))
    with ExitStack() as stack:
        # Opened before the work, so that an error does not lose a long run.
        file = stack.enter_context(_opened(output))
        from tempocli.embedding.embedder import Embedder

        embedder = Embedder(model, device=device, windows=windows)
        writer = open_writer(format_name, file, Columns(_parts(embedder.spec, names), windows))
        # Before the file is closed, in case the block ends by an exception.
        stack.callback(writer.discard)
        n_embedded = 0

        def receive(result: FileResult) -> None:
            nonlocal n_embedded
            track = result.embedding
            if track is None:
                return
            if windows and track.reason is not None and not batch.quiet:
                console.error(f"{input_name(result.path, result.part)}: no windows: {track.reason}")
            writer.add(result)
            n_embedded += 1

        try:
            status = batches.run(embedder, batch, inputs, receive, bar=output is not None)
        except KeyboardInterrupt:
            if output is None or not n_embedded:
                raise
            if os.path.exists(output):
                # A whole file of an earlier run is worth more than a part of a new one.
                console.error(f"{output}: is as it was before; the vectors of this run are lost")
                raise
            status = console.INTERRUPTED
        if not n_embedded:
            # Leaves the block by an exception, so that no empty file replaces a good one.
            click.get_current_context().exit(status)
        writer.close()
    if status == console.INTERRUPTED:
        console.error(f"{output}: has the {n_embedded:,} inputs that were done")
        raise KeyboardInterrupt
    click.get_current_context().exit(status)


def _format_of(output: str | None) -> str:
    from tempocli.output.vectors import SUFFIXES

    suffix = os.path.splitext(output or "")[1].lower()
    if output is not None and suffix not in SUFFIXES:
        raise click.UsageError(f"No format is known by the suffix {suffix!r} of {output!r}: give --format.")
    return SUFFIXES.get(suffix, "jsonl")


def _parts(spec: MusicSpec, names: str | None) -> dict[str, int]:
    """Return the names and lengths of the parts asked for."""
    known = {part.name: part.dim for part in spec.parts}
    if names is None:
        return known
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in known:
            raise click.UsageError(f"--parts: there is no part {name!r}; the parts are {', '.join(known)}.")
    return {name: known[name] for name in known if name in wanted}


@contextmanager
def _opened(output: str | None) -> Iterator[BinaryIO]:
    """Open the output, which is written atomically, or stdout."""
    if output is None:
        yield console.stdout()
        return
    from tempocli.system.atomic_files import atomic_file

    with atomic_file(output) as file:
        yield file
