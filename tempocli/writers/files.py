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
    target = os.path.realpath(path)
    if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
        with open(target, "wb") as special:
            yield special
        return
    folder, name = os.path.split(target)
    # Short, since a name may already be as long as the file system allows.
    partial = os.path.join(folder, f".tempo-{os.getpid()}-{abs(hash(name)):x}.tmp")
    try:
        file = open(partial, "xb")  # noqa: SIM115 - closed below, before the rename
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    try:
        with file:
            yield file
            written = file.tell()
        if written:
            os.replace(partial, target)
    finally:
        if os.path.lexists(partial):
            os.unlink(partial)
