"""The one list of kinds of files: folders take what single paths take, and FFmpeg knows every name in it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from odd_audio import by_ffmpeg, encoded

from tempocli.audio import AUDIO_EXTENSIONS, load_audio
from tempocli.audio.formats import FFMPEG_DEMUXERS
from tempocli.batch import find_files

RATE = 48000
ISSUE = ".wv .tta .mkv .ac3 .oga .spx .voc .ape .mpc .amr .avi .flv .3gp .ts"
# Of version 0.1.0; none may be lost.
BEFORE = (
    ".aif .aifc .aiff .au .caf .flac .rf64 .w64 .wav .wave .aac .alac .m4a .m4b .mka .mp2 .mp3 .oga .ogg "
    ".opus .wma .mov .mp4 .webm"
)
# Files that are often beside music, and none.
NOT_AUDIO = ".txt .jpg .png .cue .m3u .m3u8 .pls .log .nfo .pdf .json .csv .mid .raw .mat .srt .py .zip .part"


def test_extensions() -> None:
    assert set(ISSUE.split()) <= AUDIO_EXTENSIONS
    assert set(BEFORE.split()) <= AUDIO_EXTENSIONS
    assert not set(NOT_AUDIO.split()) & AUDIO_EXTENSIONS
    assert all(each.startswith(".") and each == each.lower() for each in AUDIO_EXTENSIONS)


def test_the_documentation_lists_them_all() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "estimate.md").read_text(encoding="utf-8")
    section = page.split("## Files that are read\n")[1].split("\n## ")[0]
    listed = set(re.findall(r"`(\.[a-z0-9+]+)`", section))
    assert listed == AUDIO_EXTENSIONS


def test_folders_take_them_all(tmp_path: Path) -> None:
    names = [f"a{extension}" for extension in AUDIO_EXTENSIONS] + ["B.WV", "C.Mkv"]
    for name in [*names, *(f"a{extension}" for extension in NOT_AUDIO.split())]:
        (tmp_path / name).touch()
    assert sorted(find_files([tmp_path])) == sorted(str(tmp_path / name) for name in names)


def test_ffmpeg_knows_every_name() -> None:
    """A name that is misspelt would quietly take a kind of file away."""
    av = pytest.importorskip("av")
    known = {name for each in av.formats_available for name in each.split(",")}
    assert set(FFMPEG_DEMUXERS) <= known


def test_no_demuxer_opens_other_files() -> None:
    dangerous = {
        "concat",
        "dash",
        "hls",
        "image2",
        "imf",
        "lavfi",
        "rtp",
        "rtsp",
        "sap",
        "sdp",
        "tee",
        "webvtt",
    }
    assert not dangerous & set(FFMPEG_DEMUXERS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wv", "wavpack"),
        ("a.tta", "tta"),
        ("a.mkv", "aac"),
        ("a.ac3", "ac3"),
        ("a.eac3", "eac3"),
        ("a.avi", "mp2"),
        ("a.flv", "aac"),
        ("a.ts", "aac"),
        ("a.mpg", "mp2"),
        ("a.3gp", "aac"),
        ("a.wma", "wmav2"),
        ("a.voc", "pcm_u8"),
        ("a.mov", "alac"),
    ],
)
def test_what_folders_take_is_read(tmp_path: Path, name: str, codec: str) -> None:
    pytest.importorskip("av")
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE).astype(np.float32)
    by_ffmpeg(tmp_path / name, tone, RATE, codec)
    (path,) = find_files([tmp_path])
    samples = load_audio(path, sample_rate=RATE)
    assert len(samples) == pytest.approx(3 * RATE, abs=0.1 * RATE)
    spectrum = np.abs(np.fft.rfft(samples[RATE : 2 * RATE]))
    assert int(np.argmax(spectrum)) == pytest.approx(440, abs=3)  # VOC rounds its sample rate


@pytest.mark.parametrize("kind", ["AVR", "IRCAM", "NIST", "PAF", "PVF", "SVX", "VOC", "WVE", "W64"])
def test_old_kinds_of_libsndfile_are_read(tmp_path: Path, kind: str) -> None:
    extensions = {"SVX": ".8svx"}
    rate, subtype = (8000, "ALAW") if kind == "WVE" else (RATE, "PCM_16")
    samples = np.sin(np.arange(2 * rate) / 10)
    path = tmp_path / f"a{extensions.get(kind, f'.{kind.lower()}')}"
    path.write_bytes(encoded(samples, rate, kind, subtype))
    assert list(find_files([tmp_path])) == [str(path)]
    assert len(load_audio(path, sample_rate=rate)) == 2 * rate
