"""The file of corrections: CSV that is only ever appended to, and on the disk before a correction counts."""

from __future__ import annotations

import csv
import io
import logging
import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tempocli.errors import DataError, OutputError
from tempocli.output.formats.layout import decode, encode
from tempocli.output.formats.lines import quote
from tempocli.output.results.rows import read_part
from tempocli.schema import input_key
from tempocli.system.locks import open_locked

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from tempocli.schema import Part

logger = logging.getLogger(__name__)

COLUMNS = ("path", "bpm", "action", "first_beat", "time", "part_start", "part_duration")
ACTIONS = ("correct", "accept", "undo")
_HEADER = encode(",".join(COLUMNS) + "\n")


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person said about a track.

    Attributes
    ----------
    action : str
        ``"correct"``, or ``"accept"`` if the estimate is right.
    bpm : float
        The tempo in BPM.
    first_beat : float or None
        Time of the first downbeat of the grid that was heard, in seconds, if known.
    """

    action: str
    bpm: float
    first_beat: float | None = None


class CorrectionLog:
    """A file of corrections; a context manager, thread-safe.

    The last row of a track is what counts. A row with the action ``undo`` has the tempo that counts again,
    or none. Each row is on the disk before `add` and `undo` return.

    Parameters
    ----------
    path : str
        The file to make, or to continue. An incomplete last row, of a process that was killed while writing
        it, is removed.

    Raises
    ------
    OutputError
        If another process has the file open, or it is no regular file.
    DataError
        If it is no file of corrections.
    OSError
        If it cannot be opened or written.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.RLock()
        # Of each track, the corrections that were not undone, each with the number of its row.
        self._stacks: dict[str, list[tuple[int, Correction]]] = {}
        self._rows: list[str] = []  # the key of each row
        self._counts: dict[str, int] = {}
        file = open_locked(path)
        if file is None:
            raise OutputError(f"{path}: another 'tempo review' is open on it")
        self._file = file
        try:
            self._load()
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    @property
    def version(self) -> int:
        """Number of rows, which grows with each change."""
        return len(self._rows)

    def rows_of(self, key: str) -> int:
        """Return how many rows a track has; the key is `tempocli.schema.input_key`."""
        with self._lock:
            return self._counts.get(key, 0)

    def current(self, key: str) -> Correction | None:
        """Return what counts for a track; None if nothing does."""
        with self._lock:
            stack = self._stacks.get(key)
            return stack[-1][1] if stack else None

    def changed_since(self, version: int) -> list[str]:
        """Return the keys of the tracks whose rows were added after a version."""
        with self._lock:
            return list(dict.fromkeys(self._rows[max(0, version) :]))

    def last(self) -> str | None:
        """Return the key of the track whose correction is the latest that was not undone."""
        with self._lock:
            stacks = self._stacks.items()
            return max(((stack[-1][0], key) for key, stack in stacks if stack), default=(0, None))[1]

    def counts(self) -> dict[str, int]:
        """Count the tracks by the action that counts."""
        with self._lock:
            actions = [stack[-1][1].action for stack in self._stacks.values() if stack]
        return {action: actions.count(action) for action in ("correct", "accept")}

    def add(self, path: str, part: Part | None, correction: Correction, *, seen: int | None = None) -> bool:
        """Append a correction; return False if the track has other than `seen` rows, and do nothing."""
        with self._lock:
            key = input_key(path, part)
            if seen is not None and seen != self._counts.get(key, 0):
                return False
            self._append(path, part, correction.action, correction)
            self._stacks.setdefault(key, []).append((len(self._rows), correction))
            return True

    def undo(self, path: str, part: Part | None, *, seen: int | None = None) -> bool:
        """Undo the last correction of a track; return False if it has none, or other than `seen` rows."""
        with self._lock:
            key = input_key(path, part)
            stack = self._stacks.get(key)
            if not stack or (seen is not None and seen != self._counts.get(key, 0)):
                return False
            self._append(path, part, "undo", stack[-2][1] if len(stack) > 1 else None)
            stack.pop()
            return True

    def _append(self, path: str, part: Part | None, action: str, correction: Correction | None) -> None:
        first_beat = None if correction is None else correction.first_beat
        cells = [
            path,
            "" if correction is None else f"{correction.bpm:.3f}".rstrip("0").rstrip("."),
            action,
            "" if first_beat is None else f"{first_beat:.3f}",
            datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "" if part is None else repr(part.start),
            "" if part is None or part.duration is None else repr(part.duration),
        ]
        self._write(encode(",".join(map(quote, cells)) + "\n"))
        self._count(input_key(path, part))

    def _write(self, row: bytes) -> None:
        end = self._file.seek(0, os.SEEK_END)
        try:
            left = memoryview(row)
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            # Half a row would spoil the next one.
            with suppress(OSError):
                self._file.truncate(end)
            raise OSError(error.errno, error.strerror, self.path) from error

    def _count(self, key: str) -> None:
        self._rows.append(key)
        self._counts[key] = self._counts.get(key, 0) + 1

    def _load(self) -> None:
        self._file.seek(0)
        data = self._file.readall()
        if _HEADER.startswith(data):  # new, or its process was killed at once
            self._file.truncate(0)
            self._write(_HEADER)
            _sync_folder(self.path)
            return
        if not data.startswith(_HEADER):
            raise DataError(f"{self.path}: not a file of corrections: has not their columns")

        record, size = b"", len(_HEADER)
        for line in io.BytesIO(data[len(_HEADER) :]):
            record += line
            # A line feed within quotes is part of a path.
            if record.count(b'"') % 2 or not record.endswith(b"\n"):
                continue
            self._replay(record)
            size += len(record)
            record = b""
        if record:
            logger.warning("%s: its last row was incomplete, and is removed", self.path)
            self._file.truncate(size)

    def _replay(self, record: bytes) -> None:
        try:
            (values,) = csv.reader(io.StringIO(decode(record), newline=""), strict=True)
            row = dict(zip(COLUMNS, values, strict=True))
            key = input_key(row["path"], read_part(row))
            stack = self._stacks.setdefault(key, [])
            if row["action"] not in ACTIONS:
                raise ValueError(row["action"])
            if row["action"] == "undo":
                stack.pop()
            else:
                first_beat = float(row["first_beat"]) if row["first_beat"] else None
                correction = Correction(row["action"], float(row["bpm"]), first_beat)
                stack.append((len(self._rows) + 1, correction))
        except (ValueError, IndexError, csv.Error) as error:
            raise DataError(f"{self.path}: row {len(self._rows) + 2} is not a correction") from error
        self._count(key)


def _sync_folder(path: str) -> None:
    """Make the name of a new file last, where folders can be synced."""
    with suppress(OSError):
        folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
