"""The command `tempo embed`: its formats, its inputs, and what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from songs import song

from tempocli.cli import cli
from tempocli.errors import DataError
from tempocli.output.vectors import read_vectors

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def embed(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["embed", *map(str, arguments), "--device", "cpu"], prog_name="tempo")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    music = tmp_path / "music"
    music.mkdir()
    soundfile.write(music / "a.wav", song(), 22050)
    soundfile.write(music / "b.wav", song(90.0, 43, pattern="rock"), 22050)
    return music


@pytest.mark.parametrize("suffix", ["npz", "parquet"])
def test_vectors_of_tracks(folder: Path, tmp_path: Path, suffix: str) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    out = tmp_path / f"v.{suffix}"
    result = embed(folder, "-o", out)
    assert (result.exit_code, result.stdout) == (0, "")
    vectors = read_vectors(out, ["timbre", "chroma"])
    assert [path.rsplit("/", 1)[1] for path in vectors.paths] == ["a.wav", "b.wav"]
    assert vectors.parts["timbre"].shape == (2, 256)
    np.testing.assert_allclose(np.linalg.norm(vectors.parts["chroma"], axis=1), 1.0, atol=1e-5)
    assert vectors.model == "music"


def test_windows_have_times(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "w.npz"
    assert embed(folder / "a.wav", "--windows", "--parts", "rhythm", "-o", out).exit_code == 0
    with np.load(out) as arrays:
        assert arrays["rhythm"].shape == (len(arrays["time"]), 720)
        assert len(arrays["time"]) == 2
        assert "timbre" not in arrays
    with pytest.raises(DataError, match="windows, not tracks"):
        read_vectors(out, ["rhythm"])


def test_json_lines_in_a_pipe(folder: Path) -> None:
    result = embed(folder / "a.wav", "--parts", "chroma")
    row = json.loads(result.stdout)
    assert len(row["chroma"]) == 12
    assert (row["path"], row["model"], row["duration"]) == (str(folder / "a.wav"), "music", 14.0)


def test_failed_files_are_told_and_the_rest_is_written(folder: Path, tmp_path: Path) -> None:
    (folder / "bad.wav").write_bytes(b"RIFF not audio")
    out = tmp_path / "v.npz"
    result = embed(folder, "-o", out)
    assert result.exit_code == 3
    assert "bad.wav: " in result.stderr
    assert len(read_vectors(out, ["timbre"]).paths) == 2


def test_a_good_file_is_not_replaced_by_nothing(tmp_path: Path) -> None:
    out = tmp_path / "v.npz"
    out.write_bytes(b"mine")
    result = embed(tmp_path / "missing.wav", "-o", out)
    assert result.exit_code == 1
    assert out.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--parts", "colour", "-o", "v.npz"], "there is no part 'colour'; the parts are timbre, rhythm"),
        (["-o", "v.txt"], "No format is known by the suffix '.txt'"),
        (["--format", "npz"], "--format npz needs --output FILE."),
        (["-o", "a.wav", "--format", "npz"], "'a.wav' is an input"),
        (["--start", "-1", "-o", "v.npz"], "is no time"),
    ],
)
def test_usage_errors(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(folder)
    result = embed("a.wav", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_no_inputs_is_a_usage_error() -> None:
    assert embed().exit_code == 2


def test_broken_vector_files_are_refused(tmp_path: Path) -> None:
    for name, data in (("a.npz", b"no zip"), ("b.npz", b""), ("c.npz", b"PK\x03\x04 cut")):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(DataError, match="not a file of vectors"):
            read_vectors(path, ["timbre"])
    with pytest.raises(DataError, match="No such file"):
        read_vectors(tmp_path / "missing.npz", ["timbre"])
    np.savez(
        tmp_path / "d.npz", path=["x"], model=["music"], model_version=["1"], timbre=np.full((1, 3), np.nan)
    )
    with pytest.raises(DataError, match="no table of 1 finite vectors"):
        read_vectors(tmp_path / "d.npz", ["timbre"])
    np.savez(
        tmp_path / "e.npz",
        path=["x", "y"],
        model=["a", "b"],
        model_version=["1", "1"],
        timbre=np.ones((2, 3)),
    )
    with pytest.raises(DataError, match="vectors of 2 models"):
        read_vectors(tmp_path / "e.npz", ["timbre"])
