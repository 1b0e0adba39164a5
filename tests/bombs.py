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


def _atom(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + name + data
