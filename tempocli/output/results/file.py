"""A resumable result file: rows are appended to a partial file, which is renamed when complete."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from contextlib import suppress
from io import BufferedReader, BufferedWriter, FileIO
from typing import TYPE_CHECKING

from tempocli.errors import OutputError
from tempocli.output.results.index import PathIndex
from tempocli.output.results.part import fate, mark_of, open_part, part_of
from tempocli.output.results.rows import CsvRows, JsonRows
from tempocli.output.results.settings import difference
from tempocli.schema import input_key
from tempocli.system import temporary
from tempocli.system.atomic_files import atomic_file
from tempocli.system.fingerprints import is_unchanged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import BinaryIO, Self

    from tempocli.output.formats import Layout
    from tempocli.output.results.rows import Row, RowFormat
    from tempocli.schema import FileResult

# Parquet cannot be appended to: while it is being made it is JSONL.
_ROW_FORMATS: dict[str, type[CsvRows | JsonRows]] = {"csv": CsvRows, "jsonl": JsonRows, "parquet": JsonRows}
FORMATS = frozenset(_ROW_FORMATS)
# How old the rows may be that a pulled plug costs; a disk takes milliseconds to make sure of them.
_SYNC_SECONDS = 1.0
_COPY_SIZE = 1 << 20


class ResultFile:
    """A result file that is being written; a context manager.

    Rows are appended to ``FILE.part``, which is locked by one process and becomes FILE at the end. If the
    process is killed, the written rows remain, and the run can be resumed. A ``FILE.part`` that was not
    written by tempocli, or is a link, is refused and not changed.

    Parameters
    ----------
    path : str
        The file to make.
    format_name : str
        One of `FORMATS`.
    layout : Layout
        How numbers are written.
    resume : bool
        Whether to resume from ``FILE.part`` or, if missing, from FILE. Otherwise FILE is replaced at the end.
    rows : RowFormat, optional
        How results are written and read; by default, as estimates.

    Raises
    ------
    OutputError
        On entering, if another process is writing it, if results of an interrupted run would be overwritten,
        or if another file has the name. Later, if ``FILE.part`` has disappeared.
    MissingExtraError
        On entering, if the format is Parquet and pyarrow is not installed.
    OSError
        If it cannot be written.
    """

    def __init__(
        self,
        path: str,
        format_name: str,
        layout: Layout,
        *,
        resume: bool = False,
        rows: RowFormat | None = None,
    ) -> None:
        self._name = path
        self._target = os.path.realpath(path)
        self.part = part_of(path)
        self._format_name = format_name
        self._is_parquet = format_name == "parquet"
        self._mark = mark_of(format_name)
        self._rows: RowFormat = _ROW_FORMATS[format_name]() if rows is None else rows
        self._layout = layout
        self._resume = resume
        self._settings = ""
        self._index = PathIndex()
        self._index.freeze()
        self._end = 0  # of the last whole row
        self._synced = time.monotonic()
        self._n_synced = 0  # rows that are sure to be on the disk
        self.n_rows = 0

    def __enter__(self) -> Self:
        if self._is_parquet:
            from tempocli.output.results import parquet

            parquet.require()
        self._check_target()
        self._file = open_part(self.part, self._format_name, self._name)
        temporary.remove_leftovers(os.path.dirname(self._target))
        if not self._resume and self._has_rows():
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
        # A run that failed before its first result leaves nothing to resume.
        if not self._has_rows():
            self._remove_part()
        self._file.close()

    def begin(self, settings: str, *, by_hash: bool = False, without_failed: bool = False) -> None:
        """Read the rows of an earlier run that can be kept.

        Parameters
        ----------
        settings : str
            Record of everything except the audio that an estimate depends on.
        by_hash : bool
            Whether unchanged files are recognised by content instead of size and time.
        without_failed : bool
            Whether failed inputs are dropped, to be tried again.

        Raises
        ------
        OutputError
            If the file was written with other settings.
        DataError
            If it is not a result file.
        """
        self._settings = settings
        if self._resume:
            self._keep(by_hash=by_hash, without_failed=without_failed)
        if not self._end:
            self._file.truncate(0)
            self._append(self._mark + self._rows.header)

    def take(self, key: str) -> bool | None:
        """Return whether an input that is already in the file had failed; None if it is not in the file.

        Each call takes one entry, so an input named twice must be in the file twice. `key` is that of
        `tempocli.schema.AudioInput`.
        """
        return self._index.take(key)

    def append(self, result: FileResult) -> None:
        """Add a result.

        Raises
        ------
        OSError
            If it cannot be written; earlier rows remain complete.
        OutputError
            If ``FILE.part`` was deleted, moved or replaced, which is noticed within a second of work.
        """
        self._append(self._rows.encode(result, self._layout, self._settings))
        self.n_rows += 1
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            self._sync()
            self._synced = time.monotonic()

    def finish(self) -> None:
        """Rename the file to its final name, unless it has no rows.

        Raises
        ------
        OSError, OutputError
            If it cannot be made; ``FILE.part`` stays.
        """
        if not self.n_rows:
            return
        self._sync()
        self._check_target()
        with self._open_rows() as rows:
            if self._is_parquet:
                from tempocli.output.results import parquet

                parquet.from_json_lines(rows, self._target)
            else:
                with atomic_file(self._target) as file:
                    shutil.copyfileobj(rows, file, _COPY_SIZE)
        # Only after the new file and its name are safely on the disk.
        _sync_folder(self._target)
        self._remove_part()
        self._file.close()
        _sync_folder(self._target)

    def fate(self) -> str | None:
        """Describe what happened to ``FILE.part`` if it is not in its place; None if it is."""
        return fate(self._file.fileno(), self.part)

    @property
    def is_lost(self) -> bool:
        """Whether ``FILE.part`` no longer has a name, so that its content is lost when the process ends."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def _has_rows(self) -> bool:
        return os.fstat(self._file.fileno()).st_size > len(self._mark) + len(self._rows.header)

    def _remove_part(self) -> None:
        # Somebody else's file may have taken its place; and what cannot be removed does no harm.
        if self.fate() is None:
            with suppress(OSError):
                os.unlink(self.part)

    def _check_target(self) -> None:
        """Refuse to replace what is no regular file, and a name that no file can have."""
        try:
            mode = os.lstat(self._target).st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._name) from error
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self._name)
        if not stat.S_ISREG(mode):
            raise OutputError(f"{self._name}: is not a regular file, which could be continued")

    def _sync(self) -> None:
        """Flush all rows and the name of the file to the disk."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self.n_rows = self._n_synced
            raise OSError(error.errno, error.strerror, self.part) from error
        self._n_synced = self.n_rows
        if (now := self.fate()) is not None:
            raise OutputError(f"{self.part}: {now} during the run, so that no more results can be kept")

    def _append(self, data: bytes) -> None:
        try:
            while data:
                data = data[self._file.write(data) :]
            self._end = self._file.tell()
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(self._end)
            raise OSError(error.errno, error.strerror, self.part) from error

    def _keep(self, *, by_hash: bool, without_failed: bool) -> None:
        """Replace the part by a copy with the rows that can be kept."""
        index, n_rows = PathIndex(), 0
        try:
            copy_path, copy = temporary.make_file(os.path.dirname(self.part), ".tmp")
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._name) from error
        try:
            buffered = BufferedWriter(copy)
            buffered.write(self._mark + self._rows.header)
            for row, record in self._old_rows():
                if is_unchanged(row.path, row.fingerprint, by_hash=by_hash) and not (
                    without_failed and row.failed
                ):
                    buffered.write(record)
                    index.add(input_key(row.path, row.part), failed=row.failed)
                    n_rows += 1
            self._end = buffered.tell()
            buffered.detach()
            os.fsync(copy.fileno())
            if (now := self.fate()) is not None:
                raise OutputError(f"{self.part}: {now} during the run")
            os.replace(copy_path, self.part)
        except BaseException as error:
            temporary.discard(copy_path, copy)
            if isinstance(error, OSError) and error.filename in {None, copy_path}:
                raise OSError(error.errno, error.strerror, self.part) from error
            raise
        index.freeze()
        self._index, self.n_rows, self._n_synced = index, n_rows, n_rows
        self._file.close()
        self._file = copy

    def _old_rows(self) -> Iterator[tuple[Row, bytes]]:
        is_part = os.fstat(self._file.fileno()).st_size > len(self._mark)
        if not is_part and not os.path.exists(self._target):
            return
        name = self.part if is_part else self._name
        with self._open_rows() if is_part else self._open_target() as file:
            for row, record in self._rows.read(file, name):
                if row.settings != self._settings:
                    raise OutputError(
                        f"{name}: {difference(row.settings, self._settings)}; give another output"
                    )
                yield row, record

    def _open_target(self) -> BinaryIO:
        if self._is_parquet:
            from tempocli.output.results import parquet

            return parquet.to_json_lines(self._target)
        return open(self._target, "rb")

    def _open_rows(self) -> BinaryIO:
        """Open the part behind its mark, by the locked descriptor: its name may have changed hands."""
        file = BufferedReader(FileIO(os.dup(self._file.fileno())))
        file.seek(len(self._mark))
        return file


def _sync_folder(path: str) -> None:
    """Flush the name of a file to the disk, on systems where folders can be opened."""
    with suppress(OSError):
        descriptor = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
