"""Small files that unpack to gigabytes; each is to fail alone, or to be read within the limit of memory."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from fuzzing.mutations import Case, Made

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 1 << 20
HEADER_MEGABYTES = 1500
# FFmpeg unpacks no more than this of one header of Matroska.
_TRACK_MEGABYTES = 9
_TRACKS = 400


def make_bombs(megabytes: int = HEADER_MEGABYTES) -> list[Made]:
    """Make them, with headers of so many megabytes; no tempo of them is known."""
    bombs = _bombs(megabytes * _BLOCK)
    return [Made(Case(0, name, "bomb", "", ""), name, data, (), False) for name, data in bombs]


def _bombs(size: int) -> Iterator[tuple[str, bytes]]:
    free = struct.pack(">I4s", size - 8, b"free")
    once = _packed(struct.pack(">I4s", size, b"moov") + free, size)
    yield "bomb-header.mov", _atom(b"ftyp", b"qt  \0\0\0\0qt  ") + _compressed(size, once)
    nested = _compressed(size, once)
    yield (
        "bomb-header-in-header.mov",
        _atom(b"ftyp", b"qt  \0\0\0\0qt  ") + _compressed(len(nested), zlib.compress(nested)),
    )
    yield "bomb-tracks.mka", _matroska()


def _packed(start: bytes, size: int) -> bytes:
    packer = zlib.compressobj(9)
    parts = [packer.compress(start)]
    left = size - len(start)
    while left:
        parts.append(packer.compress(bytes(min(left, _BLOCK))))
        left -= min(left, _BLOCK)
    return b"".join([*parts, packer.flush()])


def _atom(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + name + data


def _compressed(size: int, packed: bytes) -> bytes:
    data = _atom(b"cmvd", struct.pack(">I", size) + packed)
    return _atom(b"moov", _atom(b"cmov", _atom(b"dcom", b"zlib") + data))


def _matroska() -> bytes:
    """Make tracks of Vorbis, the headers of which are compressed."""
    compression = _element(0x5034, _element(0x4254, b"\0"))  # by zlib
    encoding = _element(0x6240, _element(0x5032, b"\2") + _element(0x5033, b"\0") + compression)
    private = _element(0x63A2, _packed(b"", _TRACK_MEGABYTES * _BLOCK))
    tracks = b""
    for number in range(1, _TRACKS + 1):
        numbers = _element(0xD7, number.to_bytes(2, "big")) + _element(0x73C5, number.to_bytes(2, "big"))
        kind = _element(0x83, b"\2") + _element(0x86, b"A_VORBIS")
        tracks += _element(0xAE, numbers + kind + private + _element(0x6D80, encoding))
    head = _element(0x1A45DFA3, _element(0x4282, b"matroska"))
    cluster = _element(0x1F43B675, _element(0xE7, b"\0") + _element(0xA3, b"\x81\0\0\x80" + bytes(100)))
    return head + _element(0x18538067, _element(0x1654AE6B, tracks) + cluster)


def _element(name: int, data: bytes) -> bytes:
    length = (1 << 56 | len(data)).to_bytes(8, "big")
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + length + data
