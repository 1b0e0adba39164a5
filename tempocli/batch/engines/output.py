"""Output files: written atomically, or appended to and resumable."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from tempocli.output import formats as writers
from tempocli.system.atomic_files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tempocli.output.results import ResultFile
    from tempocli.schema import FileResult

# Formats that can be appended to and resumed; the names of `tempocli.output.results.FORMATS`.
GROWING = frozenset({"csv", "jsonl", "parquet"})


class Sink(Protocol):
    """Interface of an output of results."""

    def write(self, results: Iterable[FileResult]) -> None:
        """Write results as they arrive."""


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """An output file of results.

    Attributes
    ----------
    path : str
        The file to write.
    format_name : str
        One of `tempocli.output.formats.FORMATS`, or ``parquet``.
    layout : Layout
        How numbers and names are written.
    """

    path: str
    format_name: str
    layout: writers.Layout

    @property
    def can_be_continued(self) -> bool:
        """Whether the output can be resumed."""
        return self.format_name in GROWING and _is_plain(self.path)


def _is_plain(path: str) -> bool:
    """Return whether a path is a regular file, a folder (refused later), or does not exist."""
    try:
        return stat.S_ISREG(mode := os.stat(path).st_mode) or stat.S_ISDIR(mode)
    except OSError:
        return True


class WholeOutput:
    """Results in a format of `tempocli.output.formats`, to an open file.

    Attributes
    ----------
    settings : str
        The settings of the results, see `tempocli.output.results.settings.canonical`; CSV has them.
    """

    settings = ""

    def __init__(self, spec: OutputSpec, file: BinaryIO) -> None:
        self._spec = spec
        self._file = file

    def write(self, results: Iterable[FileResult]) -> None:
        """Write results as they arrive, if the format allows."""
        for piece in encoded(results, self._spec.format_name, self._spec.layout, self.settings):
            self._file.write(piece)


def encoded(
    results: Iterable[FileResult], format_name: str, layout: writers.Layout, settings: str
) -> Iterator[bytes]:
    """Yield results in a format; CSV has the columns that it has in a file that can be continued."""
    if format_name == "csv":
        from tempocli.output.results.rows import csv_pieces

        return csv_pieces(results, layout, settings)
    return map(writers.encode, writers.write(format_name, results, layout))


class GrowingOutput:
    """Results in a resumable file.

    Attributes
    ----------
    file : ResultFile
    """

    def __init__(self, file: ResultFile) -> None:
        self.file = file

    def write(self, results: Iterable[FileResult]) -> None:
        """Append results as they arrive."""
        for result in results:
            self.file.append(result)


@contextmanager
def open_whole(spec: OutputSpec) -> Iterator[WholeOutput]:
    """Open a file that is written atomically."""
    with atomic_file(spec.path) as file:
        yield WholeOutput(spec, file)


@contextmanager
def open_growing(spec: OutputSpec, *, resume: bool) -> Iterator[GrowingOutput]:
    """Open a resumable file; errors are those of `tempocli.output.results.ResultFile`."""
    from tempocli.output.results import ResultFile

    with ResultFile(spec.path, spec.format_name, spec.layout, resume=resume) as file:
        yield GrowingOutput(file)
