"""WAV files whose header is at odds with itself about the width of a sample, or has samples twice."""

from __future__ import annotations

import logging
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from odd_audio import chunk, encoded, put, riff

from tempocli.audio import load_audio

if TYPE_CHECKING:
    from pathlib import Path

RATE = 22050
STEREO = np.random.default_rng(0).uniform(-0.5, 0.5, (3 * RATE, 2))
MONO = STEREO[:, 0]
NOTE = "damaged: its header contradicts itself"
# In a fmt chunk, from its name on.
CHANNELS, FRAME, BITS = 10, 20, 22


def said(path: Path, data: bytes, caplog: pytest.LogCaptureFixture) -> tuple[np.ndarray, list[str]]:
    path.write_bytes(data)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        samples = load_audio(path, sample_rate=RATE)
    return samples, [record.getMessage().removeprefix(f"{path}: ") for record in caplog.records]


def with_number(data: bytes, place: int, value: int, order: str = "<") -> bytes:
    return put(bytearray(data), data.index(b"fmt ") + place, struct.pack(f"{order}H", value))


@pytest.mark.parametrize("bits", [0, 1, 16, 25, 40, 65535])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
def test_bits_that_all_else_denies(
    tmp_path: Path, kind: str, bits: int, caplog: pytest.LogCaptureFixture
) -> None:
    data = with_number(bytes(encoded(MONO, RATE, kind, "PCM_24")), BITS, bits)
    samples, notes = said(tmp_path / "a.wav", data, caplog)
    np.testing.assert_allclose(samples, MONO, atol=1e-4)
    assert notes == [NOTE]


def test_big_endian(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import io

    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, MONO, RATE, format="WAV", subtype="PCM_24", endian="BIG")
    samples, notes = said(tmp_path / "a.wav", with_number(buffer.getvalue(), BITS, 9, ">"), caplog)
    np.testing.assert_allclose(samples, MONO, atol=1e-4)
    assert notes == [NOTE]


@pytest.mark.parametrize(("place", "value"), [(BITS, 8), (CHANNELS, 1)])
def test_what_may_be_either_is_only_noted(
    tmp_path: Path, place: int, value: int, caplog: pytest.LogCaptureFixture
) -> None:
    data = with_number(bytes(encoded(STEREO, RATE, "WAV")), place, value)
    assert said(tmp_path / "a.wav", data, caplog)[1] == [NOTE]


@pytest.mark.parametrize("bits", [13, 16])
def test_fewer_bits_than_fill_their_bytes_are_fine(
    tmp_path: Path, bits: int, caplog: pytest.LogCaptureFixture
) -> None:
    data = with_number(bytes(encoded(STEREO, RATE, "WAV")), BITS, bits)
    samples, notes = said(tmp_path / "a.wav", data, caplog)
    np.testing.assert_allclose(samples, STEREO.mean(axis=1), atol=1e-4)
    assert not notes


def test_a_wrong_size_of_a_frame_alone_is_no_matter(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = with_number(bytes(encoded(STEREO, RATE, "WAV")), FRAME, 2)
    samples, notes = said(tmp_path / "a.wav", data, caplog)
    np.testing.assert_allclose(samples, STEREO.mean(axis=1), atol=1e-4)
    assert not notes


@pytest.mark.parametrize("kind", ["PCM_16", "PCM_U8", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "IMA_ADPCM"])
@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
def test_good_headers_are_fine(
    tmp_path: Path, kind: str, container: str, caplog: pytest.LogCaptureFixture
) -> None:
    if (kind, container) == ("IMA_ADPCM", "WAVEX"):
        pytest.skip("there is no such file")
    assert not said(tmp_path / "a.wav", bytes(encoded(STEREO, RATE, container, kind)), caplog)[1]


@pytest.mark.parametrize("claimed", [None, 10**9])
def test_the_first_of_two_chunks_of_samples_counts(
    tmp_path: Path, claimed: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    data = bytes(encoded(MONO, RATE, "WAV", "PCM_24"))
    again = chunk(b"data", bytes(1000), size=claimed) * 3
    samples, notes = said(tmp_path / "a.wav", riff(data[12:], again), caplog)
    np.testing.assert_allclose(samples, MONO, atol=1e-4)
    assert not notes


def test_an_empty_chunk_of_samples_before_the_others(tmp_path: Path) -> None:
    data = bytes(encoded(MONO, RATE, "WAV", "PCM_24"))
    place = data.index(b"data")
    path = tmp_path / "a.wav"
    path.write_bytes(riff(data[12:place], chunk(b"data", b""), data[place:]))
    assert len(load_audio(path, sample_rate=RATE)) == len(MONO)
