"""Choose the files that are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

Item = TypeVar("Item")


def spread(items: Sequence[Item], limit: int) -> list[Item]:
    """Take at most `limit` items, evenly from the whole list."""
    n = min(limit, len(items))
    return [items[index * len(items) // n] for index in range(n)]
