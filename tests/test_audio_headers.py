"""Headers that are wrong about sound that is all there."""

from __future__ import annotations

import logging
import struct
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from odd_audio import chunk, encoded, fmt, pcm16, put, riff

from tempocli.audio import load_audio

if TYPE_CHECKING:
    from pathlib import Path

RATE = 22050
SECONDS = 5
STEREO = np.random.default_rng(0).uniform(-0.5, 0.5, (SECONDS * RATE, 2))
MONO = STEREO.mean(axis=1)


def assert_all_there(path: Path, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        samples = load_audio(path, sample_rate=RATE)
    np.testing.assert_allclose(samples, MONO, atol=1e-4)
    assert not caplog.records


@pytest.fixture(params=[True, False], ids=["with PyAV", "without"])
def without_pyav(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setitem(sys.modules, "av", None)


# What a recorder leaves that died: a size of zero, or that of some time ago. Or one as large as can be.
SIZES = [0, 1000, 0x7FFFFFFF, 0xFFFFFFFF]


@pytest.mark.usefixtures("without_pyav")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("whole_header", [True, False])
def test_wav(tmp_path: Path, size: int, whole_header: bool, caplog: pytest.LogCaptureFixture) -> None:
    data = encoded(STEREO, RATE, "WAV")
    wrong = put(data, data.index(b"data") + 4, struct.pack("<I", size))
    if whole_header:
        wrong = put(bytearray(wrong), 4, struct.pack("<I", size))
    assert_all_there(tmp_path / "a.wav", wrong, caplog)


@pytest.mark.usefixtures("without_pyav")
@pytest.mark.parametrize("size", [*SIZES, (1 << 63) - 1])
def test_rf64(tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture) -> None:
    data = encoded(STEREO, RATE, "RF64")
    place = data.index(b"ds64") + 16
    assert_all_there(tmp_path / "a.wav", put(data, place, struct.pack("<Q", size)), caplog)
    assert_all_there(tmp_path / "b.wav", put(data, place, 2 * struct.pack("<Q", size)), caplog)


@pytest.mark.usefixtures("without_pyav")
@pytest.mark.parametrize("size", SIZES)
def test_aiff(tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture) -> None:
    data = encoded(STEREO, RATE, "AIFF")
    value = struct.pack(">I", size)
    samples, frames = data.index(b"SSND") + 4, data.index(b"COMM") + 10
    assert_all_there(tmp_path / "a.aiff", put(data, samples, value), caplog)
    assert_all_there(tmp_path / "b.aiff", put(data, frames, value), caplog)
    both = put(bytearray(put(data, samples, value)), frames, value)
    assert_all_there(tmp_path / "c.aiff", put(bytearray(both), 4, value), caplog)


@pytest.mark.usefixtures("without_pyav")
@pytest.mark.parametrize("size", SIZES)
def test_au(tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture) -> None:
    data = encoded(STEREO, RATE, "AU")
    assert_all_there(tmp_path / "a.au", put(data, 8, struct.pack(">I", size)), caplog)


@pytest.mark.usefixtures("without_pyav")
@pytest.mark.parametrize("size", [0, 1000, 10**9, (1 << 63) - 1])
def test_w64(tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture) -> None:
    data = encoded(STEREO, RATE, "W64")
    assert_all_there(tmp_path / "a.w64", put(data, data.index(b"data") + 16, struct.pack("<Q", size)), caplog)


@pytest.mark.parametrize("size", [0, -1, 10**9])
def test_caf(tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("av")
    data = encoded(STEREO, RATE, "CAF")
    assert_all_there(tmp_path / "a.caf", put(data, data.index(b"data") + 4, struct.pack(">q", size)), caplog)


@pytest.mark.parametrize("silent", [0, 3000])
def test_a_recording_that_begins_with_silence(
    tmp_path: Path, silent: int, caplog: pytest.LogCaptureFixture
) -> None:
    data = bytes(4 * silent) + pcm16(STEREO[silent:])
    wav = riff(fmt(RATE, 2), chunk(b"data", data, size=0), size=36)
    (tmp_path / "a.wav").write_bytes(wav)
    samples = load_audio(tmp_path / "a.wav", sample_rate=RATE)
    assert len(samples) == SECONDS * RATE
    np.testing.assert_allclose(samples[silent:], MONO[silent:], atol=1e-4)
    assert not caplog.records


# Chunks that are broken, out of their order, or nobody knows


def test_chunks_that_nobody_knows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    odd = (
        chunk(b"bext", bytes(603)),
        chunk(b"iXML", b"<x/>"),
        chunk(b"JUNK", bytes(28)),
        chunk(b"elm1", bytes(214)),
    )
    before = riff(*odd, fmt(RATE, 2), *odd, chunk(b"data", pcm16(STEREO)))
    behind = riff(fmt(RATE, 2), chunk(b"data", pcm16(STEREO)), *odd, chunk(b"LIST", b"INFO" + bytes(50_000)))
    assert_all_there(tmp_path / "a.wav", before, caplog)
    assert_all_there(tmp_path / "b.wav", behind, caplog)


def test_broken_peak_chunk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of one channel, where there are two: libsndfile refuses the file."""
    pytest.importorskip("av")
    peak = chunk(b"PEAK", struct.pack("<IIfI", 1, 0x3C9DFA, 1.05, 9318705))
    fact = chunk(b"fact", struct.pack("<I", len(STEREO)))
    samples = chunk(b"data", STEREO.astype("<f4").tobytes())
    assert_all_there(tmp_path / "a.wav", riff(fmt(RATE, 2, tag=3, bits=32), fact, peak, samples), caplog)


def test_format_behind_the_samples(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("av")
    wav = riff(chunk(b"data", pcm16(STEREO)), fmt(RATE, 2))
    assert_all_there(tmp_path / "a.wav", wav, caplog)


def voc_block(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + len(data).to_bytes(3, "little") + data


def test_voc_of_several_blocks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """libsndfile refuses blocks that follow each other."""
    pytest.importorskip("av")
    header = b"Creative Voice File\x1a" + struct.pack("<HHH", 26, 0x0114, (0x1234 + ~0x0114) & 0xFFFF)
    kind = struct.pack("<IBBHI", RATE, 16, 2, 4, 0)
    half = len(STEREO) // 2
    first = voc_block(9, kind + pcm16(STEREO[:half]))
    second = voc_block(2, pcm16(STEREO[half:]))
    (tmp_path / "a.voc").write_bytes(header + first + second + b"\0")
    samples = load_audio(tmp_path / "a.voc", sample_rate=RATE)
    assert len(samples) == pytest.approx(len(MONO), abs=1)
    np.testing.assert_allclose(samples[:half], MONO[:half], atol=1e-4)
    # FFmpeg takes the header of the second block for a sample.
    np.testing.assert_allclose(samples[half + 1 : len(MONO)], MONO[half:-1], atol=1e-4)
    assert not caplog.records


def test_samples_that_are_cut_short_are_still_said_to_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A size that is too large, and not as large as can be, is that of the samples before the cut."""
    for kind, name in (("WAV", "a.wav"), ("AU", "a.au"), ("AIFF", "a.aiff")):
        data = encoded(STEREO, RATE, kind)
        (tmp_path / name).write_bytes(data[: len(data) // 2])
        assert len(load_audio(tmp_path / name, sample_rate=RATE)) == pytest.approx(2.5 * RATE, abs=50)
    assert [record.getMessage().split(": ", 1)[1] for record in caplog.records] == 3 * [
        "damaged after 2.5 s: the file ends before its samples do; 2.5 s of 5.0 s are missing"
    ]
