"""A file object for FFmpeg that never raises.

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
    """A file object for PyAV.

    Parameters
    ----------
    file : FileIO
        A seekable file.

    Attributes
    ----------
    name : str
        Name of the file; FFmpeg uses its extension.
    error : OSError or None
        First error of a failed read; after it the file appears to end.
    """

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self.name = str(file.name)
        self.error: OSError | None = None

    def read(self, size: int) -> bytes:
        """Read bytes; return no bytes if reading fails."""
        try:
            return self._file.read(size)
        except OSError as error:
            self.error = self.error or error
            return b""

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Seek to a position and return it; return a negative number, as FFmpeg does, if it is invalid."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -ASTRAY

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()
