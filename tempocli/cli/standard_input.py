"""Standard input as audio: it is copied before it is decoded, and its size is limited."""

from __future__ import annotations

import io
import os
import stat
from typing import TYPE_CHECKING, BinaryIO, cast

from tempocli.cli.sizes import shown
from tempocli.errors import AudioError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def limited(stream: BinaryIO, limit: int, *, option: str | None = None) -> BinaryIO:
    """Limit a stream to `limit` bytes, unless it is a regular file, which needs no copy.

    Reading more raises AudioError, which names the option that sets the limit, if there is one.
    """
    if stream.isatty() or _is_file(stream):
        return stream
    return cast("BinaryIO", _Limited(stream, limit, option))


def _is_file(stream: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:
        return False


class _Limited(io.BufferedIOBase):
    def __init__(self, stream: BinaryIO, limit: int, option: str | None) -> None:
        self._stream = stream
        self._limit = limit
        self._option = option
        self._n_left = limit

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        # Read one byte more than allowed to detect a longer stream.
        wanted = self._n_left + 1
        data = self._stream.read(wanted if size is None or size < 0 else min(size, wanted))
        self._n_left -= len(data)
        if self._n_left < 0:
            allowed = f"that {self._option} allows" if self._option else "that are read of it"
            raise AudioError("-", f"standard input has more than the {shown(self._limit)} {allowed}")
        return data

    def read1(self, size: int = -1, /) -> bytes:
        return self.read(size)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)
