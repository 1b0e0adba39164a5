"""The sections of songs in the formats of researchers and audio editors.

Each format is a function from results to pieces of the output, one or more for each result.
"""

from __future__ import annotations

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
    "lab": "lines",
    "audacity": "lines",
}
FORMATS = tuple(_HOMES)
# These describe one track.
SINGLE_FORMATS = frozenset({"jams", "lab", "audacity"})
SUFFIXES = {
    "": "text",
    ".txt": "text",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jams": "jams",
    ".lab": "lab",
}


class FormWriter(PieceWriter):
    """Writes results to a stream as they arrive; a JSON document at the end.

    Parameters
    ----------
    write : callable
        Takes the bytes of the output.
    name : str
        One of `FORMATS`.
    layout : Layout
        How numbers and names are written.
    """

    def __init__(self, write: Callable[[bytes], Any], name: str, layout: Layout) -> None:
        module = import_module(f"tempocli.output.form.{_HOMES[name]}")
        header = module.HEADER if name == "csv" else ""
        super().__init__(write, getattr(module, f"write_{name}"), layout, header=header, whole=name == "json")
