"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_file(path: str) -> Iterator[BinaryIO]:
    """Open a file that takes its name only when the block has ended well and written something.

    A link is followed; something that is no regular file, such as ``/dev/null``, is written to directly.

    Parameters
    ----------
    path : str
        The file to make or replace.

    Yields
    ------
    binary file
        Beside `path`, so that the last step is one rename.

    Raises
    ------
    OSError
        With `path` as its file name, when it cannot be written.
    """
    is_special = os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode)
    try:
        with open(path, "wb") if is_special else _replacing(path) as file:
            yield file
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        # Of a full disk the system says only that, not which file.
        raise OSError(error.errno, error.strerror, path) from error


@contextmanager
def _replacing(path: str) -> Iterator[BinaryIO]:
    target = os.path.realpath(path)
    # Not made from the target's name, which may be as long as the file system allows.
    partial = os.path.join(os.path.dirname(target), f".tempo-{os.urandom(6).hex()}.tmp")
    try:
        file = open(partial, "xb")  # noqa: SIM115 - closed below, before the rename
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    try:
        with file:
            yield file
            written = file.tell()
            # Or a pulled plug might leave the new name with nothing behind it.
            file.flush()
            os.fsync(file.fileno())
        if written:
            if os.path.exists(target):
                os.chmod(partial, stat.S_IMODE(os.stat(target).st_mode))
            os.replace(partial, target)
    finally:
        if os.path.lexists(partial):
            os.unlink(partial)
