"""Files that appear whole or not at all."""

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
    with _named(path):
        partial, raw = temporary.make_file(os.path.dirname(target), ".tmp")
    try:
        with BufferedWriter(raw) as file:
            yield file
            written = file.tell()
            # Or a pulled plug might leave the new name with nothing behind it.
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
    """Let an OSError within the block name the file that the user knows."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
