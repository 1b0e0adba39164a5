"""The command `tempo beats`: formats, batches, resumed runs, clicks, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import soundfile
from bars import bars
from click.testing import CliRunner, Result

from tempocli.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def run(*arguments: object, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(
        cli, ["beats", *map(str, arguments), "--device", "cpu"], input=stdin, prog_name="tempo"
    )


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("song") / "song.wav"
    soundfile.write(path, bars(112.0, seconds=14.0), 22050)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    music = tmp_path / "music"
    music.mkdir()
    for name, bpm, metre in (("a", 112.0, 4), ("b", 96.0, 3), ("c", 140.0, 4)):
        soundfile.write(music / f"{name}.wav", bars(bpm, metre, seconds=14.0), 22050)
    return music


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_song(song: Path) -> None:
    result = run(song)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [position for _, position in rows[:5]] == ["1", "2", "3", "4", "1"]
    assert [float(time) for time, _ in rows[:2]] == pytest.approx([0.3, 0.3 + 60 / 112], abs=0.01)


def test_the_grid(song: Path) -> None:
    (line,) = run(song, "--grid").stdout.splitlines()
    assert line.split("\t")[3] == "112.00"


@pytest.mark.parametrize(
    ("name", "start"), [("x.beats", b"0."), ("x.mid", b"MThd"), ("x.jams", b"{"), ("x.csv", b"path,")]
)
def test_the_suffix_says_the_format(song: Path, tmp_path: Path, name: str, start: bytes) -> None:
    result = run(song, "-o", tmp_path / name)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / name).read_bytes().startswith(start)


def test_standard_input(song: Path) -> None:
    assert run("-", stdin=song.read_bytes()).stdout == run(song).stdout


def test_a_part(song: Path) -> None:
    first = float(run(song, "--start", "5", "--duration", "8").stdout.split("\t")[0])
    assert 4.9 < first < 5.5


def test_clicks(song: Path, tmp_path: Path) -> None:
    out = tmp_path / "clicks.wav"
    assert run(song, "--click", out).exit_code == 0
    assert soundfile.info(out).frames == soundfile.info(song).frames


def test_a_folder(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "beats.jsonl"
    result = run(folder, "-o", out, "--jobs", 2)
    assert (result.exit_code, result.stdout) == (0, "")
    found = {record["path"][-5:]: (round(record["bpm"]), record["metre"]) for record in records(out)}
    assert found == {"a.wav": (112, 4), "b.wav": (96, 3), "c.wav": (140, 4)}


def test_text_of_several_files_has_their_names(folder: Path) -> None:
    lines = run(folder / "a.wav", folder / "b.wav").stdout.splitlines()
    assert lines[0].startswith(f"{folder / 'a.wav'}\t0.")
    assert lines[-1].startswith(f"{folder / 'b.wav'}\t")


def test_a_run_is_resumed(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "beats.jsonl"
    assert run(folder / "a.wav", folder / "b.wav", "-o", out).exit_code == 0
    before = out.read_bytes()
    assert run(folder, "-o", out, "--resume", "-q").exit_code == 0
    assert out.read_bytes().startswith(before)
    assert [record["path"][-5] for record in records(out)] == ["a", "b", "c"]
    other = run(folder, "-o", out, "--resume", "--metre", 3)
    assert other.exit_code == 1
    assert "made with other settings (metre None, now 3)" in other.stderr


def test_a_killed_run_is_resumed(folder: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.jsonl", tmp_path / "beats.jsonl"
    assert run(folder, "-o", whole).exit_code == 0
    command = [sys.executable, "-m", "tempocli", "beats", str(folder), "-o", str(out), "--device", "cpu"]
    child = subprocess.Popen([*command, "--jobs", "1"], stderr=subprocess.DEVNULL, start_new_session=True)
    part = tmp_path / "beats.jsonl.part"
    limit = time.monotonic() + 60
    while time.monotonic() < limit and child.poll() is None:
        if part.exists() and part.stat().st_size > 300:
            break
        time.sleep(0.01)
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait(timeout=60)
    assert subprocess.run([*command, "--resume"], check=False, capture_output=True).returncode == 0
    assert records(out) == records(whole)


def test_an_output_that_is_no_file(song: Path) -> None:
    result = run(song, "-o", os.devnull, "--format", "jsonl")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert run(song, "-o", os.devnull, "--format", "jsonl", "--resume").exit_code == 2


def test_a_failed_file_is_told(folder: Path, tmp_path: Path) -> None:
    (folder / "d.wav").write_text("no audio")
    out = tmp_path / "beats.jsonl"
    result = run(folder, "-o", out)
    assert result.exit_code == 3
    assert f"{folder / 'd.wav'}: " in result.stderr
    assert records(out)[-1]["error"]


def test_silence_is_told(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "quiet.wav", [0.0] * 220500, 22050)
    result = run(tmp_path / "quiet.wav")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"tempo: {tmp_path / 'quiet.wav'}: no beats: silence\n"


def test_a_failed_song_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("no audio")
    out = tmp_path / "old.beats"
    out.write_text("kept")
    result = run(tmp_path / "bad.wav", "-o", out)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert out.read_text() == "kept"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--format", "midi", "x", "y"], "describes one track"),
        (["x", "-o", "out.xyz"], "No format is known by the suffix"),
        (["x", "--resume"], "--resume and --verify-hash need --output FILE.jsonl"),
        (["x", "-o", "out.csv", "--resume"], "--resume and --verify-hash need --output FILE.jsonl"),
        (["x", "-o", "out.jsonl", "--retry-failed"], "--retry-failed needs --resume"),
        (["x", "y", "--click", "c.wav"], "--click reads the music again"),
        (["-", "--click", "c.wav"], "--click reads the music again"),
        (["x", "--click", "c.mp3"], "give a name in .wav"),
        (["x", "--grid", "-o", "out.jams"], "--grid goes with the formats csv, midi, text"),
        (["x", "--metre", "9"], "9 is not in the range 2<=x<=7"),
        (["x", "--min-bpm", "200", "--max-bpm", "100"], "--min-bpm must be less"),
        (["x.wav", "-o", "x.wav"], "No format is known"),
        (["x.csv", "-o", "x.csv"], "it would be overwritten"),
        ([], "No inputs"),
    ],
)
def test_what_is_refused(arguments: list[str], reason: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert "Traceback" not in result.stderr


def test_a_model_of_another_kind(song: Path, model_path: Path) -> None:
    result = run(song, "--model", model_path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"tempo: {model_path}: not a beat network (metadata: ")
    assert run(song, "--model", "tempo").exit_code == 1


def test_a_missing_file(tmp_path: Path) -> None:
    result = run(tmp_path / "none.wav")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
