"""Numbers that come from a file, such as a model's metadata, and must make sense before they are used."""

from __future__ import annotations

from typing import Any


def number(value: Any, name: str, low: float, high: float) -> float:
    """Take a number from `low` to `high`.

    Raises
    ------
    ValueError
        If it is something else, or out of range.
    """
    # NaN compares false.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} {str(value)[:40]!r} is not a number from {low:g} to {high:g}")
    return float(value)


def whole(value: Any, name: str, low: int, high: int) -> int:
    """Take a whole number from `low` to `high`; raises as `number` does."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} {str(value)[:40]!r} is not a whole number from {low} to {high}")
    return value


def word(value: Any, name: str) -> str:
    """Take a short text of printable characters.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= 100:
        raise ValueError(f"{name} is not a text of 1 to 100 printable characters")
    return value
