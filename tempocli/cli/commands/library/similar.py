"""``tempo similar``: music that is like a song, at its own tempo or another."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import click

from tempocli.cli import limits, options
from tempocli.cli.config.settings import asked_format
from tempocli.cli.terminal import console
from tempocli.cli.usage import completion
from tempocli.cli.usage.groups import GroupedCommand

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tempocli.cli.commands.library.songs import Song
    from tempocli.embedding.index.library import Library, Match
    from tempocli.output.matches import Row

_FORMATS = ("table", "text", "csv", "json", "m3u8")
_SUFFIXES = {".csv": "csv", ".json": "json", ".m3u8": "m3u8", ".m3u": "m3u8", ".txt": "text"}

_EXAMPLES = """\b
Examples:
  tempo similar song.mp3 --index library.tempo               the 20 tracks most like it
  tempo similar song.mp3 --index library.tempo --mixable     only tempi that mix with it
  tempo similar song.mp3 --index library.tempo --bpm 128     as if it were played at 128 BPM
  tempo similar song.mp3 --index library.tempo --faster 10%  as if it were played 10 % faster
  tempo similar song.mp3 --index library.tempo --weights timbre=1,rhythm=2,chroma=0
  tempo similar song.mp3 --index library.tempo --section 2   sections that are like its second one
  tempo similar a.mp3 --path b.mp3 --length 12 --index library.tempo -o way.m3u8

The song need not be in the index. It and copies of it are not among the answers.
Exit status: 0 success, 1 error or nothing found, 2 usage error, 130 interrupted.
"""


def _percent(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """Parse a percentage, such as 10 or 10%; a click callback."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*%?", text.strip(), re.ASCII)
    if not found:
        raise click.BadParameter(f"{text!r} is no percentage, such as 10%.", context, parameter)
    return float(found[1]) / 100.0


