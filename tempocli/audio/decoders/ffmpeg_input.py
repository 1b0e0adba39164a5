"""A file as FFmpeg reads it: it raises nothing.

PyAV keeps what a file raises until FFmpeg returns, and prints it with its traceback when another error comes
before that. A damaged header may send FFmpeg to places where no file reaches many thousand times.
"""

from __future__ import annotations

import errno
from io import SEEK_SET
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import FileIO

# What FFmpeg reports of a place that no file reaches.
ASTRAY = errno.ESPIPE


class FFmpegInput:
    """What PyAV needs of a file.

    Parameters
    ----------
    file : FileIO
        A file that can seek.

    Attributes
    ----------
    name : str
        Of the file; FFmpeg looks at its extension.
    error : OSError or None
        What the system said first about a read that failed, after which the file seems to end.
    """

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self.name = str(file.name)
        self.error: OSError | None = None

    def read(self, size: int) -> bytes:
        """Read as any file does; nothing where that fails."""
        try:
            return self._file.read(size)
        except OSError as error:
            self.error = self.error or error
            return b""

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Go to a position and return it; return a negative number, as FFmpeg does, where there is none."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -ASTRAY

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()
