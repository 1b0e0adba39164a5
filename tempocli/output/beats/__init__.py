"""Beats and bars in the formats of researchers, audio editors and sequencers.

Each format is a function from results to pieces of the output, one or more for each result.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from tempocli.output.formats.layout import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tempocli.output.formats import Layout
    from tempocli.schema import FileResult

    Format = Callable[..., Iterator[str | bytes]]

# The module of each format, with a function `write_NAME`.
_HOMES = {
    "text": "lines",
    "csv": "lines",
    "json": "documents",
    "jsonl": "documents",
    "jams": "documents",
    "beats": "lines",
    "audacity": "lines",
    "midi": "midi",
}
FORMATS = tuple(_HOMES)
# These describe one track.
SINGLE_FORMATS = frozenset({"jams", "beats", "audacity", "midi"})
# Those that can have the grid in place of the beats; JSON has both.
GRID_FORMATS = frozenset({"text", "csv", "midi"})
SUFFIXES = {
    "": "text",
    ".txt": "text",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jams": "jams",
    ".beats": "beats",
    ".mid": "midi",
    ".midi": "midi",
}


def write_beats(
    name: str, results: Iterable[FileResult], layout: Layout, *, grid: bool = False
) -> Iterator[bytes]:
    """Write results in a format.

    Parameters
    ----------
    name : str
        One of `FORMATS`.
    results : iterable of FileResult
        Taken one at a time.
    layout : Layout
        How numbers and names are written.
    grid : bool
        Whether to write the grid; only for `GRID_FORMATS`.

    Yields
    ------
    bytes
    """
    function: Format = getattr(import_module(f"tempocli.output.beats.{_HOMES[name]}"), f"write_{name}")
    for piece in function(results, layout, grid=grid):
        yield encode(piece) if isinstance(piece, str) else piece
