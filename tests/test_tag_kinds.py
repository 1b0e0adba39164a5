"""Tags of WavPack, Monkey's Audio and WMA: nothing but the tag changes."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from clicks import make_clicks
from hostile import encode_av

from tempocli.audio import load_audio, tags
from tempocli.errors import TagError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

mutagen = pytest.importorskip("mutagen")
pytest.importorskip("av")

RATE = 44100
KINDS = ("wv", "ape", "wma")
ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")


def monkeys_audio(n_samples: int = 2 * RATE) -> bytes:
    """A file of silence, which Monkey's Audio keeps as two flags of a frame."""
    frame = struct.pack("<II", 0x80000000 | zlib.crc32(b"") >> 1, 3) + bytes(16)
    header = struct.pack("<HHIIIHHI", 2000, 0, 73728 * 4, n_samples, 1, 16, 2, RATE)
    seek_table = struct.pack("<I", 52 + len(header) + 4)
    sizes = (52, len(header), len(seek_table), 0, len(frame), 0, 0)
    descriptor = b"MAC " + struct.pack("<HH7I", 3990, 0, *sizes) + bytes(16)
    return descriptor + header + seek_table + frame


@pytest.fixture(scope="module")
def pristine() -> dict[str, bytes]:
    samples = np.stack([make_clicks(120.0, 2.0, RATE)] * 2, axis=1)
    return {
        "wv": encode_av(samples, RATE, "wv", "wavpack"),
        "wma": encode_av(samples, RATE, "asf", "wmav2"),
        "ape": monkeys_audio(),
    }


@pytest.fixture
def make_song(tmp_path: Path, pristine: dict[str, bytes]) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(pristine[path.suffix[1:]])
        return path

    return make


@pytest.fixture(params=KINDS)
def song(request: pytest.FixtureRequest, make_song: Callable[[str], Path]) -> Path:
    return make_song(f"song.{request.param}")


def audio_of(path: Path) -> bytes:
    """The coded audio: all before the tag; in ASF the data object, which ends the file."""
    data = path.read_bytes()
    if path.suffix == ".wma":
        start = data.index(ASF_DATA)
        size = int.from_bytes(data[start + 16 : start + 24], "little")
        return data[start : start + size]
    return data.partition(b"APETAGEX")[0]


def test_the_tempo_comes_back_and_the_audio_is_untouched(song: Path, pristine: dict[str, bytes]) -> None:
    coded, decoded = audio_of(song), load_audio(song, sample_rate=RATE)
    assert tags.read_tempo(str(song)) is None
    assert tags.tag_text(str(song), 127.984) == "127.98"
    tags.write_tempo(str(song), 127.984)
    assert tags.read_tempo(str(song)) == "127.98"
    tags.write_tempo(str(song), 90.0)
    assert tags.read_tempo(str(song)) == "90"
    tags.write_tempo(str(song), 127.984, 0)
    assert tags.read_tempo(str(song)) == "128"
    assert audio_of(song) == coded
    np.testing.assert_array_equal(load_audio(song, sample_rate=RATE), decoded)
    assert len(decoded) > RATE
    assert os.listdir(song.parent) == [song.name]
    if song.suffix == ".ape":  # the only one without a tag by FFmpeg, which is written anew
        assert song.read_bytes().startswith(pristine["ape"])


def test_is_where_others_look(song: Path) -> None:
    import av

    tags.write_tempo(str(song), 127.98)
    key = "WM/BeatsPerMinute" if song.suffix == ".wma" else "BPM"
    assert [str(value) for value in mutagen.File(song).tags[key]] == ["127.98"]
    with av.open(str(song)) as container:
        assert container.metadata[key] == "127.98"


def test_other_tags_stay(song: Path) -> None:
    file = mutagen.File(song)
    if file.tags is None:
        file.add_tags()
    file.tags["Title"], file.tags["Mine"] = ["A title"], ["one", "two"]
    if song.suffix != ".wma":
        file.tags["Cover Art (Front)"] = mutagen.apev2.APEValue(b"a.png\0\x89PNG", mutagen.apev2.BINARY)
    file.save()
    before = dict(mutagen.File(song).tags)
    tags.write_tempo(str(song), 100.0)
    after = dict(mutagen.File(song).tags)
    assert after.pop("WM/BeatsPerMinute" if song.suffix == ".wma" else "BPM")
    assert after == before
    assert len(before) >= 2


