"""Reasons are in plain words: what decoders say to programmers is never shown."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hostile import broken_inputs
from odd_audio import by_ffmpeg

from tempocli.audio import load_audio
from tempocli.audio.decoders import reasons
from tempocli.audio.decoders.reasons import ffmpeg_reason, libsndfile_reason, system_reason
from tempocli.errors import AudioError

if TYPE_CHECKING:
    from pathlib import Path

# What FFmpeg and libsndfile say, and no user can do anything with.
JARGON = re.compile(
    r"operation not|cannot allocate|error number|errno|patch(es)? welcome|invalid (data|argument)"
    r"|not implemented|try again|end of file|unspecified|internal|malloc|unknown error|bug in|psf|sndfile\W"
    r"|libav|avcodec|chunk|lost sync|malformed|pointer|struct|resource|result too large|out of range|bad file"
    r"|0x|not supported|no such device|broken pipe|system error|decod(er|ing) failed|\(possibly",
    re.IGNORECASE,
)


def assert_plain(reason: str) -> None:
    assert reason
    assert not JARGON.search(reason), reason
    assert reason == " ".join(reason.split())
    assert "sample rate" in reason or not re.search(r"\d{6,}", reason), reason


def test_every_code_of_libsndfile() -> None:
    for code in range(1, 200):
        for opening in (True, False):
            assert_plain(libsndfile_reason(code, opening=opening))


def test_every_error_of_ffmpeg() -> None:
    av = pytest.importorskip("av")
    codes = [*av.error.classes, 50531338, 22222, 1 << 30]
    for code in codes:
        with pytest.raises(av.error.FFmpegError) as caught:
            av.error.err_check(-code)
        assert_plain(ffmpeg_reason(caught.value))


def test_the_reasons_are_few() -> None:
    av = pytest.importorskip("av")
    said = {libsndfile_reason(code, opening=opening) for code in range(1, 200) for opening in (True, False)}
    said |= {ffmpeg_reason(kind(1, "text")) for kind in av.error.classes.values()}
    assert len(said) <= 20
    assert said <= {value for value in vars(reasons).values() if isinstance(value, str)} | said_in_place()


def said_in_place() -> set[str]:
    return {text for table in (reasons._LIBSNDFILE, reasons._FFMPEG) for text in table.values()}


def test_a_disk_that_fails_is_told_as_such() -> None:
    assert ffmpeg_reason(OSError(5, "Input/output error")) == "Input/output error"
    assert system_reason(PermissionError(13, "Permission denied")) == "Permission denied"


def test_a_damaged_header_that_points_astray_is_not_blamed_on_the_system() -> None:
    assert ffmpeg_reason(OSError(22, "Invalid argument")) == reasons.IMPOSSIBLE_VALUES
    assert ffmpeg_reason(ValueError("negative seek position -1")) == reasons.IMPOSSIBLE_VALUES


def flipped(data: bytes, end: int, rng: np.random.Generator) -> bytes:
    array = np.frombuffer(data, np.uint8).copy()
    positions = rng.integers(min(end, len(data)), size=int(rng.integers(1, 30)))
    array[positions] ^= (1 << rng.integers(8, size=len(positions))).astype(np.uint8)
    return array.tobytes()


def damaged_by_ffmpeg(folder: Path) -> list[Path]:
    """Damage files of the containers that only FFmpeg reads: bits turned, cut, with a hole."""
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.1, 4 * 48000).astype(np.float32)
    kinds = {
        "m4a": "aac", "mka": "mp2", "wma": "wmav2", "avi": "mp2", "ts": "aac", "wv": "wavpack", "tta": "tta",
        "ac3": "ac3", "flv": "aac", "aac": "aac", "mov": "alac", "mpg": "mp2",
    }  # fmt: skip
    paths = []
    for extension, codec in kinds.items():
        whole = folder / f"whole.{extension}"
        by_ffmpeg(whole, samples, 48000, codec)
        data = whole.read_bytes()
        whole.unlink()
        for number in range(12):
            place = int(rng.integers(len(data)))
            hole = data[:place] + bytes(3000) + data[place + 3000 :]
            kinds_of_damage = [flipped(data, 300, rng), flipped(data, len(data), rng), data[:place], hole]
            paths.append(folder / f"{number}.{extension}")
            paths[-1].write_bytes(kinds_of_damage[number % 4])
    return paths


def said_of(paths: list[Path], caplog: pytest.LogCaptureFixture) -> list[str]:
    said = []
    for path in paths:
        try:
            load_audio(path, sample_rate=22050)
        except AudioError as error:
            said.append(error.reason)
    return said + [record.getMessage().split(": ", 1)[1] for record in caplog.records]


@pytest.mark.slow
def test_broken_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        said = said_of(broken_inputs(tmp_path, count=300, seed=1), caplog)
    assert len(said) > 100
    for text in said:
        assert_plain(text)


@pytest.mark.slow
def test_broken_files_of_ffmpeg(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("av")
    with caplog.at_level(logging.WARNING):
        said = said_of(damaged_by_ffmpeg(tmp_path), caplog)
    assert len(said) > 40
    for text in said:
        assert_plain(text)
