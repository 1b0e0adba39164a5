"""A lock on an open file, which ends with the process however it ends."""

from __future__ import annotations

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    # Its locks keep others from reading, too: so a byte is locked that no file has.
    _FAR_AWAY = 1 << 40

    def try_lock(descriptor: int) -> bool:
        """Lock an open file; tell whether nobody else has."""
        import os

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
