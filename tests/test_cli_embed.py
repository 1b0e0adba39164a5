"""The command `tempo embed`: its formats, its inputs, and what it refuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from songs import song

from tempocli.cli import cli, inputs
from tempocli.errors import DataError
from tempocli.output.vectors import read_vectors

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


def test_silence_has_a_row_as_a_track_and_a_note_without_windows(folder: Path, tmp_path: Path) -> None:
    soundfile.write(folder / "c.wav", np.zeros(22050, np.float32), 22050)
    out = tmp_path / "v.npz"
    assert embed(folder, "-o", out).stderr == ""
    with np.load(out) as arrays:
        assert arrays["reason"].tolist() == ["", "", "silence"]
        assert not arrays["timbre"][2].any()
    result = embed(folder, "--windows", "-o", out)
    assert (result.exit_code, result.stderr) == (0, f"tempo: {folder / 'c.wav'}: no windows: silence\n")
    assert embed(folder, "--windows", "-o", out, "-q").stderr == ""


def test_a_long_standard_input_is_refused_without_naming_a_strange_option(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inputs, "MAX_STDIN", 5_000_000)
    result = CliRunner().invoke(cli, ["embed", "-", "--device", "cpu"], input=bytes(5_000_001))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "tempo: -: standard input has more than the 5 MB that are read of it\n"


class TestInterrupt:
    def interrupt(self, folder: Path, out: Path) -> str:
        """Interrupt a run after its first input; return what it says."""
        paths = [str(folder / name) for name in ("a.wav", "b.wav")] * 500
        code = (
            "import sys\n"
            "from tempocli.cli import main\n"
            "from tempocli.output import vectors\n"
            "rows = vectors.Columns.rows\n"
            "def told(*args):\n"
            "    print(flush=True)\n"
            "    return rows(*args)\n"
            "vectors.Columns.rows = told\n"
            "main()\n"
        )
        command = [sys.executable, "-c", code, "embed", "--device", "cpu", "-o", str(out), *paths]
        root = Path(__file__).resolve().parents[1]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=root) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"\n"
            child.send_signal(signal.SIGINT)
            _, said = child.communicate(timeout=60)
        assert child.returncode == 130
        lines = said.decode().splitlines()
        assert lines[0] == "tempo: finishing the files under way; Ctrl-C again to leave them"
        assert lines[2:] == ["tempo: interrupted"]
        return lines[1].removeprefix(f"tempo: {out}: ")

    @pytest.mark.parametrize("suffix", ["npz", "parquet"])
    def test_what_was_done_is_kept(self, folder: Path, tmp_path: Path, suffix: str) -> None:
        if suffix == "parquet":
            pytest.importorskip("pyarrow")
        out = tmp_path / f"v.{suffix}"
        said = self.interrupt(folder, out)
        n_rows = len(read_vectors(out, ["timbre"]).paths)
        assert 1 <= n_rows < 1000
        assert said == f"has the {n_rows} inputs that were done"

    def test_a_file_of_an_earlier_run_stays(self, folder: Path, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow")
        out = tmp_path / "v.parquet"
        out.write_bytes(b"mine")
        said = self.interrupt(folder, out)
        assert said == "is as it was before; the vectors of this run are lost"
        assert out.read_bytes() == b"mine"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["music", "v.parquet"]
