"""Write results in a format that is a function from results to pieces of the output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tempocli.output.formats.layout import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tempocli.output.formats.layout import Layout
    from tempocli.schema import FileResult

    Format = Callable[[Iterable[FileResult], Layout], Iterator[str | bytes]]


class PieceWriter:
    """Writes results to a stream as they arrive, or all of them at the end.

    Parameters
    ----------
    write : callable
        Takes the bytes of the output.
    pieces : callable
        The format: from results and a layout to pieces of the output, one or more for each result.
    layout : Layout
        How numbers and names are written.
    header : str
        What comes before the first piece.
    whole : bool
        Whether all results make one document.
    """

    def __init__(
        self,
        write: Callable[[bytes], Any],
        pieces: Format,
        layout: Layout,
        *,
        header: str = "",
        whole: bool = False,
    ) -> None:
        self._write, self._pieces, self._layout, self._header = write, pieces, layout, header
        self._kept: list[FileResult] | None = [] if whole else None

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
        for piece in self._pieces(results, self._layout):
            whole = self._header + piece if isinstance(piece, str) else piece
            self._header = ""
            self._write(encode(whole) if isinstance(whole, str) else whole)
