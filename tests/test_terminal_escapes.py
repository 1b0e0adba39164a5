"""No name steers a terminal: control characters and changes of direction are escaped there, only there."""

from __future__ import annotations

import csv
import io
import json
import logging
import subprocess
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner
from commands import on_a_terminal, process, tempo
from fake_estimator import make_estimate
from hypothesis import given
from hypothesis import strategies as st

from tempocli import comparison as relate
from tempocli.audio.inputs import _printable
from tempocli.cli import cli
from tempocli.cli.terminal import console
from tempocli.comparison import TempoComparison
from tempocli.output.formats.terminal import printable_json, printable_result
from tempocli.schema import FileResult

if TYPE_CHECKING:
    from pathlib import Path

# What clears the screen, sets a window's title, ends a line, turns the direction round, and plain letters.
EVIL = "\x1b[2J\x1b]0;title\x07\r\x9b\x7f\u202e\u2066\u200b音é 99\n.wav"
ESCAPED = r"\x1b[2J\x1b]0;title\x07\r\x9b\x7f\u202e\u2066\u200b音é 99\n.wav"
STEERING = "\x1b\x07\x9b\x7f\u202e\u2066\u200b"


@pytest.fixture
def evil(music: Path) -> Path:
    (music / "evil").mkdir()
    (music / "evil" / EVIL).touch()
    (music / "evil" / f"broken {EVIL}").touch()
    return music


class TestResults:
    @pytest.mark.slow
    @given(st.text())
    def test_json_means_the_same(self, text: str) -> None:
        for indent in (None, 2):
            written = json.dumps({"path": text, "n": [1]}, ensure_ascii=False, indent=indent) + "\n"
            shown = printable_json(written)
            assert shown.replace("\n", "").isprintable()
            assert json.loads(shown) == {"path": text, "n": [1]}
            if text.isprintable():
                assert shown == written

    @given(st.text(), st.text(), st.text())
    def test_a_result_is_printable(self, path: str, model: str, reason: str) -> None:
        result = FileResult(path, estimate=make_estimate(None, reason=reason, model=model))
        shown = printable_result(result)
        assert shown.estimate is not None
        assert all(map(str.isprintable, (shown.path, shown.estimate.model, shown.estimate.reason or "")))
        assert (printable_result(FileResult(path, error=reason)).error or "").isprintable()

    def test_one_that_is_printable_is_the_same(self) -> None:
        result = FileResult("音é \\ b.wav", estimate=make_estimate(120.0))
        assert printable_result(result) == result


@pytest.mark.slow
class TestEstimate:
    @pytest.mark.parametrize("name", ["text", "csv", "tsv", "json", "jsonl"])
    def test_on_a_terminal(self, evil: Path, name: str) -> None:
        code, shown, _ = on_a_terminal("estimate", "evil", "--format", name, columns=300)
        assert code == 3
        assert not set(shown.replace("\r\n", "\n")) & set(STEERING)
        if "json" in name:
            assert r"\u001b[2J\u001b]0;title\u0007\r\u009b\u007f\u202e\u2066\u200b音é 99\n.wav" in shown
        else:
            assert f"evil/{ESCAPED}" in shown
        assert f"tempo: evil/broken {ESCAPED}: not audio" in shown

    @pytest.mark.parametrize("name", ["json", "jams", "mirex", "csv"])
    def test_one_file_on_a_terminal(self, evil: Path, name: str) -> None:
        code, shown, _ = on_a_terminal("estimate", f"evil/{EVIL}", "--format", name, "-v")
        assert code == 0
        assert not set(shown) & set(STEERING)

    def test_in_a_pipe_they_are_as_they_are(self, evil: Path) -> None:
        code, _, out = on_a_terminal("estimate", "evil", "--format", "csv", stdout=subprocess.PIPE)
        assert code == 3
        rows = list(csv.DictReader(io.StringIO(out.decode(), newline="")))
        assert {row["path"] for row in rows} == {f"evil/{EVIL}", f"evil/broken {EVIL}"}
        done = process("evil", "--format", "jsonl")
        assert f"evil/{EVIL}" in [json.loads(line)["path"] for line in done.stdout.splitlines()]
        assert "\u202e" in done.stdout.decode()

    def test_in_a_file_they_are_as_they_are(self, evil: Path) -> None:
        code, shown, _ = on_a_terminal("estimate", "evil", "-o", "out.csv")
        assert code == 3
        assert not set(shown) & set(STEERING)
        assert EVIL.encode() in (evil / "out.csv").read_bytes()

    def test_the_log(self, evil: Path) -> None:
        (evil / f"damaged {EVIL}").touch()
        (evil / f"bug {EVIL}").touch()
        code, shown, _ = on_a_terminal("estimate", f"damaged {EVIL}", f"bug {EVIL}", "-v", columns=300)
        assert code == 3
        assert not set(shown) & set(STEERING)
        assert r"\x1b[2J" in shown

    def test_a_traceback(self, evil: Path) -> None:
        (evil / f"bug {EVIL}").touch()
        result = tempo(f"bug {EVIL}", "-v")
        assert result.exit_code == 1
        assert "Traceback" in result.stderr
        assert not set(result.stderr) & set(STEERING)

    def test_what_was_typed_wrong(self, music: Path) -> None:
        for args in (["estimate", f"--{EVIL}"], [EVIL], [f"--{EVIL}"], ["estimate", "128.wav", "-o", EVIL]):
            result = CliRunner().invoke(cli, args, prog_name="tempo")
            assert result.exit_code == 2
            assert not set(result.stderr) & set(STEERING)
            assert "Usage: tempo" in result.stderr
        result = CliRunner().invoke(cli, [EVIL], prog_name="tempo")
        assert f"No such command or file '{ESCAPED}'" in result.stderr


class TestCompare:
    @pytest.fixture(autouse=True)
    def _relater(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class TempoComparer:
            def __init__(self, *_: object, **__: object) -> None:
                pass

            def analyse(self, path: str) -> str:
                return path

            def compare(self, *_: str) -> TempoComparison:
                return TempoComparison(0.9, 1.0, None)

        monkeypatch.setattr(relate, "TempoComparer", TempoComparer)

    @pytest.mark.parametrize("terminal", [True, False])
    def test_names(self, monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
        monkeypatch.setattr(console, "stdout_is_terminal", lambda: terminal)
        monkeypatch.setenv("COLUMNS", "300")
        result = CliRunner().invoke(cli, ["compare", "a.wav", EVIL], prog_name="tempo")
        assert result.exit_code == 0
        assert bool(set(result.stdout) & set(STEERING)) != terminal
        assert (ESCAPED in result.stdout) == terminal


def test_stderr_takes_line_feeds_alone(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def command() -> None:
        console.configure(verbose=True, quiet=False)
        logging.getLogger("tempocli").info("%s\nsecond", "\x1b\u202e")

    CliRunner().invoke(command)
    console._stderr.write("\x1b\r\t\n")
    assert capsys.readouterr().err == "\\x1b\\r\\t\n"
    assert _printable("\x1b") == "\\x1b"
