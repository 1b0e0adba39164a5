"""Read NPZ files after checking the size of their arrays in the headers."""

from __future__ import annotations

import io
import math
from tokenize import TokenError
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError  # noqa: N812 - a class with a small letter

import numpy as np
from numpy.lib import format as npy

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_npz(path: Path, *, max_bytes: int) -> dict[str, NDArray[Any]]:
    """Read all arrays of an NPZ file; pickled objects are refused.

    Parameters
    ----------
    path : Path
    max_bytes : int
        Maximum size of the file, and of all its arrays together.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is damaged, or larger than allowed.
    """
    size = path.stat().st_size
    if size > max_bytes:
        raise ValueError(f"{size:,} bytes, and at the most {max_bytes:,} are expected")
    try:
        # From memory: numpy leaves a file open that turns out to be damaged.
        data = io.BytesIO(path.read_bytes())
        with ZipFile(data) as archive:
            _check_sizes(archive, max_bytes)
        data.seek(0)
        with np.load(data, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    # Errors of zipfile, zlib and numpy's header parser for damaged files, besides ValueError.
    except (EOFError, KeyError, RuntimeError, SyntaxError, BadZipFile, TokenError, ZlibError) as error:
        raise ValueError(str(error) or "cut short") from error


def _check_sizes(archive: ZipFile, max_bytes: int) -> None:
    total = 0
    for member in archive.infolist():
        # The directory may lie about a size: then no more than it says is unpacked.
        total += member.file_size
        if total > max_bytes:
            raise ValueError(f"unpacks to {total:,} bytes, and at the most {max_bytes:,} are expected")
        with archive.open(member) as file:
            version = npy.read_magic(file)
            if version not in _READERS:
                raise ValueError(f"{member.filename}: version {version}")
            shape, _, dtype = _READERS[version](file)
        # Memory is taken by what the header says, before it shows that the file has less.
        if dtype.hasobject or math.prod(shape) * dtype.itemsize > member.file_size:
            raise ValueError(f"{member.filename}: its header claims more than the file has")
