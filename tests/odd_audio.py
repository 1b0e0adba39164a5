"""Odd audio files, made byte by byte or by PyAV: wrong headers, several streams, damage in Ogg."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from hostile import ogg_checksum

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def encoded(
    samples: NDArray[np.floating], sample_rate: int, kind: str, subtype: str | None = "PCM_16"
) -> bytearray:
    """Encode by libsndfile, piece by piece: its Vorbis encoder overflows the stack on one long write."""
    buffer = io.BytesIO()
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(buffer, "w", sample_rate, channels, subtype=subtype, format=kind) as sound:
        for start in range(0, len(samples), 4096):
            sound.write(samples[start : start + 4096])
    return bytearray(buffer.getvalue())


def chunk(name: bytes, data: bytes, *, size: int | None = None) -> bytes:
    """Make a chunk of a WAV file, whose header may lie about its size."""
    padding = b"\0" if len(data) % 2 else b""
    return name + struct.pack("<I", len(data) if size is None else size) + data + padding


def fmt(sample_rate: int, channels: int, *, tag: int = 1, bits: int = 16) -> bytes:
    """Make the chunk that tells the format of a WAV file."""
    width = channels * bits // 8
    return chunk(
        b"fmt ", struct.pack("<HHIIHH", tag, channels, sample_rate, sample_rate * width, width, bits)
    )


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    """Make a WAV file of chunks."""
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def pcm16(samples: NDArray[np.floating]) -> bytes:
    """Convert to 16 bits, little-endian."""
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def put(data: bytearray, position: int, value: bytes) -> bytes:
    """Return `data` with other bytes at a position."""
    return bytes(data[:position]) + value + bytes(data[position + len(value) :])


def ogg_pages(data: bytes) -> list[bytes]:
    """Split an Ogg file into its pages."""
    pages = []
    while data:
        size = 27 + data[26] + sum(data[27 : 27 + data[26]])
        pages.append(data[:size])
        data = data[size:]
    return pages


def with_granule(page: bytes, shift: int) -> bytes:
    """Return an Ogg page that claims to end `shift` samples later, its checksum right."""
    granule = int.from_bytes(page[6:14], "little", signed=True) + shift
    page = page[:6] + granule.to_bytes(8, "little", signed=True) + page[14:22] + bytes(4) + page[26:]
    return page[:22] + ogg_checksum(page).to_bytes(4, "little") + page[26:]


def stopping_opus(samples: NDArray[np.floating], sample_rate: int) -> bytes:
    """Make an Opus file that libsndfile stops in the middle of, as it does with files of ffmpeg's.

    There, too, a page in the middle ends before the samples that it holds do.
    """
    pages = ogg_pages(bytes(encoded(samples, sample_rate, "OGG", "OPUS")))
    middle = len(pages) // 2
    pages[middle] = with_granule(pages[middle], -488)
    return b"".join(pages)


def two_streams(
    path: Path,
    streams: Sequence[NDArray[np.float32]],
    sample_rate: int,
    *,
    default: int,
    codec: str = "pcm_s16le",
) -> None:
    """Write mono streams of audio into one file, of which `default` is marked as the default."""
    import av

    with av.open(path, "w") as output:
        made = []
        for number in range(len(streams)):
            stream = output.add_stream(codec, rate=sample_rate)
            stream.layout = "mono"
            flag = av.stream.Disposition.default if number == default else av.stream.Disposition(0)
            stream.disposition = flag
            made.append(stream)
        for stream, samples in zip(made, streams, strict=True):
            _mux(output, stream, samples, sample_rate)


def film(path: Path, samples: NDArray[np.float32], sample_rate: int, codec: str = "aac") -> None:
    """Write pictures of nothing, with mono sound."""
    import av

    with av.open(path, "w") as output:
        pictures = output.add_stream("mpeg4", rate=5)
        pictures.width = pictures.height = 32
        stream = output.add_stream(codec, rate=sample_rate)
        stream.layout = "mono"
        for _ in range(5 * len(samples) // sample_rate):
            output.mux(pictures.encode(av.VideoFrame(32, 32, "yuv420p")))
        output.mux(pictures.encode(None))
        _mux(output, stream, samples, sample_rate)


def by_ffmpeg(
    path: Path,
    samples: NDArray[np.float32],
    sample_rate: int,
    codec: str,
    options: dict[str, str] | None = None,
) -> None:
    """Write mono sound by PyAV, in the container that the name tells."""
    import av

    with av.open(path, "w", options=options or {}) as output:
        stream = output.add_stream(codec, rate=sample_rate)
        stream.layout = "mono"
        _mux(output, stream, samples, sample_rate)


def _mux(output: object, stream: object, samples: NDArray[np.float32], sample_rate: int) -> None:
    import av

    if not stream.codec_context.is_open:
        stream.bit_rate = 128_000
        stream.codec_context.open()
    size = stream.codec_context.frame_size or 1024
    convert = av.AudioResampler(format=stream.format, layout="mono", rate=sample_rate, frame_size=size)
    frame = av.AudioFrame.from_ndarray(samples.astype(np.float32).reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate = sample_rate
    for part in [*convert.resample(frame), *convert.resample(None)]:
        output.mux(stream.encode(part))
    output.mux(stream.encode(None))


def lag(a: NDArray[np.float32], b: NDArray[np.float32], *, most: int) -> int:
    """Return by how many samples `a` comes after `b`, at most `most`; the two are about as long."""
    end = min(len(a), len(b))
    part = a[most : end - most]
    scores = [float(part @ b[most - shift : end - most - shift]) for shift in range(-most, most + 1)]
    return int(np.argmax(scores)) - most
