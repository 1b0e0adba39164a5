"""Files that are written atomically."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from io import BufferedWriter
from typing import TYPE_CHECKING, BinaryIO

from tempocli.system import temporary

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_file(path: str) -> Iterator[BinaryIO]:
    """Open a file that gets its name only if the block succeeds and has written something.

    Links are followed. A path that is not a regular file, such as ``/dev/null``, is written to directly.

    Parameters
    ----------
    path : str
        The file to make or replace.

    Yields
    ------
    binary file
        A temporary file in the folder of `path`, so that the last step is one rename.

    Raises
    ------
    OSError
        If the file cannot be written; its file name is `path`.
    """
    is_special = os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode)
    try:
        with open(path, "wb") if is_special else _replacing(path) as file:
            yield file
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        # The system's error for a full disk does not name the file.
        raise OSError(error.errno, error.strerror, path) from error


@contextmanager
def _replacing(path: str) -> Iterator[BinaryIO]:
    target = os.path.realpath(path)
    # The temporary name does not contain the target's name, which may have the maximum length.
    with _named(path):
        partial, raw = temporary.make_file(os.path.dirname(target), ".tmp")
    try:
        with BufferedWriter(raw) as file:
            yield file
            written = file.tell()
            # Otherwise a power failure could leave an empty file under the new name.
            file.flush()
            os.fsync(file.fileno())
            if written:
                with _named(path):
                    with suppress(FileNotFoundError):
                        os.chmod(partial, stat.S_IMODE(os.stat(target).st_mode))
                    temporary.give_name(partial, raw, target)
    finally:
        temporary.discard(partial, raw)


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Set the file name of an OSError in the block to the path given by the user."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
