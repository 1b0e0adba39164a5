"""The partial result file: its name, and the check that tempocli wrote it."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING

from tempocli.errors import OutputError
from tempocli.system.locks import is_at, open_locked

if TYPE_CHECKING:
    from io import FileIO

_SUFFIX = ".part"
_LONGEST_NAME = 255  # bytes, where the file system does not say
_MARK = re.compile(rb"# tempo: results in the making \((\w+), 1\)\n")
_LONGEST_MARK = 100
_ADVICE = "move it away or delete it, or give another output"


def part_of(path: str) -> str:
    """Return the path of the partial file for the results of `path`.

    It is `path` with ``.part`` appended. A name that is too long for the file system is cut, and a checksum
    of the whole name is added.
    """
    folder, name = os.path.split(os.path.realpath(path))
    longest = _longest_name(folder)
    if len(os.fsencode(name + _SUFFIX)) > longest:
        ending = f"-{blake2b(os.fsencode(name), digest_size=4).hexdigest()}{_SUFFIX}"
        while len(os.fsencode(name + ending)) > longest:
            name = name[:-1]
        name += ending
        return os.path.join(folder, name)
    return os.path.join(folder, name + _SUFFIX)


def mark_of(format_name: str) -> bytes:
    """Return the first line of a partial file, which identifies it; the final file does not contain it."""
    return b"# tempo: results in the making (%s, 1)\n" % format_name.encode()


def open_part(path: str, format_name: str, name: str) -> FileIO:
    """Open or create the part at `path` for reading and writing, and lock it.

    Parameters
    ----------
    path : str
        Path of the part.
    format_name : str
        Format in its mark.
    name : str
        The final file, as named by the user.

    Raises
    ------
    OutputError
        If another run has locked it, or if it is not a part written by tempocli; it is not changed.
    OSError
        If it cannot be opened; with `name`, if it is not there.
    """
    try:
        file = open_locked(path)
    except OSError as error:
        shown = path if os.path.lexists(path) else name
        raise OSError(error.errno, error.strerror, shown) from error
    if file is None:
        raise OutputError(f"{name}: another run is writing it")
    try:
        _check(file, path, format_name)
    except BaseException:
        file.close()
        raise
    return file


def fate(descriptor: int, path: str) -> str | None:
    """Describe what happened to an open part if it is no longer at `path`; None if it is."""
    if is_at(descriptor, path):
        return None
    with suppress(OSError):
        if os.fstat(descriptor).st_nlink:
            return "was moved or replaced"
    return "was deleted"


def _check(file: FileIO, path: str, format_name: str) -> None:
    mark = mark_of(format_name)
    head = file.read(_LONGEST_MARK) or b""
    file.seek(0)
    start = head[: len(mark)]
    # A run may have been killed while writing the mark; it has no results to lose.
    if start != mark and not mark.startswith(start):
        other = _MARK.match(head)
        if other is None:
            raise OutputError(f"{path}: was not made by this version of tempo: {_ADVICE}")
        raise OutputError(f"{path}: has results for --format {other[1].decode()}: give that, or {_ADVICE}")
    if not _is_mine(file, path):
        raise OutputError(f"{path}: belongs to another user: {_ADVICE}")


def _is_mine(file: FileIO, path: str) -> bool:
    owner = os.fstat(file.fileno()).st_uid
    if not hasattr(os, "geteuid") or owner == os.geteuid():
        return True
    # On some file systems all files have the same owner.
    with suppress(OSError), tempfile.TemporaryFile(dir=os.path.dirname(path)) as new:
        return os.fstat(new.fileno()).st_uid == owner
    return False


def _longest_name(folder: str) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        return _LONGEST_NAME
