"""Broken audio files, made from small valid ones; the same seed makes the same damage."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from clicks import make_clicks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SAMPLE_RATE = 24000

# What soundfile calls each format.
_FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", None),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "aiff": ("AIFF", "PCM_16"),
    "caf": ("CAF", "ALAC_16"),
}

# Lies of headers: a marker that the file holds, the distance of the field behind the marker's start, and
# what the field is made to say.
_GIANT = b"\xff\xff\xff\xff"
_ZERO = bytes(4)
_LIES = {
    "wav": [
        (b"fmt ", 10, b"\0\0"),  # no channels
        (b"fmt ", 10, b"\0\4"),  # 1,024 channels
        (b"fmt ", 12, _ZERO),  # sample rate 0
        (b"fmt ", 12, _GIANT),  # sample rate
        (b"fmt ", 22, b"\0\0"),  # bits of a sample
        (b"data", 4, _GIANT),
        (b"data", 4, _ZERO),
        (b"fmt ", 4, _GIANT),  # size of the chunk
    ],
    "flac": [
        (b"fLaC", 18, b"\0\0\0"),  # sample rate 0
        (b"fLaC", 18, b"\xff\xff\xff"),
        (b"fLaC", 22, _GIANT),  # number of samples
        (b"fLaC", 5, b"\xff\xff\xff"),  # size of the block
    ],
    "mp3": [
        (b"\xff", 2, b"\xff"),  # bit rate and sample rate that do not exist
        (b"\xff", 1, b"\xff"),
        (b"Xing", 8, _GIANT),  # number of frames
        (b"Xing", 12, _GIANT),  # number of bytes
    ],
    "ogg": [
        (b"vorbis", 10, b"\0"),  # no channels
        (b"vorbis", 10, b"\xff"),
        (b"vorbis", 11, _ZERO),  # sample rate
        (b"vorbis", 11, _GIANT),
    ],
    "opus": [
        (b"OpusHead", 9, b"\0"),  # no channels
        (b"OpusHead", 9, b"\xff"),
        (b"OpusHead", 10, b"\xff\xff"),  # samples to skip
        (b"OpusHead", 12, _GIANT),  # sample rate
    ],
    "aiff": [
        (b"COMM", 8, b"\0\0"),  # no channels
        (b"COMM", 10, _GIANT),  # number of frames
        (b"COMM", 16, bytes(10)),  # sample rate 0
        (b"COMM", 16, b"\x7f\xfe" + 8 * b"\xff"),
        (b"SSND", 4, _GIANT),
    ],
    "caf": [
        (b"desc", 12, bytes(8)),  # sample rate 0
        (b"desc", 12, 8 * b"\x7f"),
        (b"desc", 32, _ZERO),  # samples of a packet
        (b"desc", 36, _ZERO),  # no channels
        (b"desc", 36, _GIANT),
        (b"pakt", 12, 8 * b"\x7f"),  # number of packets
    ],
    "m4a": [
        (b"mdhd", 16, _ZERO),  # time scale
        (b"mp4a", 20, b"\0\0"),  # no channels
        (b"stsz", 12, _GIANT),  # number of packets
        (b"stsz", 8, _GIANT),  # size of a packet
        (b"stco", 12, _GIANT),  # place of the first one
    ],
    "au": [
        (b".snd", 4, _GIANT),  # place of the data
        (b".snd", 8, _ZERO),
        (b".snd", 16, _ZERO),  # sample rate
        (b".snd", 20, _ZERO),  # no channels
        (b".snd", 20, _GIANT),
    ],
}


def valid_files() -> dict[str, bytes]:
    """Four seconds of clicks in every format, by extension; AU stands in for M4A where PyAV is absent."""
    clicks = make_clicks(120.0, 4.0, SAMPLE_RATE)
    samples = np.stack([clicks, 0.5 * clicks], axis=1)
    files = {}
    for extension, (kind, subtype) in _FORMATS.items():
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, SAMPLE_RATE, format=kind, subtype=subtype)
        files[extension] = buffer.getvalue()
    if find_spec("av"):
        files["m4a"] = encode_av(samples, SAMPLE_RATE, "mp4", "aac")
    else:
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, SAMPLE_RATE, format="AU", subtype="PCM_16")
        files["au"] = buffer.getvalue()
    return files


def encode_av(
    samples: NDArray[np.float32], sample_rate: int, container: str, codec: str, *, title: str = "untitled"
) -> bytes:
    """Encode `samples`, shape=(n_samples, 2 or 8), by PyAV."""
    import av

    layout = {2: "stereo", 8: "7.1"}[samples.shape[1]]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        output.metadata["title"] = title
        stream = output.add_stream(codec, rate=sample_rate)
        stream.layout = layout
        stream.bit_rate = 128_000
        stream.codec_context.open()
        size = stream.codec_context.frame_size or 1024
        convert = av.AudioResampler(format=stream.format, layout=layout, rate=sample_rate, frame_size=size)
        interleaved = np.ascontiguousarray(samples.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=layout)
        frame.sample_rate = sample_rate
        for part in [*convert.resample(frame), *convert.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def broken_inputs(folder: Path, *, count: int = 200, seed: int = 0) -> list[Path]:
    """Write `count` broken files into `folder`, the formats in turn, no two named the same."""
    rng = np.random.default_rng(seed)
    files = valid_files()
    extensions = list(files)
    damaged = {extension: _damage(extension, files[extension], extensions, rng) for extension in extensions}
    paths = []
    for i in range(count):
        name, data = next(damaged[extensions[i % len(extensions)]])
        paths.append(folder / f"{i:03d}-{name}")
        paths[-1].write_bytes(data)
    return paths


def _damage(
    extension: str, data: bytes, extensions: list[str], rng: np.random.Generator
) -> Iterator[tuple[str, bytes]]:
    """Name and content of one kind of damage after another; after the planned ones, random ones for ever."""
    for i, (marker, distance, value) in enumerate(_LIES[extension][:4]):
        yield f"lie{i}.{extension}", _lie(data, marker, distance, value)
    for length in (0, 1, 11, 40, 200, len(data) // 2, len(data) - 1):
        yield f"cut{length}.{extension}", data[:length]
    for length in (100, 5000):
        yield f"prepended{length}.{extension}", rng.bytes(length) + data
    yield f"appended.{extension}", data + rng.bytes(5000)
    for other in rng.permutation([other for other in extensions if other != extension])[:2]:
        yield f"{extension}-renamed.{other}", data
    yield f"text.{extension}", b"This is not music, whatever its name says.\n" * 200
    yield f"random.{extension}", rng.bytes(20000)
    for i, (marker, distance, value) in enumerate(_LIES[extension][4:], 4):
        yield f"lie{i}.{extension}", _lie(data, marker, distance, value)
    i = 0
    while True:
        yield f"header-flips{i}.{extension}", _flip(data, 100, 1 + i, rng)
        yield f"flips{i}.{extension}", _flip(data, len(data), 2**i, rng)
        start = int(rng.integers(len(data)))
        yield f"hole{i}.{extension}", _overwrite(data, start, bytes(min(3000, len(data) - start)))
        yield f"lost{i}.{extension}", data[:start] + data[start + 1 + int(rng.integers(3000)) :]
        yield f"cut-anywhere{i}.{extension}", data[:start]
        i += 1


def _lie(data: bytes, marker: bytes, distance: int, value: bytes) -> bytes:
    lie = _overwrite(data, data.index(marker) + distance, value)
    if not data.startswith(b"OggS"):
        return lie
    # A page whose checksum is wrong is dropped unread.
    size = 27 + lie[26] + sum(lie[27 : 27 + lie[26]])
    page = _overwrite(lie[:size], 22, bytes(4))
    return _overwrite(page, 22, ogg_checksum(page).to_bytes(4, "little")) + lie[size:]


def ogg_checksum(page: bytes) -> int:
    checksum = 0
    for byte in page:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x04C11DB7 if checksum >> 31 else 0)) & 0xFFFFFFFF
    return checksum


def _overwrite(data: bytes, position: int, value: bytes) -> bytes:
    return data[:position] + value + data[position + len(value) :]


def _flip(data: bytes, end: int, count: int, rng: np.random.Generator) -> bytes:
    """Flip `count` bits of the first `end` bytes."""
    flipped = np.frombuffer(data, np.uint8).copy()
    for position in rng.integers(min(end, len(data)), size=count):
        flipped[position] ^= 1 << int(rng.integers(8))
    return flipped.tobytes()
