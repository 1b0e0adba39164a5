"""Validate numbers and words read from a file, such as the metadata of a model."""

from __future__ import annotations

from typing import Any

_LONGEST = 200  # characters of a message


def number(value: Any, name: str, low: float, high: float) -> float:
    """Return a number after checking that it is from `low` to `high`.

    Raises
    ------
    ValueError
        If it is not a number, or out of range.
    """
    # Comparisons with NaN are false.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} {str(value)[:40]!r} is not a number from {low:g} to {high:g}")
    return float(value)


def whole(value: Any, name: str, low: int, high: int) -> int:
    """Return a whole number after checking that it is from `low` to `high`; errors as in `number`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} {str(value)[:40]!r} is not a whole number from {low} to {high}")
    return value


def word(value: Any, name: str) -> str:
    """Return a short text after checking that all its characters are printable.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= 100:
        raise ValueError(f"{name} is not a text of 1 to 100 printable characters")
    return value


def brief(error: Exception) -> str:
    """Return the message of an error as one short printable line; it may quote what a file says."""
    words = " ".join(str(error).split())
    text = "".join(character if character.isprintable() else "?" for character in words)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
