"""An index of a library: it grows, shrinks, survives being killed, and refuses what it cannot read."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from libraries import layout, make_library, result, vector, wanted
from songs import song

from tempocli.cli import cli
from tempocli.embedding.index.library import Library
from tempocli.embedding.index.writer import IndexWriter
from tempocli.errors import DataError, OutputError


def index(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["index", *map(str, arguments)], prog_name="tempo")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    library = Library(str(make_library(tmp_path, [120.0, 93.5, None])))
    assert [entry.bpm for entry in library.tracks] == [120.0, 93.5, None]
    entry = library.find(str(tmp_path / "1.wav"))
    assert entry is not None
    for name, expected in vector(1).items():
        np.testing.assert_array_equal(library.parts_of(entry)[name], expected)
    assert library.find(str(tmp_path / "no.wav")) is None


def test_only_what_is_new_changed_or_failed_is_needed(tmp_path: Path) -> None:
    folder = str(make_library(tmp_path, [120.0, 121.0]))
    new, bad = tmp_path / "new.wav", tmp_path / "bad.wav"
    new.write_bytes(b"n")
    bad.write_bytes(b"b")
    with IndexWriter(folder, layout()) as writer:
        writer.add(result(bad, error="not audio"))
        assert not writer.needs(wanted(tmp_path / "0.wav"))
        assert writer.needs(wanted(new))
        assert not writer.needs(wanted(bad))
        assert writer.needs(wanted(bad), retry_failed=True)
        (tmp_path / "0.wav").write_bytes(b"longer")
        assert writer.needs(wanted(tmp_path / "0.wav"))


def test_a_changed_track_replaces_its_old_vector(tmp_path: Path) -> None:
    folder = str(make_library(tmp_path, [120.0, 121.0]))
    with IndexWriter(folder, layout()) as writer:
        writer.add(result(tmp_path / "0.wav", 77, bpm=60.0))
    library = Library(folder)
    assert len(library.tracks) == 2
    entry = library.find(str(tmp_path / "0.wav"))
    assert entry is not None
    assert entry.bpm == 60.0
    np.testing.assert_array_equal(library.parts_of(entry)["timbre"], vector(77)["timbre"])


def test_stale_rows_are_removed_in_the_end(tmp_path: Path) -> None:
    folder = make_library(tmp_path, [100.0 + number for number in range(8)])
    with IndexWriter(str(folder), layout()) as writer:
        for number in range(4):
            writer.remove(str(tmp_path / f"{number}.wav"))
        writer.add(result(tmp_path / "5.wav", 99, bpm=70.0))
        writer.finish()
        # The same writer goes on.
        assert writer.layout.generation == 1
    library = Library(str(folder))
    assert [entry.bpm for entry in library.tracks] == [104.0, 70.0, 106.0, 107.0]
    np.testing.assert_array_equal(library.parts_of(library.tracks[1])["chroma"], vector(99)["chroma"])
    assert os.path.getsize(folder / library.layout.vectors_name) == 4 * 4 * library.layout.dim
    assert not list(folder.glob("*-0.*"))


@pytest.mark.parametrize("cut", range(1, 40, 7))
def test_a_truncated_log_loses_its_last_track_only(tmp_path: Path, cut: int) -> None:
    folder = make_library(tmp_path, [100.0, 101.0, 102.0])
    log = folder / "tracks-0.jsonl"
    log.write_bytes(log.read_bytes()[:-cut])
    assert [entry.bpm for entry in Library(str(folder)).tracks] == [100.0, 101.0]
    with IndexWriter(str(folder), layout()) as writer:
        assert writer.needs(wanted(tmp_path / "2.wav"))
        writer.add(result(tmp_path / "2.wav", 2, bpm=102.0))
    library = Library(str(folder))
    assert [entry.bpm for entry in library.tracks] == [100.0, 101.0, 102.0]
    np.testing.assert_array_equal(library.parts_of(library.tracks[2])["timbre"], vector(2)["timbre"])


def test_a_vector_without_its_line_is_overwritten(tmp_path: Path) -> None:
    folder = make_library(tmp_path, [100.0])
    with (folder / "vectors-0.f32").open("ab") as file:
        file.write(b"half a vector")
    with IndexWriter(str(folder), layout()) as writer:
        writer.add(result(tmp_path / "1.wav", 1))
    library = Library(str(folder))
    np.testing.assert_array_equal(library.parts_of(library.tracks[1])["timbre"], vector(1)["timbre"])


def test_damage_is_told_in_one_line(tmp_path: Path) -> None:
    folder = make_library(tmp_path, [100.0, 101.0])
    vectors, log, description = (folder / name for name in ("vectors-0.f32", "tracks-0.jsonl", "index.json"))
    good = log.read_bytes()
    log.write_bytes(b"{]\n" + good)
    with pytest.raises(DataError, match="line 1 is damaged"):
        Library(str(folder))
    log.write_bytes(good.replace(b'"row": 1', b'"row": "x"'))
    with pytest.raises(DataError, match="line 2 is damaged"):
        Library(str(folder))
    log.write_bytes(good)
    os.truncate(vectors, 8)
    for opened in (Library, lambda folder: IndexWriter(folder, layout())):
        with pytest.raises(DataError, match="vectors are missing"):
            opened(str(folder))
    for text in ("", "[]", '{"format": 99}', '{"format": 1, "parts": 3}', "{" * 5000):
        description.write_text(text)
        with pytest.raises(DataError, match=r"damaged|another version"):
            Library(str(folder))
    with pytest.raises(DataError, match="not an index of tempo"):
        Library(str(tmp_path / "missing"))


def test_another_model_is_refused_until_it_is_rebuilt(tmp_path: Path) -> None:
    folder = make_library(tmp_path, [100.0, 101.0])
    other = layout(embedding={"model": {"name": "music", "version": "2"}})
    with pytest.raises(DataError, match=r"another model \(embedding\); make it again with --rebuild"):
        IndexWriter(str(folder), other)
    with IndexWriter(str(folder), other, rebuild=True) as writer:
        assert writer.entries == {}
    assert Library(str(folder)).tracks == []
    assert not list(folder.glob("*-0.*"))


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    folder = str(make_library(tmp_path, [100.0]))
    with IndexWriter(folder, layout()), pytest.raises(OutputError, match="another process is writing"):
        IndexWriter(folder, layout())
    IndexWriter(folder, layout()).__exit__(None, None, None)


def test_never_into_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(DataError, match="a folder that is not an index"):
        IndexWriter(str(tmp_path / "photos"), layout())
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(DataError, match="a file, not an index"):
        IndexWriter(str(tmp_path / "file"), layout())
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    for number, bpm in enumerate((100.0, 125.0, 140.0)):
        soundfile.write(folder / f"{number}.wav", song(bpm, 40 + 3 * number), 22050)
    return folder


@pytest.mark.slow
def test_the_command_reads_a_folder_once(music: Path, tmp_path: Path) -> None:
    out = tmp_path / "l.tempo"
    (music / "bad.wav").write_bytes(b"nothing")
    first = index(music, "-o", out, "--jobs", 2)
    assert first.exit_code == 3
    assert "bad.wav: " in first.stderr
    assert [round(entry.bpm or 0.0) for entry in Library(str(out)).tracks] == [100, 125, 140]
    before = (out / "vectors-0.f32").stat()
    again = index(music, "-o", out)
    assert (again.exit_code, again.stdout) == (3, "")
    assert (out / "vectors-0.f32").stat().st_size == before.st_size
    (music / "bad.wav").unlink()
    (music / "1.wav").rename(music / "moved.wav")
    assert index(music, "-o", out).exit_code == 0
    names = {Path(entry.path).name for entry in Library(str(out)).entries.values()}
    assert names == {"0.wav", "2.wav", "moved.wav"}
    info = index("--info", "-o", out)
    assert info.exit_code == 0
    assert "tracks           3" in info.stdout
    assert "embedding        music 1" in info.stdout


@pytest.mark.slow
def test_missing_files_can_be_kept_and_other_folders_are_left(music: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "l.tempo", tmp_path / "other"
    other.mkdir()
    soundfile.write(other / "x.wav", song(90.0), 22050)
    assert index(music, other, "-o", out).exit_code == 0
    (music / "0.wav").unlink()
    (other / "x.wav").unlink()
    assert index(music, "-o", out, "--keep-missing").exit_code == 0
    assert len(Library(str(out)).tracks) == 4
    assert index(music, "-o", out).exit_code == 0
    assert {Path(entry.path).name for entry in Library(str(out)).tracks} == {"1.wav", "2.wav", "x.wav"}


@pytest.mark.slow
def test_a_drive_that_is_not_mounted_loses_nothing(music: Path, tmp_path: Path) -> None:
    out = tmp_path / "l.tempo"
    assert index(music, "-o", out).exit_code == 0
    shutil.move(music, tmp_path / "unplugged")
    for mount in (False, True):  # gone, and an empty folder in its place
        if mount:
            music.mkdir()
        result = index(music, "-o", out)
        assert "the 3 tracks of the index from there are kept" in result.stderr
        assert len(Library(str(out)).tracks) == 3
    music.rmdir()
    shutil.move(tmp_path / "unplugged", music)
    assert index(music, "-o", out).exit_code == 0
    assert len(Library(str(out)).entries) == 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_run_is_continued_by_the_same_command(tmp_path: Path) -> None:
    folder, out = tmp_path / "music", tmp_path / "l.tempo"
    folder.mkdir()
    for number in range(12):
        soundfile.write(folder / f"{number:02d}.wav", song(100.0 + 3 * number, seconds=8.0), 22050)
    command = [sys.executable, "-m", "tempocli", "index", str(folder), "-o", str(out), "--jobs", "2"]
    for number in range(3):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
        log = out / "tracks-0.jsonl"
        deadline = time.monotonic() + 60.0
        while process.poll() is None and time.monotonic() < deadline:
            if log.is_file() and log.read_bytes().count(b"\n") > 2 * number:
                break
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    library = Library(str(out))
    assert [Path(entry.path).name for entry in sorted(library.tracks, key=lambda each: each.path)] == [
        f"{number:02d}.wav" for number in range(12)
    ]
    lines = (out / "tracks-0.jsonl").read_bytes().splitlines()
    assert len({json.loads(line)["path"] for line in lines}) == len(lines) == 12


@pytest.mark.parametrize(
    "arguments", [(), ("-o", "x"), ("-", "-o", "x"), ("--info", "a.wav", "-o", "x"), ("a.wav",)]
)
def test_usage_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    monkeypatch.chdir(tmp_path)
    assert index(*arguments).exit_code == 2
    assert not (tmp_path / "x").exists()
