"""Files that go on behind the end of their samples: with more samples, or with something else."""

from __future__ import annotations

import logging
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from odd_audio import encoded, put

from tempocli.audio import load_audio
from tempocli.audio.decoders.continuation import Samples, looks_alike

if TYPE_CHECKING:
    from pathlib import Path

RATE = 22050
SECONDS = 4
TIME = np.arange(SECONDS * RATE) / RATE
# A chord that swells, in stereo.
MUSIC = np.outer(
    sum(np.sin(2 * np.pi * pitch * TIME) for pitch in (110.0, 277.2, 660.0)) * np.sin(np.pi * TIME / 2) / 6,
    [1.0, 0.6],
)
NOISE = np.random.default_rng(0).bytes(60_000)
KINDS = [
    ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_U8"), ("WAV", "FLOAT"), ("WAVEX", "PCM_32"),
    ("RF64", "PCM_16"), ("AIFF", "PCM_16"), ("AIFF", "PCM_24"), ("AIFF", "FLOAT"),
    ("AU", "PCM_16"), ("AU", "FLOAT"),
]  # fmt: skip


def n_read(path: Path, data: bytes, caplog: pytest.LogCaptureFixture) -> int:
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        samples = load_audio(path, sample_rate=RATE)
    assert not caplog.records
    return len(samples)


@pytest.mark.parametrize(("kind", "subtype"), [*KINDS, ("WAV", "IMA_ADPCM"), ("WAV", "ULAW"), ("AU", "ULAW")])
def test_noise_is_no_more_music(
    tmp_path: Path, kind: str, subtype: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = bytes(encoded(MUSIC, RATE, kind, subtype))
    n_samples = n_read(tmp_path / "good", good, caplog)
    assert n_read(tmp_path / "more", good + NOISE, caplog) == n_samples


@pytest.mark.parametrize(("kind", "subtype"), KINDS)
def test_sizes_of_some_time_ago(
    tmp_path: Path, kind: str, subtype: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The file is as it would have been after half the time, and goes on."""
    whole, half = (bytes(encoded(each, RATE, kind, subtype)) for each in (MUSIC, MUSIC[: len(MUSIC) // 2]))
    start = {"AIFF": whole.find(b"SSND") + 16, "AU": 24}.get(kind, whole.find(b"data") + 8)
    assert n_read(tmp_path / "stale", half[:start] + whole[start:], caplog) == len(MUSIC)


@pytest.mark.parametrize("tag", [b"ID3\4\0\0" + bytes([0, 3, 0, 0]), b"APETAGEX"])
@pytest.mark.parametrize("subtype", ["PCM_16", "IMA_ADPCM"])
def test_tags_behind_the_samples(
    tmp_path: Path, tag: bytes, subtype: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = bytes(encoded(MUSIC, RATE, "WAV", subtype))
    n_samples = n_read(tmp_path / "good", good, caplog)
    # The size of the whole file is wrong, too.
    data = put(bytearray(good), 4, struct.pack("<I", len(good) + len(NOISE)))
    assert n_read(tmp_path / "tagged", data + tag + NOISE, caplog) == n_samples


def test_a_chunk_without_the_padding_before_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    good = bytes(encoded(MUSIC[:-1, 0], RATE, "WAV", "PCM_U8"))
    n_samples = len(MUSIC) - 1
    end = good.index(b"data") + 8 + n_samples
    picture = b"LIST" + struct.pack("<I", len(NOISE)) + NOISE
    data = put(bytearray(good), 4, struct.pack("<I", end + len(picture) - 8))[:end]
    assert n_read(tmp_path / "a.wav", data + picture, caplog) == n_samples


def test_noise_goes_on_with_noise() -> None:
    stereo = Samples(2, 2, "little")
    assert looks_alike(NOISE[:4096], NOISE[4096:8192], stereo)
    assert not looks_alike(bytes(4096), NOISE[:4096], stereo)
    assert looks_alike(NOISE[:4096], bytes(4096), stereo)
    assert not looks_alike(NOISE[:4096], NOISE[4096:8192], Samples(0, 2, "little"))


@pytest.mark.parametrize("channels", [0, 3, 65535])
@pytest.mark.parametrize("width", [0, 1, 2, 3, 8, 32768])
@pytest.mark.parametrize("is_float", [True, False])
def test_any_shape(channels: int, width: int, is_float: bool) -> None:
    samples = Samples(width, channels, "big", is_float=is_float)
    assert looks_alike(NOISE[:100], NOISE[:5000], samples) in {True, False}
    assert looks_alike(b"", b"", samples) in {True, False}
