"""Training without the programs for synthetic music, and without a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tempocli.cli import cli
from tempocli.cli.commands.training import progress as progress_module
from tempocli.cli.commands.training.progress import progress
from tempocli.errors import DataError
from tempocli.training.data import programs
from tempocli.training.data.programs import check_programs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def nothing_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_there() -> list[Path]:
        raise DataError("no soundfonts")

    monkeypatch.setattr(programs, "find_library", lambda name: None)
    monkeypatch.setattr(programs.shutil, "which", lambda name: None)
    monkeypatch.setattr(programs, "find_soundfonts", none_there)


@pytest.mark.usefixtures("nothing_there")
@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (("synthetic",), "FluidSynth and soundfonts"),
        (("clicks",), "FluidSynth and soundfonts"),
        (("speech",), "eSpeak NG"),
        (("mma",), "FluidSynth and soundfonts and MMA"),
        (("groove", "."), "FluidSynth and soundfonts"),
        (("midi", "."), "FluidSynth and soundfonts"),
        (("sounds", "--sources", "s"), "apt-get and dpkg-deb and eSpeak NG"),
        (("music", "--sources", "s"), "apt-get and dpkg-deb and FluidSynth and soundfonts and MMA"),
        (("beats", "--sources", "s", "--groove", "."), "apt-get and dpkg-deb and FluidSynth"),
        (("all", "--sources", "s", "--groove", "."), "apt-get and dpkg-deb and FluidSynth"),
    ],
)
def test_one_line_says_what_is_missing(arguments: tuple[str, ...], missing: str, tmp_path: Path) -> None:
    out = tmp_path / "data"
    result = CliRunner().invoke(cli, ["train", "data", *arguments, "--out", str(out)])
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith(f"tempo: {missing}")
    assert "apt-get install " in result.stderr
    assert "'tempo train data labels', 'audio' and 'recordings' still work" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not out.exists()


@pytest.mark.usefixtures("nothing_there")
def test_what_is_there_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs.shutil, "which", lambda name: f"/bin/{name}")
    check_programs("MMA", "eSpeak NG", "apt-get", "dpkg-deb")
    with pytest.raises(DataError, match=r"^FluidSynth not found.*apt-get install fluidsynth\)"):
        check_programs("FluidSynth", "MMA")


def test_progress_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 10.0, 31.0, 31.0, 40.0])
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: next(clock))
    with progress("training", 3) as report:
        for step in (1, 2, 3):
            report(step, f"loss {step}")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "tempo: training: 2 of 3, loss 2\ntempo: training: 3 of 3, loss 3\n"


def test_an_interrupted_command_says_how_far_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        with progress("preparing", 9) as report:
            report(4)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert capsys.readouterr().err == "tempo: preparing: 4 of 9\n"


def test_work_that_cannot_be_counted_says_how_long_it_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_module, "INTERVAL", 0.01)

    def fail() -> None:
        with progress_module.working("exporting x"):
            time.sleep(0.1)
            raise DataError("no")

    with pytest.raises(DataError):
        fail()
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "tempo: exporting x: 0 s so far"
    time.sleep(0.05)
    assert capsys.readouterr().err == ""  # it ends with the work
    monkeypatch.setattr(progress_module, "INTERVAL", 60.0)
    with progress_module.working("exporting x"):
        pass
    assert capsys.readouterr().err == ""
