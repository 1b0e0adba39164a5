"""Beats and bars in the formats of researchers, audio editors and sequencers.

Each format is a function from results to pieces of the output, one or more for each result.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


class BeatWriter:
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
        self._format: Format = getattr(module, f"write_{name}")
        self._header: str = module.HEADERS[grid] if name == "csv" else ""
        self._write, self._layout, self._grid = write, layout, grid
        self._kept: list[FileResult] | None = [] if name == "json" else None

    def add(self, result: FileResult) -> None:
        """Write one result."""
        if self._kept is None:
            self._put([result])
        else:
            self._kept.append(result)

    def close(self) -> None:
        """Write what is left."""
        if self._kept is not None:
            self._put(self._kept)

    def _put(self, results: Iterable[FileResult]) -> None:
        for piece in self._format(results, self._layout, grid=self._grid):
            whole = self._header + piece if isinstance(piece, str) else piece
            self._header = ""
            self._write(encode(whole) if isinstance(whole, str) else whole)
