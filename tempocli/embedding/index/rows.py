"""Files of vectors: rows of 32-bit floats, which are only appended."""

from __future__ import annotations

import os
from io import BufferedWriter, FileIO
from typing import TYPE_CHECKING

import numpy as np

from tempocli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_ROWS_PER_COPY = 4096


class RowWriter:
    """Appends vectors to a file.

    Parameters
    ----------
    path : str
        Created if missing. What a killed writer left behind the last row in use is removed.
    dim : int
        Length of a vector.
    used : sequence of int
        The rows in use.
    stack : ExitStack
        Closes the file.

    Attributes
    ----------
    count : int
        Number of rows, stale ones included.

    Raises
    ------
    DataError
        If rows in use are missing.
    OSError
        If it cannot be written.
    """

    def __init__(self, path: str, dim: int, used: Sequence[int], stack: ExitStack) -> None:
        self._path, self._dim = path, dim
        self.count = 1 + max(used, default=-1)
        with open(path, "ab"):
            pass
        needed = self.count * dim * 4
        if os.path.getsize(path) < needed:
            raise DataError(f"{path}: damaged (vectors are missing); make the index again with --rebuild")
        os.truncate(path, needed)
        self._file = stack.enter_context(BufferedWriter(FileIO(path, "a")))

    def add(self, vectors: Floats) -> int:
        """Append vectors, shape=(n, dim), and return the row of the first one."""
        first = self.count
        self.count += len(vectors)
        self._file.write(np.ascontiguousarray(vectors, "<f4").tobytes())
        self._file.flush()
        return first

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def copy(self, rows: Sequence[int], path: str) -> None:
        """Write some rows to another file."""
        old = read_rows(self._path, self._dim)
        with open(path, "wb") as file:
            for start in range(0, len(rows), _ROWS_PER_COPY):
                file.write(np.ascontiguousarray(old[list(rows[start : start + _ROWS_PER_COPY])]).tobytes())
            file.flush()
            os.fsync(file.fileno())


def read_rows(path: str, dim: int) -> Floats:
    """Map a file of vectors into memory, shape=(n_rows, dim).

    Raises
    ------
    OSError
        If it cannot be read.
    """
    n_rows = os.path.getsize(path) // (4 * dim)
    if not n_rows:
        return np.zeros((0, dim), np.float32)
    return np.memmap(path, "<f4", "r", shape=(n_rows, dim))