def test_matroska_is_refused_and_left_alone(tmp_path: Path) -> None:
    samples = np.stack([make_clicks(120.0, 1.0, RATE)] * 2, axis=1)
    song = tmp_path / "song.mka"
    song.write_bytes(encode_av(samples, RATE, "matroska", "aac"))
    before = song.read_bytes()
    for attempt in (lambda: tags.write_tempo(str(song), 100.0), lambda: tags.read_tempo(str(song))):
        with pytest.raises(TagError, match="tags of Matroska cannot be written"):
            attempt()
    assert song.read_bytes() == before
    assert os.listdir(tmp_path) == [song.name]


def test_fields(song: Path) -> None:
    assert tags.read_field(str(song), "MOOD") is None
    tags.write_field(str(song), "MOOD", "calm; dark")
    tags.write_tempo(str(song), 100.0)
    assert tags.read_field(str(song), "mood" if song.suffix != ".wma" else "MOOD") == "calm; dark"


def test_no_grids_of_serato(song: Path) -> None:
    before = song.read_bytes()
    assert tags.read_serato(str(song)) is None
    with pytest.raises(TagError, match="Serato's grids in this kind of file are not known") as caught:
        tags.write_serato(str(song), b"grid")
    assert caught.value.name == str(song)
    assert song.read_bytes() == before
    assert os.listdir(song.parent) == [song.name]


def test_id3v1_after_an_ape_tag_stays(make_song: Callable[[str], Path]) -> None:
    song = make_song("song.ape")
    old = b"TAG" + b"A title".ljust(124, b"\0") + b"\x11"
    with song.open("ab") as file:
        file.write(old)
    tags.write_tempo(str(song), 100.0)
    assert song.read_bytes().endswith(old)
    assert tags.read_tempo(str(song)) == "100"


def test_a_tag_of_lyrics_is_not_lost(make_song: Callable[[str], Path]) -> None:
    song = make_song("song.ape")
    with song.open("ab") as file:
        file.write(b"LYRICSBEGININD0000200000011LYRICS200TAG" + bytes(125))
    before = song.read_bytes()
    with pytest.raises(TagError, match="has a Lyrics3 tag, which would be lost"):
        tags.write_tempo(str(song), 100.0)
    assert song.read_bytes() == before


def test_a_picture_is_no_tempo(make_song: Callable[[str], Path]) -> None:
    song = make_song("song.wv")
    file = mutagen.File(song)
    file.tags["BPM"] = mutagen.apev2.APEValue(b"\x01\x02", mutagen.apev2.BINARY)
    file.save()
    assert tags.read_tempo(str(song)) is None


@pytest.mark.parametrize("size", [40, 200, 2000])
def test_damaged_files_are_refused_or_kept(song: Path, size: int) -> None:
    short = song.read_bytes()[:size]
    song.write_bytes(short)
    name = None
    try:
        tags.write_tempo(str(song), 100.0)
    except TagError as error:
        name = error.name
    if name is None:
        assert tags.read_tempo(str(song)) == "100"
    else:
        assert (name, song.read_bytes()) == (str(song), short)
    assert os.listdir(song.parent) == [song.name]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", KINDS)
def test_ffprobe_reads_it(make_song: Callable[[str], Path], suffix: str) -> None:
    if shutil.which("ffprobe") is None:
        pytest.skip("needs the program ffprobe")
    song = make_song(f"song.{suffix}")
    tags.write_tempo(str(song), 128.0)
    command = ["ffprobe", "-v", "error", "-show_entries", "format_tags", str(song)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "=128" in done.stdout


@pytest.mark.slow
def test_wavpack_verifies_it(make_song: Callable[[str], Path]) -> None:
    if shutil.which("wvunpack") is None:
        pytest.skip("needs the program wvunpack")
    song = make_song("song.wv")
    tags.write_tempo(str(song), 128.0)
    subprocess.run(["wvunpack", "-q", "-v", str(song)], check=True, capture_output=True, timeout=60)
