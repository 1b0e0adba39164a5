"""Recognise unchanged files by size and time, or by content."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Size, time and checksum by which an unchanged file is recognised.

    Attributes
    ----------
    size : int
        Size in bytes.
    mtime_ns : int
        Time of the last change, in nanoseconds since the Unix epoch.
    sha256 : str or None
        SHA-256 of the content, in hexadecimal; ``None`` if it was not requested.
    """

    size: int
    mtime_ns: int
    sha256: str | None = None


def fingerprint_of(path: str, *, hashed: bool = False) -> Fingerprint | None:
    """Return the fingerprint of a file; None if there is no such regular file.

    Parameters
    ----------
    path : str
        Any path.
    hashed : bool
        Whether the checksum of the content is computed.

    Raises
    ------
    OSError
        If the content cannot be read for the checksum.
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
    """Return whether a file is unchanged.

    Parameters
    ----------
    path : str
        Any path; ``-`` is never unchanged.
    fingerprint : Fingerprint or None
        Earlier result of `fingerprint_of`.
    by_hash : bool
        Whether the content is compared instead of the time of the last change.
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
