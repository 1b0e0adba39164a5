"""docs/make_man.py: a man page for each command, that roff reads without a warning."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from tempocli import __version__
from tempocli.cli import cli
from tempocli.cli.config import settings

SCRIPT = Path(__file__).resolve().parents[1] / "docs" / "make_man.py"


@pytest.fixture(scope="module")
def make_man() -> Any:
    spec = importlib.util.spec_from_file_location("make_man", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(make_man: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The pages by their names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        written = make_man.main(tmp_path_factory.mktemp("man") / "man1")
    return {path.name: path.read_text(encoding="utf-8") for path in written}


def plain(roff: str) -> str:
    """Undo the escapes of roff."""
    for escape, character in (
        ("-", "-"),
        ("(aq", "'"),
        ("(ti", "~"),
        ("(dq", '"'),
        ("(ga", "`"),
        ("(ha", "^"),
    ):
        roff = roff.replace(f"\\{escape}", character)
    return re.sub(r"\\f[BR]|\\&", "", roff).replace("\\(rs", "\\")


def test_every_command_has_a_page(pages: dict[str, str]) -> None:
    leaves = ["-".join(["tempo", *names]) for names, _ in settings.leaves(cli, click.Context(cli))]
    assert {f"{name}.1" for name in leaves} < set(pages)
    assert set(pages) - {f"{name}.1" for name in leaves} == {
        "tempo.1", "tempo-train.1", "tempo-train-data.1", "tempo-references.1",
    }  # fmt: skip


def test_pages_have_all_options_and_commands(pages: dict[str, str]) -> None:
    for names, command in settings.leaves(cli, click.Context(cli)):
        text = plain(pages["-".join(["tempo", *names]) + ".1"])
        options = [each for each in command.params if isinstance(each, click.Option)]
        for option in options:
            assert re.search(rf"^[^\n]*{re.escape(option.opts[-1])}\b", text, re.MULTILINE), option.opts
        assert text.count("\n.TP\n") == len(options) + 1 + sum(map(settings.is_settable, options))
        assert f"tempo {__version__}" in text
    tempo = plain(pages["tempo.1"])
    assert "tempo-estimate(1)" in tempo
    assert "TEMPO_CONFIG" in tempo


def test_a_page_has_what_stands_below_the_options(pages: dict[str, str]) -> None:
    text = plain(pages["tempo-estimate.1"])
    parts = dict(re.findall(r"^\.SH (.*?)\n(.*?)(?=^\.SH|\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(parts) == [
        "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "NOTES", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT",
        "FILES", "SEE ALSO",
    ]  # fmt: skip
    assert parts["NAME"].startswith("tempo-estimate - estimate the tempo of audio files")
    assert "find . -name '*.mp3' -print0 | tempo estimate --files-from - -0\n" in parts["EXAMPLES"]
    assert parts["EXIT STATUS"].startswith("0 success, 1 error")
    assert "\n.SS Speed and limits\n" in parts["OPTIONS"]
    assert "TEMPO_ESTIMATE_MIN_BPM" in parts["ENVIRONMENT"]
    assert '"2023-11-14"' in text


def test_text_that_roff_would_take_for_commands_is_escaped(make_man: Any) -> None:
    @click.command(epilog="\b\nExamples:\n  .so /etc/passwd\n  'x'\n\nExit status: 0 success.")
    @click.option("--path", help=r".so C:\new and 'quoted', ~ ^ ` " + '"')
    def command(path: str) -> None:
        """.so of something - and more."""

    text = make_man.page(click.Context(command, info_name="tempo run"), "2026-01-01")
    assert not re.search(r"^(\.so|')", text, re.MULTILINE)
    assert r".so C:\new and 'quoted', ~ ^ ` " + '"' in plain(text)
    assert "\\new" not in text
    assert ".so /etc/passwd" in plain(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [["mandoc", "-Tlint", "-Wwarning"], ["man", "--warnings", "-l", "-Tutf8", "-Z"]]
)
def test_roff_has_no_complaint(command: list[str], pages: dict[str, str], tmp_path: Path) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    files = []
    for name, text in pages.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        files.append(str(tmp_path / name))
    done = subprocess.run([*command, *files], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mandoc:" not in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("man") is None, reason="needs man")
def test_a_page_reads_like_the_help(pages: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "tempo-estimate.1"
    file.write_text(pages[file.name], encoding="utf-8")
    environment = os.environ | {"MANWIDTH": "100", "MAN_KEEP_FORMATTING": "", "LC_ALL": "C.UTF-8"}
    shown = subprocess.run(
        ["man", "-l", str(file)], capture_output=True, text=True, timeout=60, check=True, env=environment
    ).stdout
    shown = re.sub(".\b", "", shown)
    assert "\n       --min-bpm BPM\n" in shown
    assert "\n       bpm=$(tempo estimate song.mp3)" in shown
    assert "--files-from - -0\n" in shown


@pytest.mark.slow
def test_as_a_program(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path / "new" / "man1")], timeout=60, check=True)
    assert (tmp_path / "new" / "man1" / "tempo.1").is_file()
    wrong = subprocess.run(
        [sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (wrong.returncode, wrong.stderr) == (1, "usage: python docs/make_man.py DIR\n")
