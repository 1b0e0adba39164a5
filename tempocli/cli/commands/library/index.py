"""``tempo index``: an index of a music library, for ``tempo similar``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from tempocli.cli import batches, options
from tempocli.cli.terminal import console
from tempocli.cli.usage import completion
from tempocli.cli.usage.groups import GroupedCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tempocli.batch.engines.summary import BatchSummary
    from tempocli.cli.batches import BatchOptions
    from tempocli.cli.inputs import Inputs
    from tempocli.cli.options import EngineOptions
    from tempocli.decoding.profiles.profile import Profile
    from tempocli.embedding.index.writer import IndexWriter
    from tempocli.schema import AudioInput

_EXAMPLES = """\b
Examples:
  tempo index ~/Music -o library.tempo                make an index, or bring it up to date
  tempo index ~/Music /mnt/usb -o library.tempo       several folders
  tempo index ~/Music -o library.tempo --sections     with sections, for 'tempo similar --section'
  tempo index ~/Music -o library.tempo --profile mine tempi as you count them
  tempo index --info -o library.tempo                 what is in it
  tempo similar song.mp3 --index library.tempo        search it

Run the same command again after files were added, changed or deleted, or after an interruption: only what is
new or changed is read. Files that are gone are removed from the index.
Exit status: 0 success, 1 error, 2 usage error, 3 some files failed, 130 interrupted.
"""


@click.command("index", cls=GroupedCommand, epilog=_EXAMPLES)
@batches.batch
@click.option(
    "-o",
    "--output",
    metavar="INDEX",
    shell_complete=completion.folders,
    required=True,
    help="The index, a folder; created if missing.",
)
@click.option("--keep-missing", is_flag=True, help="Keep tracks whose files are gone, such as on a drive.")
@click.option("--retry-failed", is_flag=True, help="Try files again that failed and have not changed.")
@click.option("--verify-hash", is_flag=True, help="Detect changed files by content instead of size and time.")
@click.option("--rebuild", is_flag=True, help="Begin with an empty index, also of another version of tempo.")
@click.option("--sections", is_flag=True, help="Also index the sections of each file; slower.")
@click.option("--info", is_flag=True, help="Show what is in the index, and read no files.")
@options.engine
@options.embedding_model
@options.profile
@options.device
def command(
    paths: tuple[str, ...],
    batch: BatchOptions,
    output: str,
    keep_missing: bool,
    retry_failed: bool,
    verify_hash: bool,
    rebuild: bool,
    sections: bool,
    info: bool,
    engine: EngineOptions,
    model: str | None,
    profile: Profile | None,
    device: str,
) -> None:
    """Make an index of music, or bring it up to date: tempo, vectors and state of each file.

    PATHS are files, folders, playlists and CUE sheets, as for 'tempo estimate'.
    """
    if info:
        if paths or batch.files_from or rebuild or sections:
            raise click.UsageError("--info reads no files: give -o INDEX only.")
        console.write(_info(output).encode())
        return
    if engine.ray_address is not None and engine.engine != "ray":
        raise click.UsageError("--ray-address needs --engine ray.")
    if engine.engine == "ray" and device == "cuda":
        raise click.UsageError("--engine ray uses the cores of the nodes: leave --device out.")
    inputs = batch.inputs(paths)
    if "-" in paths:
        raise click.UsageError("An index has files, not standard input.")
    from tempocli.batch.engines.summary import BatchSummary
    from tempocli.embedding.index.indexer import Indexer
    from tempocli.embedding.index.layout import Layout
    from tempocli.embedding.index.writer import IndexWriter

    device = "cpu" if engine.engine == "ray" else device
    indexer = Indexer.open(model, device=device, sections=sections, profile=profile)
    layout = Layout.of(indexer.spec, indexer.settings())
    summary = BatchSummary()
    with IndexWriter(output, layout, rebuild=rebuild) as writer:
        found: set[str] = set()
        wanted = _new_or_changed(
            inputs, writer, summary, found, by_hash=verify_hash, retry_failed=retry_failed
        )
        status = batches.run(
            indexer,
            batch,
            inputs,
            writer.add,
            files=wanted,
            summary=summary,
            hashed=verify_hash,
            engine=engine,
        )
        n_removed = 0 if keep_missing else _remove_missing(writer, paths, found)
        writer.finish()
    if not batch.quiet and console.stderr_is_terminal() and n_removed:
        console.error(f"{n_removed:,} tracks removed, whose files are gone")
    click.get_current_context().exit(status)


def _new_or_changed(
    inputs: Inputs,
    writer: IndexWriter,
    summary: BatchSummary,
    found: set[str],
    *,
    by_hash: bool,
    retry_failed: bool,
) -> Iterator[AudioInput]:
    """Yield the files to read, each once, and collect the keys of all files that there are."""
    from dataclasses import replace

    for each in inputs.files():
        # Relative paths would mean something else from another folder.
        absolute = replace(each, path=os.path.abspath(each.path))
        if absolute.key in found:
            continue
        found.add(absolute.key)
        if writer.needs(absolute, by_hash=by_hash, retry_failed=retry_failed):
            yield absolute
        else:
            summary.add_earlier(failed=writer.entries[absolute.key].error is not None)


def _remove_missing(writer: IndexWriter, paths: tuple[str, ...], found: set[str]) -> int:
    """Remove the tracks below PATHS whose files are gone.

    If there is nothing at all below a path, it may be a drive that is not mounted: its tracks are kept.
    """
    n_removed = 0
    for path in paths:
        root = os.path.abspath(path)
        below = [key for key, entry in writer.entries.items() if _is_below(entry.path, root)]
        gone = [key for key in below if key not in found and not os.path.exists(writer.entries[key].path)]
        if len(gone) == sum(writer.entries[key].error is None for key in below) and gone:
            console.error(
                f"{path}: no audio files; the {len(gone):,} tracks of the index from there are kept"
            )
            continue
        for key in gone:
            writer.remove(key)
        n_removed += len(gone)
    return n_removed


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(os.path.join(root, ""))


def _info(folder: str) -> str:
    from tempocli.embedding.index.library import Library

    library = Library(folder)
    entries = library.entries.values()
    model = library.layout.settings["embedding"]["model"]
    tempo, profile = (library.layout.settings["tempo"].get(name) for name in ("model", "profile"))
    size = sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))
    lines = [
        f"tracks           {len(library.tracks):,}",
        f"without a tempo  {sum(entry.bpm is None for entry in library.tracks):,}",
        f"silent or short  {sum(entry.row is None and entry.error is None for entry in entries):,}",
        f"sections         {len(library.sections):,}" if library.layout.has_sections else "",
        f"failed           {sum(entry.error is not None for entry in entries):,}",
        f"embedding        {model['name']} {model['version']}",
        f"tempo            {tempo['name']} {tempo['version']}",
        f"profile          {profile}" if profile else "",
        f"size             {size / 1e6:,.1f} MB",
    ]
    return "".join(f"{line}\n" for line in lines if line)
