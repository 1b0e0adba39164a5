"""What FFmpeg is told about a file that it leads astray, or that the system cannot read."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from contextlib import ExitStack
from io import FileIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from clicks import make_clicks
from hostile import SAMPLE_RATE, encode_av

from tempocli.audio import load_audio
from tempocli.audio.decoders.decoding import DecodeError
from tempocli.audio.decoders.ffmpeg import open_ffmpeg
from tempocli.audio.decoders.ffmpeg_input import FFmpegInput

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("av")

SECONDS = 4.0
# The first object of an ASF file: what it is, and the size of its header with its length.
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
HEADER_SIZE = 24


def encoded(kind: str, codec: str) -> bytes:
    clicks = make_clicks(120.0, SECONDS, SAMPLE_RATE)
    return encode_av(np.stack([clicks, clicks], axis=1), SAMPLE_RATE, kind, codec)


class BadDisk(FileIO):
    """A file that cannot be read behind its first 300,000 bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= 300_000:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(size) or b""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_a_header_that_leads_astray_thousands_of_times(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nested.wma"
    sine = ["-f", "lavfi", "-i", f"sine=duration={SECONDS}"]
    command = ["ffmpeg", "-v", "error", *sine, "-c:a", "wmav2", path]
    subprocess.run(command, check=True, timeout=60)
    data = path.read_bytes()
    place = data.index(ASF)
    path.write_bytes(data[:place] + data[place : place + HEADER_SIZE] * 1000 + data[place:])
    samples = load_audio(path, sample_rate=SAMPLE_RATE)
    assert len(samples) / SAMPLE_RATE == pytest.approx(SECONDS, abs=0.2)
    assert capfd.readouterr() == ("", "")


def test_a_place_that_no_file_has_is_no_exception(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    with FileIO(path) as file:
        source = FFmpegInput(file)
        assert source.seek(3) == 3
        assert source.seek(-1) < 0
        assert source.seek(1 << 62) < 0
        assert source.seek(0, 99) < 0
        assert (source.tell(), source.read(10), source.error) == (3, b"45", None)


def test_a_disk_that_fails_is_told_of(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "song.mka"
    path.write_bytes(encoded("matroska", "pcm_s16le"))
    with BadDisk(path) as file, ExitStack() as resources:
        decoder = open_ffmpeg(file, resources)
        n_samples = len(next(decoder.blocks))
        with pytest.raises(DecodeError, match=os.strerror(errno.EIO)):
            n_samples += sum(map(len, decoder.blocks))
    assert n_samples < SECONDS * SAMPLE_RATE
    assert capfd.readouterr() == ("", "")


def test_packets_without_end_that_cannot_be_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A header may claim millions; the decoder is not tried on all of them."""
    monkeypatch.setattr("tempocli.audio.decoders.ffmpeg._MOST_DROPPED", 10)
    data = encoded("mp4", "aac")
    start = data.index(b"mdat") + 4
    size = int.from_bytes(data[start - 8 : start - 4], "big") - 8
    broken = data[: start + size // 4] + bytes([0xFF]) * (size // 2) + data[start + 3 * size // 4 :]
    path = tmp_path / "broken.m4a"
    path.write_bytes(broken)
    samples = load_audio(path, sample_rate=SAMPLE_RATE)
    assert 0 < len(samples) < 0.5 * SECONDS * SAMPLE_RATE
    assert "its data are broken" in caplog.text
