"""Sizes of data on the command line: ``500MB``, ``4GB``."""

from __future__ import annotations

import re

import click

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", re.IGNORECASE | re.ASCII)


def read_size(text: str | int) -> int:
    """Parse a number of bytes, optionally with the unit B, kB, MB, GB or TB; the type of an option.

    Raises
    ------
    click.BadParameter
        If the text is not a size, or the size is 0.
    """
    match = _SIZE.fullmatch(str(text).strip())
    size = round(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    if not size:
        raise click.BadParameter(f"{text!r} is not a size such as 500MB or 4GB.")
    return size


def shown(size: int) -> str:
    """Format a size with its unit, as `read_size` parses it."""
    for unit in ("t", "g", "m", "k"):
        if size >= _UNITS[unit]:
            return f"{size / _UNITS[unit]:g} {'k' if unit == 'k' else unit.upper()}B"
    return f"{size} bytes"
