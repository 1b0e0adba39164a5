"""Which paths are in a result file already: 18 bytes a path, however long."""

from __future__ import annotations

import os
from array import array
from hashlib import blake2b

import numpy as np


class PathIndex:
    """Paths that are added, then taken out one by one; a path may be in it several times.

    Paths are told apart by 128 bits of a cryptographic hash.
    """

    def __init__(self) -> None:
        self._added = (array("Q"), array("Q"), array("b"))

    def add(self, path: str, *, failed: bool) -> None:
        """Add a path, before anything is taken out."""
        for column, value in zip(self._added, (*_hash(path), failed), strict=True):
            column.append(value)

    def freeze(self) -> None:
        """Make it ready for `take`."""
        first, second, failed = (np.array(column) for column in self._added)
        order = np.argsort(first, kind="stable")
        self._first, self._second, self._failed = first[order], second[order], failed[order]
        self._is_left = np.ones(len(first), np.bool_)
        self._added = (array("Q"), array("Q"), array("b"))

    def take(self, path: str) -> bool | None:
        """Take out one entry of a path, and tell whether it had failed; None when there is none left."""
        first, second = _hash(path)
        place = int(np.searchsorted(self._first, np.uint64(first)))
        while place < len(self._first) and self._first[place] == first:
            if self._is_left[place] and self._second[place] == second:
                self._is_left[place] = False
                return bool(self._failed[place])
            place += 1
        return None


def _hash(path: str) -> tuple[int, int]:
    digest = blake2b(os.fsencode(path), digest_size=16).digest()
    return int.from_bytes(digest[:8]), int.from_bytes(digest[8:])
