"""Temporary files and folders that later runs remove if the run that created them was killed.

Each is locked by its process, so that one in use is never removed.
"""

from __future__ import annotations

import os
import platform
import re
import stat
import time
from contextlib import suppress
from hashlib import blake2b
from io import FileIO

from tempocli.system.locks import NO_LINKS, is_at, try_lock

_NAME = re.compile(r"\.tempo-(?P<host>[0-9a-f]{8})-[0-9a-f]{12}(?:\..*)?", re.DOTALL)
# Locks of other machines may not be visible. A file not written to for this long is not in use.
_OLD_SECONDS = 86400.0
_swept: set[str] = set()


def make_file(folder: str, suffix: str = "", *, mode: int = 0o666) -> tuple[str, FileIO]:
    """Create a temporary file, after removing those of killed runs from the folder.

    The caller must call `give_name`, `discard`, or both.

    Parameters
    ----------
    folder : str
        Folder of the file.
    suffix : str
        End of the name: empty, or a suffix with its dot.
    mode : int
        Permissions, before the umask is applied.

    Returns
    -------
    path : str
        Its path.
    file : FileIO
        Open for reading and writing.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    remove_leftovers(folder)
    while True:
        path = os.path.join(folder, _new_name(suffix))
        file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINKS, mode), "r+")
        if _lock(file.fileno(), path):
            return path, file
        file.close()


def give_name(path: str, file: FileIO, target: str) -> None:
    """Rename a temporary file, whose content is flushed, to `target`.

    The file stays open and locked until it is renamed, except on Windows, which cannot rename an open file.
    """
    if os.name == "nt":
        file.close()
    os.replace(path, target)


def discard(path: str, file: FileIO) -> None:
    """Remove a temporary file, if it still has its name, and close it.

    It is not an error if it cannot be removed because its folder is gone or read-only.
    """
    with suppress(OSError):
        os.unlink(path)
    file.close()


def make_folder(parent: str) -> tuple[str, int]:
    """Create a temporary folder for sockets, accessible to this user only; see `make_file`. POSIX only.

    Returns
    -------
    path : str
        Its path.
    descriptor : int
        Closing it releases the lock; so does the end of the process.
    """
    remove_leftovers(parent)
    while True:
        path = os.path.join(parent, _new_name(""))
        os.mkdir(path, 0o700)
        descriptor = os.open(path, os.O_RDONLY | NO_LINKS)
        if _lock(descriptor, path):
            return path, descriptor
        os.close(descriptor)


def remove_leftovers(folder: str) -> None:
    """Remove the temporary files and folders that ended runs left in a folder.

    Each folder is searched once per process. Files that cannot be removed stay.
    """
    folder = os.path.abspath(folder)
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError), os.scandir(folder) as listing:
        found = [(entry.path, match["host"]) for entry in listing if (match := _NAME.fullmatch(entry.name))]
        for path, host in found:
            with suppress(OSError):
                _remove_if_left(path, host)


def _remove_if_left(path: str, host: str) -> None:
    status = os.lstat(path)
    if not _can_be_ours(status) or (host != _host() and time.time() - status.st_mtime < _OLD_SECONDS):
        return
    if os.name == "nt":
        os.unlink(path)  # which Windows refuses for a file that is open
        return
    descriptor = os.open(path, os.O_RDONLY | NO_LINKS)
    try:
        if try_lock(descriptor) and is_at(descriptor, path):
            # Under the lock: a run that has just made it sees that it is gone, and makes another.
            if stat.S_ISDIR(status.st_mode):
                _remove_sockets(path)
                os.rmdir(path)
            else:
                os.unlink(path)
    finally:
        os.close(descriptor)


def _remove_sockets(folder: str) -> None:
    # We create nothing else in these folders. A folder with other files may not be ours.
    with os.scandir(folder) as listing:
        for path in [entry.path for entry in listing]:
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                os.unlink(path)


def _can_be_ours(status: os.stat_result) -> bool:
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        return False
    return stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1)


def _lock(descriptor: int, path: str) -> bool:
    """Lock a new file; return False if another run has already removed it as a leftover."""
    try:
        is_locked = try_lock(descriptor)
    except OSError:
        return True  # without locks on the file system, no other run can lock and remove it either
    return is_locked and is_at(descriptor, path)


def _new_name(suffix: str) -> str:
    return f".tempo-{_host()}-{os.urandom(6).hex()}{suffix}"


def _host() -> str:
    return blake2b(platform.node().encode(), digest_size=4).hexdigest()
