"""Index of the paths in a result file; uses 18 bytes per path."""

from __future__ import annotations

import os
from array import array
from hashlib import blake2b

import numpy as np


class PathIndex:
    """Multiset of paths: all paths are added first, then taken out one by one.

    Paths are identified by 128 bits of a cryptographic hash.
    """

    def __init__(self) -> None:
        self._added = (array("Q"), array("Q"), array("b"))

    def add(self, path: str, *, failed: bool) -> None:
        """Add a path; only before `freeze`."""
        for column, value in zip(self._added, (*_hash(path), failed), strict=True):
            column.append(value)

    def freeze(self) -> None:
        """Prepare the index for `take`."""
        first, second, failed = (np.array(column) for column in self._added)
        order = np.argsort(first, kind="stable")
        self._first, self._second, self._failed = first[order], second[order], failed[order]
        self._is_left = np.ones(len(first), np.bool_)
        self._added = (array("Q"), array("Q"), array("b"))

    def take(self, path: str) -> bool | None:
        """Take out one entry of a path and return whether it had failed; None if no entry is left."""
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