def _range(context: click.Context, parameter: click.Parameter, text: str | None) -> Any:
    """Parse a range of tempi, such as 120-130; a click callback."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*-\s*(\d{1,3}(?:\.\d+)?)", text.strip(), re.ASCII)
    if not found or float(found[1]) > float(found[2]):
        raise click.BadParameter(f"{text!r} is no range, such as 120-130.", context, parameter)
    return float(found[1]), float(found[2])


def _weights(context: click.Context, parameter: click.Parameter, text: str | None) -> Any:
    """Parse weights such as timbre=2,rhythm=1; a click callback."""
    if text is None:
        return None
    weights = {}
    for item in text.split(","):
        name, _, value = item.partition("=")
        try:
            weights[name.strip()] = float(value)
        except ValueError:
            message = f"{item!r} is no weight, such as timbre=2."
            raise click.BadParameter(message, context, parameter) from None
    return weights


@click.command("similar", cls=GroupedCommand, epilog=_EXAMPLES)
@click.argument("song", shell_complete=completion.files)
@click.option(
    "--index",
    "folder",
    metavar="INDEX",
    required=True,
    shell_complete=completion.folders,
    help="An index made by 'tempo index'.",
)
@click.option(
    "-n",
    "--number",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    metavar="N",
    help="Number of tracks.",
)
@click.option(
    "--bpm",
    type=click.FloatRange(options.MIN_BPM, options.MAX_BPM),
    metavar="BPM",
    help="Search as if SONG were played at this tempo.",
)
@click.option(
    "--faster", callback=_percent, metavar="PERCENT", help="... played this much faster, such as 10%."
)
@click.option("--slower", callback=_percent, metavar="PERCENT", help="... played this much slower.")
@click.option("--any-tempo", is_flag=True, help="Compare rhythms whatever their tempo.")
@click.option(
    "--bpm-range", callback=_range, metavar="LOW-HIGH", help="Only tracks with a tempo in this range."
)
@click.option(
    "--mixable", is_flag=True, help="Only tracks within 6 % of the tempo, or of its half or double."
)
@click.option(
    "--weights",
    callback=_weights,
    metavar="PART=W,...",
    help="Weights of the parts.  [default: timbre=1,rhythm=1,chroma=0.3]",
)
@click.option(
    "--path",
    "goal",
    metavar="SONG2",
    shell_complete=completion.files,
    help="A playlist from SONG to SONG2 in small steps.",
)
@click.option(
    "--length",
    type=click.IntRange(2, 1000),
    metavar="N",
    help="Tracks of the playlist, with both ends.  [default: 12]",
)
@click.option(
    "--section",
    metavar="N|LABEL",
    help="Search for a section of SONG, by number or label, among the sections of the index.",
)
@click.option("--copies", is_flag=True, help="Also list copies of SONG under other names.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(_FORMATS),
    help="Output format.  [default: from --output; else a table on a terminal, paths in a pipe]",
)
@click.option(
    "-o", "--output", metavar="FILE", shell_complete=completion.files, help="Write to FILE atomically."
)
@options.device
@limits.max_memory
@options.verbosity
def command(
    song: str,
    folder: str,
    number: int,
    bpm: float | None,
    faster: float | None,
    slower: float | None,
    any_tempo: bool,
    bpm_range: tuple[float, float] | None,
    mixable: bool,
    weights: dict[str, float] | None,
    goal: str | None,
    length: int | None,
    section: str | None,
    copies: bool,
    format_name: str | None,
    output: str | None,
    device: str,
    max_memory: int | None,
    verbose: bool,
    quiet: bool,
) -> None:
    """List the music of an index that is most like SONG, a file.

    Sound, rhythm and harmony are compared. With --bpm, --faster or --slower the rhythm is that of SONG at
    another tempo.
    """
    console.configure(verbose=verbose, quiet=quiet)
    if section is not None and goal is not None:
        raise click.UsageError("--path goes without --section.")
    _check(goal, length, bpm=bpm, faster=faster, slower=slower, any_tempo=any_tempo)
    format_name = asked_format(format_name, output, _SUFFIXES) or _format_of(output)
    options.check_overwrites((output,), (song, goal))
    from tempocli.cli.commands.library.songs import Reader
    from tempocli.embedding.index.library import Library, Query
    from tempocli.embedding.similarity import WEIGHTS, check_weights

    library = Library(folder)
    weights = weights or dict(WEIGHTS)
    try:
        check_weights(weights, library.layout.parts)
    except ValueError as error:
        raise click.UsageError(f"--weights: {error}.") from None
    reader = Reader(library, device, max_memory)
    asked = reader.read(song) if section is None else reader.read_section(song, section)
    rate = _rate(asked, bpm=bpm, faster=faster, slower=slower)
    wanted = None if asked.bpm is None else asked.bpm * rate
    allowed = _allowed(library, asked, wanted, bpm_range, mixable=mixable)
    query = Query(asked.parts, weights, rate, any_tempo)
    if section is not None:
        rows = _similar_sections(library, query, allowed, number=number, copies=copies)
    elif goal is None:
        rows = _rows(library.similar(query, number=number, allowed=allowed, copies=copies))
    else:
        rows = _rows(_playlist(library, asked, reader.read(goal), weights, length or 12, allowed))
    if not rows:
        console.error("nothing found")
    _write(_shown(format_name, rows, wanted), output)
    click.get_current_context().exit(0 if rows else 1)


def _check(goal: str | None, length: int | None, **tempo: Any) -> None:
    given = [f"--{name.replace('_', '-')}" for name, value in tempo.items() if value not in {None, False}]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} contradict each other.")
    if goal is not None and given:
        raise click.UsageError(f"--path goes without {given[0]}.")
    if length is not None and goal is None:
        raise click.UsageError("--length needs --path.")


def _format_of(output: str | None) -> str:
    if output is None:
        return "table" if console.stdout_is_terminal() else "text"
    suffix = os.path.splitext(output)[1].lower()
    if suffix not in _SUFFIXES:
        raise click.UsageError(f"No format is known by the suffix {suffix!r} of {output!r}: give --format.")
    return _SUFFIXES[suffix]


def _rate(song: Song, *, bpm: float | None, faster: float | None, slower: float | None) -> float:
    """Return the rate at which the song is to be heard."""
    from tempocli.embedding.translation import MAX_RATE

    rate = 1.0
    if bpm is not None:
        if song.bpm is None:
            raise click.UsageError("--bpm: no tempo was found in the song; --faster and --slower need none.")
        rate = bpm / song.bpm
    elif faster is not None:
        rate = 1.0 + faster
    elif slower is not None:
        rate = 1.0 - slower
    if not 1.0 / MAX_RATE <= rate <= MAX_RATE:
        raise click.UsageError(
            f"A song can be heard up to {MAX_RATE:g} times faster or slower, not {rate:.2f} times."
        )
    return rate


def _allowed(
    library: Library,
    song: Song,
    bpm: float | None,
    bpm_range: tuple[float, float] | None,
    *,
    mixable: bool,
) -> NDArray[np.bool_]:
    """Return which tracks of the library may be answers."""
    import numpy as np

    allowed = np.array([entry.path != song.path for entry in library.tracks], bool)
    if bpm_range is not None:
        bpms = library.bpms()
        allowed &= (bpms >= bpm_range[0]) & (bpms <= bpm_range[1])
    if mixable:
        if bpm is None:
            raise click.UsageError("--mixable: no tempo was found in the song.")
        allowed &= library.mixable(bpm)
    return allowed


def _playlist(
    library: Library,
    song: Song,
    goal: Song,
    weights: dict[str, float],
    length: int,
    allowed: NDArray[np.bool_],
) -> list[Match]:
    """Return the playlist, with both ends."""
    from tempocli.embedding.index.entries import Entry
    from tempocli.embedding.index.library import Match
    from tempocli.embedding.playlist import lead

    if song.path == goal.path:
        raise click.UsageError("--path: both songs are the same.")
    for end in (song, goal):
        allowed &= ~library.copies_of(end.parts)
    between = lead(
        library,
        song.parts,
        goal.parts,
        weights=weights,
        length=length,
        allowed=allowed,
        bpms=(song.bpm, goal.bpm),
    )
    if len(between) < length - 2:
        console.error(f"only {len(between) + 2} tracks: the index has no more that fit")
    first = Match(Entry(song.path, bpm=song.bpm), 1.0)
    last = Match(Entry(goal.path, bpm=goal.bpm), 1.0)
    return [first, *between, last]


def _similar_sections(
    library: Library, query: Any, allowed: NDArray[np.bool_], *, number: int, copies: bool
) -> list[Row]:
    """Return the best section of each track that may be an answer."""
    import numpy as np

    from tempocli.output.matches import Row
    from tempocli.schema import Part

    may = {entry.key: bool(is_allowed) for entry, is_allowed in zip(library.tracks, allowed, strict=True)}
    among = np.array([may[entry.key] for entry, _ in library.sections], bool)
    found = library.similar_sections(query, number=number, allowed=among, copies=copies)
    return [
        Row(
            each.entry.path,
            each.similarity,
            each.entry.bpm,
            Part(each.section.start, each.section.end - each.section.start),
            each.section.end - each.section.start,
            each.section.label,
        )
        for each in found
    ]


def _rows(matches: list[Match]) -> list[Row]:
    from tempocli.output.matches import Row

    return [
        Row(match.entry.path, match.similarity, match.entry.bpm, match.entry.part, match.entry.duration)
        for match in matches
    ]


def _shown(format_name: str, rows: list[Row], bpm: float | None) -> bytes:
    from tempocli.output import matches as written

    if format_name == "table":
        from tempocli.cli.terminal.matches import show_matches

        show_matches(rows, bpm)
        return b""
    return written.FORMATS[format_name](rows)


def _write(data: bytes, output: str | None) -> None:
    if output is None:
        console.write(data)
        return
    from tempocli.system.atomic_files import atomic_file

    with atomic_file(output) as file:
        file.write(data)
