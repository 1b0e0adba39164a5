"""``tempo label --write-tags``: write labels into the tags of their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.audio import tags
from tempocli.batch.tag_worker import TagWorker
from tempocli.cli.terminal import console
from tempocli.cli.terminal.words import input_name
from tempocli.errors import TagError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from tempocli.cli.batches import BatchOptions
    from tempocli.schema import FileResult


class LabelTags:
    """Writes labels into a field of tags, in a process of its own with limits; a context manager.

    Parameters
    ----------
    field : str
        Name of the field.
    batch : BatchOptions
        Limits of time and memory.
    overwrite : bool
        Whether to replace other values.
    dry_run : bool
        Whether to say only what would be written.

    Attributes
    ----------
    n_failed : int
        Files whose tags could not be written.
    """

    def __init__(self, field: str, batch: BatchOptions, *, overwrite: bool, dry_run: bool) -> None:
        tags.require()
        self._field, self._overwrite, self._dry_run = field, overwrite, dry_run
        self._worker = TagWorker(timeout=batch.timeout, max_memory=batch.max_memory)
        self.n_failed = 0

    def __enter__(self) -> Self:
        self._worker.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._worker.__exit__(exc_type, exc, traceback)

    def tag(self, result: FileResult, labels: list[str]) -> None:
        """Write the labels of a file; nothing is written if there are none, or they are there already."""
        if not labels:
            return
        name = input_name(result.path, result.part)
        if result.part is not None:
            self._failed(name, "the label of a part is not the file's")
            return
        new = "; ".join(labels)
        try:
            old = self._worker.read_field(result.path, self._field)
            if old == new:
                return
            if self._dry_run:
                console.error(f"{name}: {self._field} {old or 'none'} -> {new}")
            elif old is not None and not self._overwrite:
                self._failed(name, f"{self._field} says {old}, not {new}; --overwrite replaces it")
            else:
                self._worker.write_field(result.path, self._field, new)
        except TagError as error:
            self._failed(name, error.reason)

    def _failed(self, name: str, reason: str) -> None:
        self.n_failed += 1
        console.error(f"{name}: tag not written: {reason}")
