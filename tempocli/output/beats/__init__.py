"""Beats and bars in the formats of researchers, audio editors and sequencers.

Each format is a function from results to pieces of the output, one or more for each result.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tempocli.output.formats.pieces import PieceWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from tempocli.output.formats import Layout

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


class BeatWriter(PieceWriter):
    """Writes results to a stream as they arrive; a JSON document at the end.

    Parameters
    ----------
    write : callable
        Takes the bytes of the output.
    name : str
        One of `FORMATS`.
    layout : Layout
        How numbers and names are written.
    grid : bool
        Whether to write the grid; only for `GRID_FORMATS`.
    """

    def __init__(
        self, write: Callable[[bytes], Any], name: str, layout: Layout, *, grid: bool = False
    ) -> None:
        module = import_module(f"tempocli.output.beats.{_HOMES[name]}")
        pieces = partial(getattr(module, f"write_{name}"), grid=grid)
        header = module.HEADERS[grid] if name == "csv" else ""
        super().__init__(write, pieces, layout, header=header, whole=name == "json")
