"""A file of results that is never lost: rows are appended as they come, and it takes its name when whole."""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress
from io import BufferedWriter
from typing import TYPE_CHECKING

from tempocli.batch.stamps import is_unchanged
from tempocli.errors import OutputError
from tempocli.results.index import PathIndex
from tempocli.results.lock import lock_new, open_locked
from tempocli.results.rows import CsvRows, JsonRows
from tempocli.schema import input_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from types import TracebackType
    from typing import BinaryIO, Self

    from tempocli.results.rows import Row, RowFormat
    from tempocli.schema import FileResult
    from tempocli.writers import Layout

# Parquet cannot be appended to: while it is being made it is JSONL.
_ROW_FORMATS: dict[str, type[CsvRows | JsonRows]] = {"csv": CsvRows, "jsonl": JsonRows, "parquet": JsonRows}
FORMATS = frozenset(_ROW_FORMATS)
# How old the rows may be that a pulled plug costs; a disk takes milliseconds to make sure of them.
_SYNC_SECONDS = 1.0


def part_of(path: str) -> str:
    """Name the file that holds the results of `path` until it is whole."""
    return os.path.realpath(path) + ".part"


class ResultFile:
    """A result file that is being made; a context manager.

    Rows are appended to ``FILE.part``, which only one process at a time may have, and which takes the name
    FILE at the end. Whatever ends the process, rows that were written stay, and can be continued from.

    Parameters
    ----------
    path : str
        The file to make.
    format_name : str
        One of `FORMATS`.
    layout : Layout
        How numbers are written.
    resume : bool
        Whether ``FILE.part``, or else FILE, is continued. Without it, a FILE is replaced at the end.

    Raises
    ------
    OutputError
        On entering, if another process is at it, or an interrupted run's results would be overwritten.
    MissingExtraError
        On entering, if Parquet is asked for and pyarrow is not installed.
    OSError
        If it cannot be written.
    """

    def __init__(self, path: str, format_name: str, layout: Layout, *, resume: bool = False) -> None:
        self._name = path
        self._target = os.path.realpath(path)
        self.part = part_of(path)
        self._is_parquet = format_name == "parquet"
        self._rows: RowFormat = _ROW_FORMATS[format_name]()
        self._layout = layout
        self._resume = resume
        self._settings = ""
        self._index = PathIndex()
        self._index.freeze()
        self._end = 0  # of the last whole row
        self._synced = time.monotonic()
        self.n_rows = 0

    def __enter__(self) -> Self:
        if self._is_parquet:
            from tempocli.results import parquet

            parquet.require()
        if os.path.isdir(self._target):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self._name)
        self._file = self._open_part()
        if not self._resume and os.fstat(self._file.fileno()).st_size > len(self._rows.header):
            self._file.close()
            raise OutputError(
                f"{self.part}: has the results of an interrupted run; continue it with --resume, or delete it"
            )
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file.closed:
            return
        # What a run that failed before its first result leaves is nothing to continue.
        if os.fstat(self._file.fileno()).st_size <= len(self._rows.header):
            os.unlink(self.part)
        self._file.close()

    def begin(self, settings: str, *, by_hash: bool = False, without_failed: bool = False) -> None:
        """Find what can be kept of an earlier run.

        Parameters
        ----------
        settings : str
            All that an estimate depends on but the audio.
        by_hash : bool
            Whether files count as unchanged by their content, and not by size and time.
        without_failed : bool
            Whether inputs that failed are not kept, to be tried again.

        Raises
        ------
        OutputError
            If it was made with other settings.
        DataError
            If it is not a result file.
        """
        self._settings = settings
        if self._resume:
            self._keep(by_hash=by_hash, without_failed=without_failed)
        if not self._end:
            self._file.truncate(0)
            self._append(self._rows.header)

    def take(self, key: str) -> bool | None:
        """Tell whether an input is in the file already, and then whether it had failed; else None.

        An input that is named twice is in the file when it is there twice. `key` is that of
        `tempocli.schema.AudioInput`.
        """
        return self._index.take(key)

    def append(self, result: FileResult) -> None:
        """Add a result.

        Raises
        ------
        OSError
            If it cannot be written; the rows before it are whole.
        """
        self._append(self._rows.encode(result, self._layout, self._settings))
        self.n_rows += 1
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def finish(self) -> None:
        """Give the file its name, unless it has no rows."""
        if not self.n_rows:
            return
        os.fsync(self._file.fileno())
        if self._is_parquet:
            from tempocli.results import parquet

            parquet.from_json_lines(self.part, self._target)
            # Not before its successor and that one's name are sure to be on the disk.
            _sync_folder(self._target)
            os.unlink(self.part)
        else:
            with suppress(FileNotFoundError):
                os.chmod(self.part, stat.S_IMODE(os.stat(self._target).st_mode))
            os.replace(self.part, self._target)
        self._file.close()
        _sync_folder(self._target)

    def _append(self, data: bytes) -> None:
        try:
            while data:
                data = data[self._file.write(data) :]
            self._end = self._file.tell()
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(self._end)
            raise OSError(error.errno, error.strerror, self.part) from error

    def _open_part(self) -> FileIO:
        try:
            file = open_locked(self.part)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._name) from error
        if file is None:
            raise OutputError(f"{self._name}: another run is writing it")
        return file

    def _keep(self, *, by_hash: bool, without_failed: bool) -> None:
        """Put a copy with the rows that can be kept in the place of the part."""
        index, n_rows = PathIndex(), 0
        copy_path = f"{self.part}.new"
        copy = lock_new(copy_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        if copy is None:
            raise OutputError(f"{copy_path}: another run is writing it")
        try:
            buffered = BufferedWriter(copy)
            buffered.write(self._rows.header)
            for row, record in self._old_rows():
                if is_unchanged(row.path, row.stamp, by_hash=by_hash) and not (without_failed and row.failed):
                    buffered.write(record)
                    index.add(input_key(row.path, row.part), failed=row.failed)
                    n_rows += 1
            self._end = buffered.tell()
            buffered.detach()
            os.fsync(copy.fileno())
            os.replace(copy_path, self.part)
        except BaseException as error:
            copy.close()
            os.unlink(copy_path)
            if isinstance(error, OSError) and error.filename is None:
                raise OSError(error.errno, error.strerror, copy_path) from error
            raise
        index.freeze()
        self._index, self.n_rows = index, n_rows
        self._file.close()
        self._file = copy

    def _old_rows(self) -> Iterator[tuple[Row, bytes]]:
        is_part = os.fstat(self._file.fileno()).st_size > 0
        if not is_part and not os.path.exists(self._target):
            return
        name = self.part if is_part else self._name
        with self._open_old(is_part=is_part) as file:
            for row, record in self._rows.read(file, name):
                if row.settings != self._settings:
                    raise OutputError(
                        f"{name}: made with other settings ({row.settings}; now {self._settings}); "
                        "give the same, or another output"
                    )
                yield row, record

    def _open_old(self, *, is_part: bool) -> BinaryIO:
        if self._is_parquet and not is_part:
            from tempocli.results import parquet

            return parquet.to_json_lines(self._target)
        return open(self.part if is_part else self._target, "rb")


def _sync_folder(path: str) -> None:
    """Make sure of a file's name, where folders can be opened."""
    with suppress(OSError):
        descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
