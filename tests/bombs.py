"""Small files that claim memory out of all proportion: what reads them has to be stopped."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
from clicks import make_clicks
from hostile import SAMPLE_RATE, encode_av

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 1 << 20


def sample_table(path: Path, entries: int) -> Path:
    """Write an M4A of three seconds whose tables claim `entries` packets; FFmpeg takes 37 bytes for each."""
    clicks = make_clicks(120.0, 3.0, SAMPLE_RATE)
    data = bytearray(encode_av(np.stack([clicks, clicks], axis=1), SAMPLE_RATE, "mp4", "aac"))
    count = struct.pack(">I", entries)
    sizes, times, chunks = (data.index(name) for name in (b"stsz", b"stts", b"stsc"))
    data[sizes + 8 : sizes + 16] = struct.pack(">I", 1) + count
    data[times + 12 : times + 16] = count
    data[chunks + 16 : chunks + 20] = count
    path.write_bytes(data)
    return path


def compressed_header(path: Path, size: int) -> Path:
    """Write a MOV whose header unpacks to `size` bytes, from about a thousandth of them."""
    packer = zlib.compressobj(1)
    packed = io.BytesIO()
    packed.write(packer.compress(struct.pack(">I4sI4s", size, b"moov", size - 8, b"free")))
    for _ in range(size // _BLOCK):
        packed.write(packer.compress(bytes(_BLOCK)))
    packed.write(packer.flush())
    unpacked = struct.pack(">I", size)
    header = _atom(b"cmov", _atom(b"dcom", b"zlib") + _atom(b"cmvd", unpacked + packed.getvalue()))
    path.write_bytes(_atom(b"ftyp", b"qt  \0\0\0\0qt  ") + _atom(b"moov", header))
    return path


def compressed_tag(path: Path, size: int, audio: bytes) -> Path:
    """Write an MP3 with a text in its tag that unpacks to `size` bytes, from about a thousandth of them."""
    packer = zlib.compressobj(1)
    packed = packer.compress(b"\0name\0")
    for _ in range(size // _BLOCK):
        packed += packer.compress(b"a" * _BLOCK)
    compressed_with_length = 0x09
    text = _frame(b"TXXX", _syncsafe(0) + packed + packer.flush(), compressed_with_length)
    path.write_bytes(_tag(text) + audio)
    return path


def tag_of_pictures(path: Path, number: int, audio: bytes) -> Path:
    """Write an MP3 with `number` pictures of one name: mutagen's time grows with its third power."""
    path.write_bytes(_tag(_frame(b"APIC", b"\0a\0\3\0") * number) + audio)
    return path


def _tag(frames: bytes) -> bytes:
    return b"ID3\4\0\0" + _syncsafe(len(frames)) + frames


def _frame(name: bytes, data: bytes, flags: int = 0) -> bytes:
    return name + _syncsafe(len(data)) + struct.pack(">H", flags) + data


def _syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _atom(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + name + data
