"""Results on stdout, and messages about the state of a result file."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tempocli.batch.engines.output import OutputSpec, encoded
from tempocli.cli.terminal import console
from tempocli.output import formats as writers
from tempocli.output.formats.terminal import printable_json, printable_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tempocli.batch.engines.output import Sink
    from tempocli.output.results import ResultFile
    from tempocli.schema import FileResult

_JSON_FORMATS = frozenset({"json", "jsonl", "jams"})


@dataclass(frozen=True, slots=True)
class View:
    """Format and destination of the results.

    Attributes
    ----------
    format_name : str
        One of `tempocli.output.formats.FORMATS`, or ``parquet``.
    layout : Layout
        Format of numbers and names.
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
        """Whether results are written to a terminal."""
        return self.output is None and console.stdout_is_terminal()

    @property
    def is_table(self) -> bool:
        """Whether results are shown as a table on a terminal."""
        return self.format_name == "text" and self.is_on_terminal

    @property
    def is_bare(self) -> bool:
        """Whether the output is plain numbers, without notes."""
        return self.format_name in {"text", "mirex"} and not self.is_table

    @property
    def has_room_for_progress(self) -> bool:
        """Whether progress can be shown without mixing with the results on the terminal."""
        streams = self.is_on_terminal and self.format_name not in {"text", "json"}
        return not self.single and not (streams and console.stderr_is_terminal())

    @property
    def spec(self) -> OutputSpec | None:
        """The output file, or ``None`` for stdout."""
        return None if self.output is None else OutputSpec(self.output, self.format_name, self.layout)

    @property
    def can_be_continued(self) -> bool:
        """Whether results go to a file that is written row by row and can be resumed."""
        return self.spec is not None and self.spec.can_be_continued


class Stream:
    """Writes results to stdout in a format of `tempocli.output.formats`.

    Parameters
    ----------
    view : View
        Format and layout.
    settings : callable
        Returns the settings of the results, which are known when the first one is there.
    """

    def __init__(self, view: View, settings: Callable[[], str]) -> None:
        self._view = view
        self._settings = settings

    def write(self, results: Iterable[FileResult]) -> None:
        """Write the results as they arrive, if the format allows it."""
        view = self._view
        # On a terminal, control characters in names could change its state; programs get them unchanged.
        is_json = view.format_name in _JSON_FORMATS
        if view.is_on_terminal and not is_json:
            results = map(printable_result, results)
        if view.is_on_terminal and is_json:
            for piece in writers.write(view.format_name, results, view.layout):
                console.write(writers.encode(printable_json(piece)))
        else:
            for data in encoded(results, view.format_name, view.layout, self._settings()):
                console.write(data)


class Table:
    """Shows results as a table on a terminal."""

    def __init__(self, view: View) -> None:
        self._view = view

    def write(self, results: Iterable[FileResult]) -> None:
        """Show a single result at once, several at the end."""
        from tempocli.cli.terminal import display

        show = display.show_one if self._view.single else display.show_many
        show(results, self._view.layout)


def shown_sink(view: View, settings: Callable[[], str]) -> Sink:
    """Return the sink that shows results on stdout; for `settings` see `Stream`."""
    return Table(view) if view.is_table else Stream(view, settings)


@contextmanager
def saying_what_is_kept(file: ResultFile) -> Iterator[None]:
    """If the block fails, print what is kept of the unfinished result file."""
    try:
        yield
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
