"""A lock on an open file, which ends with the process however it ends."""

from __future__ import annotations

import os
from contextlib import suppress
from io import FileIO

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    # Its locks keep others from reading, too: so a byte is locked that no file has.
    _FAR_AWAY = 1 << 40

    def try_lock(descriptor: int) -> bool:
        """Lock an open file; tell whether nobody else has."""
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, _FAR_AWAY, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
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
    """Open, or make, a file that only one process at a time may have; None when another has it."""
    while True:
        file = lock_new(path, os.O_RDWR | os.O_CREAT)
        if file is None:
            return None
        # Whoever had the lock may have renamed or removed it in the meantime.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        file.close()


def lock_new(path: str, flags: int) -> FileIO | None:
    """Open a file as `os.open` does and lock it; None when it is locked."""
    file = FileIO(os.open(path, flags, 0o666), "r+")
    if try_lock(file.fileno()):
        return file
    file.close()
    return None
