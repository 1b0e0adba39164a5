"""Locks on open files; the system releases them when the process ends."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from io import FileIO

from tempocli.errors import OutputError

# Do not follow links, and do not wait for a pipe; Windows has neither flag.
NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    # Windows locks also prevent reading, so a byte beyond the end of any file is locked.
    _FAR_AWAY = 1 << 40

    def try_lock(descriptor: int) -> bool:
        """Lock an open file; tell whether nobody else has."""
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, _FAR_AWAY, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # Windows only
        except OSError:
            return False
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)
        return True
else:

    def try_lock(descriptor: int) -> bool:
        """Lock an open file; tell whether nobody else has."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def open_locked(path: str) -> FileIO | None:
    """Open or create a regular file and lock it; return None if another process has the lock.

    Raises
    ------
    OutputError
        If the path is not a regular file with a single name. It is not changed.
    OSError
        If it cannot be opened.
    """
    while True:
        _refuse_what_is_no_file(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINKS, 0o666)
        file = FileIO(descriptor, "r+")
        if not try_lock(descriptor):
            file.close()
            return None
        # The previous owner of the lock may have renamed or removed the file meanwhile.
        if is_at(descriptor, path):
            with suppress(OSError):
                _refuse_what_is_no_file(path)
                return file
        file.close()


def is_at(descriptor: int, path: str) -> bool:
    """Return whether a path names an open file and is not a link to it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except OSError:
        return False


def _refuse_what_is_no_file(path: str) -> None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None and status.st_nlink > 1:
        kind = "a hard link to a file that has another name, too"
    if kind is not None:
        raise OutputError(f"{path}: is {kind}, not made by tempo: move it away, or give another output")
