"""Tables on terminals of several widths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from commands import on_a_terminal

from tempocli.cli import cli
from tempocli.cli.terminal.words import shortened

if TYPE_CHECKING:
    from pathlib import Path

LONG = "a very long name of a song that has no end and then 123.wav"


@pytest.mark.slow
@pytest.mark.parametrize("columns", [36, 80, 200])
def test_the_file_stays(music: Path, columns: int) -> None:
    (music / LONG).touch()
    code, shown, _ = on_a_terminal("estimate", LONG, "128.wav", columns=columns)
    assert code == 0
    lines = shown.replace("\r", "\n").splitlines()
    (header,) = [line for line in lines if line.startswith("File")]
    (row,) = [line for line in lines if line.startswith("128.wav")]
    (long,) = [line for line in lines if line.startswith("a ver") and "123.00" in line]
    assert header.split()[:2] == ["File", "BPM"]
    assert row.split()[:2] == ["128.wav", "128.00"]
    assert "123.wav" in long
    assert ("…" in long) == (columns < 200)
    assert max(map(len, (header, row, long))) <= columns
    assert ("2nd BPM" in header) == (columns >= 80)


@pytest.mark.parametrize("width", [1, 2, 7, 8, 30])
def test_names_are_cut_in_the_middle(width: int) -> None:
    assert len(shortened(LONG, width)) == width
    assert shortened("short.wav", 9) == "short.wav"
    assert shortened("日本語の歌.wav", 9) == "日本….wav"


def test_a_path_means_estimate(music: Path) -> None:
    result = CliRunner().invoke(cli, ["128.wav"], prog_name="tempo")
    assert (result.exit_code, result.stdout) == (0, "128.00\n")


def test_what_is_no_command_gets_a_suggestion(music: Path) -> None:
    result = CliRunner().invoke(cli, ["estimat"], prog_name="tempo")
    assert result.exit_code == 2
    assert "No such command or file 'estimat'. Did you mean 'tempo estimate'?" in result.stderr
