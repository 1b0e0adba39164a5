"""Shared by all formats: how numbers, names and characters are written."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


@dataclass(frozen=True, slots=True)
class Layout:
    """How results are written.

    Attributes
    ----------
    precision : int
        Decimals of tempi; standard errors may have more.
    named : bool
        Whether plain text includes the file name.
    curve : bool
        Whether JSON includes the tempo curve.
    """

    precision: int = 2
    named: bool = True
    curve: bool = False

    def bpm(self, value: float) -> str:
        """Format a tempo in BPM."""
        return f"{value:.{self.precision}f}"

    def bpm_error(self, value: float) -> str:
        """Format the standard error of a tempo, in BPM, with at least two significant digits."""
        return f"{value:.{self._error_decimals(value)}f}"

    def round_error(self, value: float) -> float:
        """Round the standard error of a tempo as `bpm_error` writes it."""
        return round(value, self._error_decimals(value))

    def _error_decimals(self, value: float) -> int:
        # With the decimals of the tempo, a small error would become 0.
        return max(self.precision, 1 - math.floor(math.log10(value))) if value > 0 else self.precision


def encode(text: str) -> bytes:
    """Encode as UTF-8; bytes of a path that are not UTF-8 are restored unchanged."""
    return text.encode("utf-8", sys.getfilesystemencodeerrors())


def decode(data: bytes) -> str:
    """Undo `encode`."""
    return data.decode("utf-8", sys.getfilesystemencodeerrors())


def escape(text: str) -> str:
    r"""Escape a text for one tab-separated field, reversibly.

    A text that holds a tab or a line break, or begins with a backslash, is written with a backslash in
    front, and with ``\\``, ``\t``, ``\n`` and ``\r`` for these characters; any other text is left alone.
    """
    if text.startswith("\\") or any(character in text for character in "\t\n\r"):
        return "\\" + "".join(_ESCAPES.get(character, character) for character in text)
    return text


def printable(text: str) -> str:
    """Escape characters that could garble or control a terminal; for messages, not reversible."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )
