"""Text formats of results: each format is a function from results to pieces of the output text.

Text, CSV, TSV and JSONL yield one piece per result, so that they can be streamed.
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
# JAMS and MIREX describe one track; only the JSON formats can contain the tempo curve.
SINGLE_FORMATS = frozenset({"jams", "mirex"})
CURVE_FORMATS = frozenset({"json", "jsonl"})
# Suffixes that differ from the name of their format.
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
        Pieces of the output, to be encoded by `encode`. None if there is nothing to write, for example if
        the only input failed and the format has no field for errors.
    """
    function: Format = getattr(import_module(f"tempocli.output.formats.{_HOMES[name]}"), f"write_{name}")
    return function(results, layout)
