"""The command `tempo segment`: formats, batches, resumed runs, plots, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from forms import song_of

from tempocli.cli import cli
from tempocli.evaluation.segment_files import read_segments

pytestmark = pytest.mark.slow
SCHEMA = Path(__file__).resolve().parents[1] / "docs" / "sections.schema.json"


def run(*arguments: object, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(
        cli, ["segment", *map(str, arguments), "--device", "cpu"], input=stdin, prog_name="tempo"
    )


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("song") / "song.wav"
    soundfile.write(path, song_of("ABA"), 22050)
    return path


@pytest.fixture
def folder(tmp_path: Path, song: Path) -> Path:
    music = tmp_path / "music"
    music.mkdir()
    (music / "a.wav").write_bytes(song.read_bytes())
    soundfile.write(music / "b.wav", np.zeros(15 * 22050), 22050)
    soundfile.write(music / "c.wav", song_of("AB", 100.0), 22050)
    return music


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_song(song: Path) -> None:
    result = run(song)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert rows[0][0] == "0.0000"
    assert {len(row) for row in rows} == {5}
    first, second, third = (
        next(label for start, end, label, *_ in rows if float(start) <= time < float(end))
        for time in (8.0, 24.0, 40.0)
    )
    assert first == third != second
    assert run("-", stdin=song.read_bytes()).stdout == result.stdout


@pytest.mark.parametrize("name", ["x.lab", "x.jams"])
def test_what_is_written_can_be_scored(song: Path, tmp_path: Path, name: str) -> None:
    assert run(song, "-o", tmp_path / name).exit_code == 0
    read = read_segments(tmp_path / name)
    expected = [line.split("\t") for line in run(song).stdout.splitlines()]
    assert list(read.labels) == [row[2] for row in expected]
    assert read.intervals[:, 0] == pytest.approx([float(row[0]) for row in expected])


def test_csv_and_audacity(song: Path, tmp_path: Path) -> None:
    assert run(song, "-o", tmp_path / "x.csv").exit_code == 0
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = run(song, "--format", "audacity").stdout.splitlines()
    assert [f"{row['start']}\t{row['end']}\t{row['label']}" for row in rows] == labels


def test_the_schema(folder: Path, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text())
    (folder / "d.wav").write_bytes(b"no audio")
    assert run(folder, "-o", tmp_path / "x.jsonl").exit_code == 3
    lines = records(tmp_path / "x.jsonl")
    assert len(lines) == 4
    for line in lines:
        jsonschema.validate(line, schema)
    jsonschema.validate(json.loads(run(folder, "--format", "json").stdout), schema)
    by_name = {Path(line["path"]).name: line for line in lines}
    assert by_name["b.wav"]["reason"] == "silence"
    assert by_name["d.wav"]["error"]


def test_a_run_is_resumed(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    assert run(folder, "-o", out).exit_code == 0
    whole = out.read_text()
    out.write_text("".join(whole.splitlines(keepends=True)[:1]))
    result = run(folder, "-o", out, "--resume")
    assert result.exit_code == 0
    assert sorted(out.read_text().splitlines()) == sorted(whole.splitlines())
    refused = run(folder, "-o", out, "--resume", "--min-bars", "4")
    assert refused.exit_code != 0
    assert sorted(out.read_text().splitlines()) == sorted(whole.splitlines())


def test_silence_is_told(folder: Path) -> None:
    result = run(folder / "b.wav")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"tempo: {folder / 'b.wav'}: no sections: silence\n"


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_plot(song: Path, tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    result = run(song, "--plot", tmp_path / f"x.{suffix}")
    assert (result.exit_code, result.stderr) == (0, "")
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert (tmp_path / f"x.{suffix}").read_bytes().startswith(start)


def test_no_plot_of_silence(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "x.png").write_bytes(b"earlier")
    result = run(folder / "b.wav", "--plot", tmp_path / "x.png")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith("no sections to plot: silence")
    assert (tmp_path / "x.png").read_bytes() == b"earlier"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--sections", "0"),
        ("--min-bars", "0"),
        ("--metre", "1"),
        ("--plot", "x.gif"),
        ("-o", "x.xyz"),
        ("--resume",),
        ("--format", "midi"),
    ],
)
def test_bad_options(song: Path, arguments: tuple[str, ...]) -> None:
    result = run(song, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")


def test_several_files_do_not_fit_one_document(folder: Path, tmp_path: Path) -> None:
    for arguments in (("-o", tmp_path / "x.lab"), ("--format", "audacity"), ("--plot", tmp_path / "x.png")):
        assert run(folder, *arguments).exit_code == 2
    assert not list(tmp_path.glob("x.*"))
