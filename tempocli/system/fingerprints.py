"""What a file is recognised by as unchanged."""

from __future__ import annotations

import hashlib
import os
import stat

from tempocli.schema import Fingerprint


def fingerprint_of(path: str, *, hashed: bool = False) -> Fingerprint | None:
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
    return Fingerprint(status.st_size, status.st_mtime_ns, digest)


def is_unchanged(path: str, fingerprint: Fingerprint | None, *, by_hash: bool = False) -> bool:
    """Tell whether a file is still what it was.

    Parameters
    ----------
    path : str
        Any path; ``-`` is never unchanged.
    fingerprint : Fingerprint or None
        What `fingerprint_of` said of it.
    by_hash : bool
        Whether the content is compared, and not the time of the last change.
    """
    if path == "-":
        return False
    if fingerprint is None:
        return fingerprint_of(path) is None
    try:
        now = fingerprint_of(path, hashed=by_hash and fingerprint.sha256 is not None)
    except OSError:
        return False
    if now is None or now.size != fingerprint.size:
        return False
    if by_hash:
        return now.sha256 is not None and now.sha256 == fingerprint.sha256
    return now.mtime_ns == fingerprint.mtime_ns
