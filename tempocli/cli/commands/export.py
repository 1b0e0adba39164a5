"""``tempo export``: tempi and beat grids for DJ software."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tempocli.cli import options
from tempocli.cli.terminal import console
from tempocli.cli.usage import completion
from tempocli.errors import DataError, OutputError, TempoError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tempocli.output.dj.tracks import DjTrack

_EXAMPLES = """\b
Examples:
  tempo beats ~/Music -o beats.jsonl                             first, find the beats
  tempo export --to rekordbox-xml beats.jsonl -o rekordbox.xml   then import the file in rekordbox
  tempo export --to traktor-nml beats.jsonl -o collection.nml    in Traktor
  tempo segment ~/Music -o sections.jsonl                        cue points, too: where sections begin
  tempo export --to rekordbox-xml beats.jsonl --sections sections.jsonl -o rekordbox.xml
  tempo export --to m3u tempi.csv -o playlist.m3u8               a playlist; needs no beats
  tempo export --to serato-tags beats.jsonl -o before.json       into the tags of the files (experimental)
  tempo export --restore before.json                             undo that
  tempo export --to mixxx beats.jsonl -o mixxxdb.sqlite          into Mixxx's library (experimental)

Exit status: 0 success, 1 error, 2 usage error, 3 some files failed, 130 interrupted.
"""
_WITH_CUES = ("rekordbox-xml", "traktor-nml")
_EXPERIMENTAL = ("serato-tags", "mixxx")
_BACKUP_FORMAT = "tempo: beat grids of Serato, before"


@click.command("export", epilog=_EXAMPLES)
@click.argument("results", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option(
    "--to",
    "kind",
    type=click.Choice(["rekordbox-xml", "traktor-nml", "m3u", *_EXPERIMENTAL]),
    help="What to export to.",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    shell_complete=completion.files,
    help="File to write; for serato-tags, the backup of the earlier tags; for mixxx, the library to change.",
)
@click.option(
    "--sections",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Result file of 'tempo segment' (.jsonl, .json): cue points where sections begin.",
)
@click.option("--name", default="tempo", show_default=True, help="Name of the playlist.")
@click.option(
    "--restore",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the tags in a backup of serato-tags back to their files.",
)
@click.option("-q", "--quiet", is_flag=True, help="Show errors only.")
def command(
    results: Path | None,
    kind: str | None,
    output: str | None,
    sections: Path | None,
    name: str,
    restore: Path | None,
    quiet: bool,
) -> None:
    """Export tempi and beat grids for DJ software.

    RESULTS is a file that 'tempo beats' wrote (.jsonl, .json), or 'tempo segment' or 'tempo estimate'
    (also .csv), which have no grid.
    """
    console.configure(verbose=False, quiet=quiet)
    if restore is not None:
        if any(each is not None for each in (results, kind, output, sections)):
            raise click.UsageError("--restore takes no other file and no --to.")
        click.get_current_context().exit(_restore(restore))
    if results is None or kind is None:
        raise click.UsageError("Give --to FORMAT and a result file, such as beats.jsonl.")
    if output is None:
        raise click.UsageError(f"--to {kind} needs --output FILE.")
    if sections is not None and kind not in _WITH_CUES:
        raise click.UsageError(f"--sections goes with --to {' and '.join(_WITH_CUES)}.")
    options.check_overwrites((output,), (str(results), None if sections is None else str(sections)))
    tracks, n_without = _read(results, with_beats=kind in _EXPERIMENTAL)
    if n_without and not quiet:
        what = "beats" if kind in _EXPERIMENTAL else "a tempo"
        console.error(f"{results}: {n_without:,} results without {what} are left out")
    if sections is not None:
        from tempocli.output.dj.tracks import add_cues

        tracks, n_bare = add_cues(tracks, sections)
        if n_bare and not quiet:
            console.error(f"{sections}: {n_bare:,} tracks have no sections in it")
    if not tracks:
        raise DataError(f"{results}: has no tracks to export")
    status = 0
    if kind == "serato-tags":
        status = _to_serato(tracks, output)
    elif kind == "mixxx":
        _to_mixxx(tracks, Path(output), quiet=quiet)
    else:
        from tempocli.output.dj.collections import COLLECTIONS
        from tempocli.system.atomic_files import atomic_file

        data = COLLECTIONS[kind](tracks, name=name)
        with atomic_file(output) as file:
            file.write(data)
    click.get_current_context().exit(status)


def _read(path: Path, *, with_beats: bool) -> tuple[Sequence[DjTrack], int]:
    from tempocli.output.dj.tracks import read_tracks

    tracks, n_without = read_tracks(path)
    if not with_beats:
        return tracks, n_without
    usable = [track for track in tracks if track.grid]
    return usable, n_without + len(tracks) - len(usable)


def _to_mixxx(tracks: Iterable[DjTrack], database: Path, *, quiet: bool) -> None:
    from tempocli.output.dj.mixxx import update_library

    done = update_library(database, tracks)
    if quiet:
        return
    parts = [f"{done.n_updated:,} tracks updated"]
    if done.n_locked:
        parts.append(f"{done.n_locked:,} locked")
    if done.n_unknown:
        parts.append(f"{done.n_unknown:,} not in the library")
    console.error(f"{database}: {', '.join(parts)}; as it was before: {done.backup}")


def _to_serato(tracks: Sequence[DjTrack], backup: str) -> int:
    """Write the grids into the tags of their files; return the exit status."""
    from tempocli.audio import tags
    from tempocli.output.dj.serato import grid_bytes
    from tempocli.system.atomic_files import atomic_file

    tags.require()
    if os.path.lexists(backup):
        raise OutputError(f"{backup}: exists; give another name for the backup")
    before: dict[str, str | None] = {}
    n_failed = 0
    for track in tracks:
        try:
            old = tags.read_serato(track.path)
        except TempoError as error:
            console.error(str(error))
            n_failed += 1
            continue
        before[track.path] = None if old is None else base64.b64encode(old).decode()
    # All of it is safe before the first file changes.
    with atomic_file(backup) as file:
        record = {"format": _BACKUP_FORMAT, "grids": before}
        file.write(json.dumps(record, indent=1).encode() + b"\n")
    grids = {track.path: grid_bytes(track) for track in tracks if track.path in before}
    return _write_all(grids, n_failed)


def _restore(backup: Path) -> int:
    from tempocli.audio import tags

    tags.require()
    try:
        record = json.loads(backup.read_text(encoding="utf-8"))
        if record["format"] != _BACKUP_FORMAT:
            raise ValueError
        grids = {str(path): _decoded(text) for path, text in record["grids"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{backup}: not a backup of tempo export --to serato-tags") from error
    return _write_all(grids, 0)


def _decoded(text: Any) -> bytes | None:
    return None if text is None else base64.b64decode(text, validate=True)


def _write_all(grids: dict[str, bytes | None] | dict[str, bytes], n_failed: int) -> int:
    from tempocli.audio import tags

    n_written = 0
    for path, grid in grids.items():
        try:
            tags.write_serato(path, grid)
        except TempoError as error:
            console.error(str(error))
            n_failed += 1
        else:
            n_written += 1
    if not n_failed:
        return 0
    return 3 if n_written else 1
