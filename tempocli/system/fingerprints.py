"""What a file is recognised by as unchanged."""

from __future__ import annotations

import hashlib
import os
import stat

from tempocli.schema import FileStamp


def stamp_of(path: str, *, hashed: bool = False) -> FileStamp | None:
    """Read what a file is recognised by; None when there is no such regular file.

    Parameters
    ----------
    path : str
        Any path.
    hashed : bool
        Whether its content is hashed.

    Raises
    ------
    OSError
        If its content was to be hashed, and cannot be read.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # ValueError: a null character in the path
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    digest = None
    if hashed:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileStamp(status.st_size, status.st_mtime_ns, digest)


def is_unchanged(path: str, stamp: FileStamp | None, *, by_hash: bool = False) -> bool:
    """Tell whether a file is still what it was.

    Parameters
    ----------
    path : str
        Any path; ``-`` is never unchanged.
    stamp : FileStamp or None
        What `stamp_of` said of it.
    by_hash : bool
        Whether the content is compared, and not the time of the last change.
    """
    if path == "-":
        return False
    if stamp is None:
        return stamp_of(path) is None
    try:
        now = stamp_of(path, hashed=by_hash and stamp.sha256 is not None)
    except OSError:
        return False
    if now is None or now.size != stamp.size:
        return False
    if by_hash:
        return now.sha256 is not None and now.sha256 == stamp.sha256
    return now.mtime_ns == stamp.mtime_ns
