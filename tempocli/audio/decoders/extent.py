"""Length of the audio that a file states, and the bytes that a decoder left unread."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import FileIO

_ID3V1_SIZE = 128
_APE_FOOTER_SIZE = 32
# Where the first frame of an MP3 must have begun, behind its tags.
_SEARCHED = 8192


def unread_bytes(file: FileIO) -> int:
    """Return the number of bytes after the position of `file`, without tags at its end."""
    position = file.tell()
    size = file.seek(0, 2)
    left = size - position - _trailing_tags(file, size)
    file.seek(position)
    return max(0, left)


def mp3_counts_its_frames(file: FileIO) -> bool:
    """Return whether an MP3 file states its number of frames; if not, its length is a guess by bit rate."""
    position = file.tell()
    start = 0
    while True:
        file.seek(start)
        head = file.read(10)
        if len(head) < 10 or not head.startswith(b"ID3"):
            break
        start += 10 + sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(head[6:10]))
    file.seek(start)
    found = file.read(_SEARCHED)
    file.seek(position)
    return any(marker in found for marker in (b"Xing", b"Info", b"VBRI"))


def _trailing_tags(file: FileIO, size: int) -> int:
    """Return the size in bytes of the tags at the end of `file`: ID3v1, and APEv2 before it."""
    tags = 0
    if _at(file, size - _ID3V1_SIZE, 3) == b"TAG":
        tags += _ID3V1_SIZE
    footer = _at(file, size - tags - _APE_FOOTER_SIZE, _APE_FOOTER_SIZE)
    if footer.startswith(b"APETAGEX"):
        has_header = footer[23] & 0x80
        tags += int.from_bytes(footer[12:16], "little") + (_APE_FOOTER_SIZE if has_header else 0)
    return tags


def _at(file: FileIO, position: int, size: int) -> bytes:
    if position < 0:
        return b""
    file.seek(position)
    return file.read(size)
