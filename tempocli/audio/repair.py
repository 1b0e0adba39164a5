"""Headers that count fewer samples than the file holds, as of a recorder that died, put right for reading.

A recorder writes the size of the samples when it ends, or now and then. libsndfile believes it, and so does
FFmpeg, but for a zero in a WAV file.
"""

from __future__ import annotations

from io import SEEK_END, SEEK_SET
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import FileIO
    from typing import Literal

# Less than this behind the samples, in bytes, is padding.
_LEFT_OVER = 4096
_MAX_CHUNKS = 1000
# What writes into a pipe cannot know the size, and says that it is as large as can be.
_UNKNOWN_SIZE = 0x7FFF0000
_UNKNOWN = b"\xff\xff\xff\xff"


class PatchedFile:
    """A view of a file, some bytes of which read otherwise; the file itself stays as it is.

    Parameters
    ----------
    file : FileIO
        A file that can seek.
    position : int
        Where the other bytes begin.
    value : bytes
        What is read there.
    """

    def __init__(self, file: FileIO, position: int, value: bytes) -> None:
        self._file = file
        self._position = position
        self._value = value

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Go to a position, as any file does."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        """Read as any file does, the other bytes where they belong."""
        start = self._file.tell()
        data = self._file.read(size)
        first = max(start, self._position)
        last = min(start + len(data), self._position + len(self._value))
        if first >= last:
            return data
        patch = self._value[first - self._position : last - self._position]
        return data[: first - start] + patch + data[last - start :]


def with_all_samples(file: FileIO) -> PatchedFile | None:
    """Return a WAV, RF64, AIFF or AU file with a header that counts all its samples.

    ``None`` where the header does so already, and for other formats.
    """
    size = file.seek(0, SEEK_END)
    head = _at(file, 0, 12)
    patch = None
    if len(head) < 12:
        return None
    if head[:4] in (b"RIFF", b"RF64") and head[8:] == b"WAVE":
        patch = _patch_of_chunks(file, size, b"data", "little")
    elif head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
        patch = _patch_of_chunks(file, size, b"SSND", "big")
    elif head[:4] in (b".snd", b"dns."):
        patch = _patch_of_au(head, size)
    file.seek(0)
    return PatchedFile(file, *patch) if patch else None


def _patch_of_chunks(
    file: FileIO, file_size: int, wanted: bytes, order: Literal["little", "big"]
) -> tuple[int, bytes] | None:
    """Return where the size of the samples stands, and what it must be; ``None`` where it is right."""
    position = 12
    long_size = None
    for _ in range(_MAX_CHUNKS):
        header = _at(file, position, 8)
        if len(header) < 8:
            break
        name, size = header[:4], int.from_bytes(header[4:], order)
        if name == b"ds64":
            # RF64: the size of the samples has 64 bits and stands here.
            long_size = (position + 16, int.from_bytes(_at(file, position + 16, 8), order))
        if name == wanted:
            field, width = position + 4, 4
            if size == 0xFFFFFFFF and long_size:
                (field, size), width = long_size, 8
            start = position + 8
            if _goes_on(file, file_size, start, size):
                return field, min(file_size - start, 256**width - 1).to_bytes(width, order)
            break
        position += 8 + size + size % 2
    return None


def _goes_on(file: FileIO, file_size: int, start: int, size: int) -> bool:
    """Return whether what follows `size` bytes of samples are samples, too, and no other chunk."""
    end = start + size + size % 2
    if file_size - end <= _LEFT_OVER:
        return False
    found = _at(file, end, _LEFT_OVER)
    is_chunk = all(0x20 <= byte < 0x7F for byte in found[:4])
    # Zeros at the end are padding; a recording may begin with them.
    return not is_chunk and (size == 0 or any(found))


def _patch_of_au(head: bytes, file_size: int) -> tuple[int, bytes] | None:
    order: Literal["little", "big"] = "big" if head.startswith(b".snd") else "little"
    start, size = int.from_bytes(head[4:8], order), int.from_bytes(head[8:12], order)
    if start + size + _LEFT_OVER < file_size or _UNKNOWN_SIZE <= size < 0xFFFFFFFF:
        return 8, _UNKNOWN
    return None


def _at(file: FileIO, position: int, size: int) -> bytes:
    file.seek(position)
    return file.read(size)
