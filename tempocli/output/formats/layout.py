"""What all formats share: how numbers, names and characters are written."""

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
        Decimals of every tempo; its standard error may have more.
    named : bool
        Whether plain text says which file a number belongs to.
    curve : bool
        Whether JSON has the tempo over time.
    """

    precision: int = 2
    named: bool = True
    curve: bool = False

    def bpm(self, value: float) -> str:
        """Write a tempo in BPM."""
        return f"{value:.{self.precision}f}"

    def bpm_error(self, value: float) -> str:
        """Write the standard error of a tempo, in BPM, with two significant digits or more."""
        return f"{value:.{self._error_decimals(value)}f}"

    def round_error(self, value: float) -> float:
        """Round the standard error of a tempo as `bpm_error` writes it."""
        return round(value, self._error_decimals(value))

    def _error_decimals(self, value: float) -> int:
        # To the decimals of the tempo alone, a small error would become none.
        return max(self.precision, 1 - math.floor(math.log10(value))) if value > 0 else self.precision


def encode(text: str) -> bytes:
    """Encode as UTF-8; bytes of a path that were not UTF-8 come out as they were."""
    return text.encode("utf-8", sys.getfilesystemencodeerrors())


def decode(data: bytes) -> str:
    """Undo `encode`."""
    return data.decode("utf-8", sys.getfilesystemencodeerrors())


def escape(text: str) -> str:
    r"""Make a text fit one field of a line of tab-separated fields, reversibly.

    A text that holds a tab or a line break, or begins with a backslash, is written with a backslash in
    front, and with ``\\``, ``\t``, ``\n`` and ``\r`` for these characters; any other text is left alone.
    """
    if text.startswith("\\") or any(character in text for character in "\t\n\r"):
        return "\\" + "".join(_ESCAPES.get(character, character) for character in text)
    return text


def printable(text: str) -> str:
    """Replace what could garble or steer a terminal by escapes; for messages, not reversible."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )
