"""Where results go: a table on a terminal, a stream, a file written whole, or one that can be continued."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from tempocli import writers
from tempocli.cli import console
from tempocli.writers.files import atomic_file
from tempocli.writers.terminal import printable_json, printable_result

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tempocli.results import ResultFile
    from tempocli.schema import FileResult

# Those that can grow row by row, and be continued; the names of `tempocli.results.FORMATS`.
GROWING = frozenset({"csv", "jsonl", "parquet"})
_JSON_FORMATS = frozenset({"json", "jsonl", "jams"})


class Sink(Protocol):
    """What takes results."""

    def write(self, results: Iterable[FileResult]) -> None:
        """Write them as they come."""


@dataclass(frozen=True, slots=True)
class View:
    """How results are shown.

    Attributes
    ----------
    format_name : str
        One of `tempocli.writers.FORMATS`, or ``parquet``.
    layout : Layout
        How numbers and names are written.
    output : str or None
        The file to write, or ``None`` for stdout.
    single : bool
        Whether there is exactly one input.
    """

    format_name: str
    layout: writers.Layout
    output: str | None
    single: bool

    @property
    def is_on_terminal(self) -> bool:
        """Whether a person reads it as it is written."""
        return self.output is None and console.stdout_is_terminal()

    @property
    def is_table(self) -> bool:
        """Whether it is a table for a person."""
        return self.format_name == "text" and self.is_on_terminal

    @property
    def is_bare(self) -> bool:
        """Whether it is numbers without a word about them."""
        return self.format_name in {"text", "mirex"} and not self.is_table

    @property
    def has_room_for_progress(self) -> bool:
        """Whether no results would run through what is said about progress."""
        streams = self.is_on_terminal and self.format_name not in {"text", "json"}
        return not self.single and not (streams and console.stderr_is_terminal())

    @property
    def can_be_continued(self) -> bool:
        """Whether results go to a file that grows row by row."""
        return self.format_name in GROWING and self.output is not None and _is_plain(self.output)


def _is_plain(path: str) -> bool:
    """Tell whether a path is a regular file, or a folder (which is refused later), or none yet."""
    try:
        return stat.S_ISREG(mode := os.stat(path).st_mode) or stat.S_ISDIR(mode)
    except OSError:
        return True


class Stream:
    """Results in a format of `tempocli.writers`, to stdout or an open file."""

    def __init__(self, view: View, file: BinaryIO | None) -> None:
        self._view = view
        self._put = console.write if file is None else file.write

    def write(self, results: Iterable[FileResult]) -> None:
        """Write them as they come, if the format allows."""
        view = self._view
        # Raw characters are for programs; on a terminal they could steer it.
        is_json = view.format_name in _JSON_FORMATS
        if view.is_on_terminal and not is_json:
            results = map(printable_result, results)
        for piece in writers.write(view.format_name, results, view.layout):
            self._put(writers.encode(printable_json(piece) if view.is_on_terminal and is_json else piece))


class Table:
    """Results for a person."""

    def __init__(self, view: View) -> None:
        self._view = view

    def write(self, results: Iterable[FileResult]) -> None:
        """Show one at once, several at the end."""
        from tempocli.cli import display

        show = display.show_one if self._view.single else display.show_many
        show(results, self._view.layout)


class Growing:
    """Results in a file that can be continued."""

    def __init__(self, file: ResultFile) -> None:
        self._file = file

    def write(self, results: Iterable[FileResult]) -> None:
        """Append them as they come."""
        for result in results:
            self._file.append(result)


@contextmanager
def plain_sink(view: View) -> Iterator[Sink]:
    """Open what results go to, if it cannot be continued; a file appears whole or not at all."""
    if view.is_table:
        yield Table(view)
    elif view.output is None:
        yield Stream(view, None)
    else:
        with atomic_file(view.output) as file:
            yield Stream(view, file)


@contextmanager
def growing_file(view: View, *, resume: bool) -> Iterator[ResultFile]:
    """Open a result file; if it does not become whole, say what is left of it."""
    from tempocli.results import ResultFile

    assert view.output is not None
    with ResultFile(view.output, view.format_name, view.layout, resume=resume) as file:
        try:
            yield file
        except BaseException:
            if file.n_rows:
                console.error(_what_is_kept(file))
            raise


def _what_is_kept(file: ResultFile) -> str:
    fate = file.fate()
    if fate is None:
        return f"{file.n_rows} results are kept in {file.part}: the same command with --resume goes on"
    if file.is_lost:
        return f"{file.n_rows} results are lost: {file.part} {fate}"
    return f"{file.n_rows} results are no longer in {file.part}, which {fate}, but wherever it is now"
