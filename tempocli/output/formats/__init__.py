"""Results as text: each format is a function from results to the pieces of text that make up the output.

Text, CSV, TSV and JSONL yield one piece a result as it comes, so that they can be streamed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from tempocli.output.formats.layout import Layout, encode, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tempocli.schema import FileResult

    Format = Callable[[Iterable[FileResult], Layout], Iterator[str]]

__all__ = ["CURVE_FORMATS", "FORMATS", "SINGLE_FORMATS", "SUFFIXES", "Layout", "encode", "printable", "write"]

# The module of each format, with a function `write_NAME`; imported on use: a plain number needs no JSON.
_HOMES = {
    "text": "lines",
    "csv": "lines",
    "tsv": "lines",
    "json": "documents",
    "jsonl": "documents",
    "jams": "documents",
    "mirex": "lines",
}
FORMATS = tuple(_HOMES)
# JAMS and MIREX describe one track; only the JSON formats have a place for tempo over time.
SINGLE_FORMATS = frozenset({"jams", "mirex"})
CURVE_FORMATS = frozenset({"json", "jsonl"})
# A format has its name as its suffix; these are the others.
SUFFIXES = {"": "text", ".txt": "text", ".ndjson": "jsonl"} | {
    f".{name}": name for name in FORMATS if name != "text"
}


def write(name: str, results: Iterable[FileResult], layout: Layout) -> Iterator[str]:
    """Write results in a format.

    Parameters
    ----------
    name : str
        One of `FORMATS`.
    results : iterable of FileResult
        Taken one at a time.
    layout : Layout
        How numbers and names are written.

    Yields
    ------
    str
        Pieces of the output; `encode` turns them into bytes. No piece at all when there is nothing to
        say, as when the only input of a format without a place for errors failed.
    """
    function: Format = getattr(import_module(f"tempocli.output.formats.{_HOMES[name]}"), f"write_{name}")
    return function(results, layout)
