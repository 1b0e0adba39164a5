"""Completion in shells: what click is asked for, and what bash, zsh and fish make of it."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import click
import pytest
from click.shell_completion import ShellComplete

from tempocli.cli import _COMMANDS, cli
from tempocli.cli.config import settings
from tempocli.inference.registry import list_models
from tempocli.training.recipe import shipped_recipes

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 60.0


def complete(*words: str) -> list[tuple[str, str]]:
    """Return types and values of what completes the last word."""
    shell = ShellComplete(cli, {}, "tempo", "_TEMPO_COMPLETE")
    return [(item.type, item.value) for item in shell.get_completions(list(words[:-1]), words[-1])]


def plain(*words: str) -> list[str]:
    return [value for kind, value in complete(*words) if kind == "plain"]


def kinds(*words: str) -> set[str]:
    return {kind for kind, _ in complete(*words)} - {"plain"}


def test_commands_and_files_come_first() -> None:
    assert plain("") == list(_COMMANDS)
    assert complete("es") == [("file", "es"), ("plain", "estimate")]
    assert complete("song") == [("file", "song")]
    assert set(plain("--")) == {"--help", "--version", "--config", "--no-config"}
    assert plain("train", "data", "so") == ["sounds"]


def test_commands_are_completed_without_importing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(cli), "get_command", lambda *_: pytest.fail("imports a command"))
    assert plain("ev") == ["evaluate"]


def test_options_of_commands() -> None:
    assert plain("estimate", "--min-") == ["--min-bpm", "--min-confidence"]
    assert plain("train", "run", "--t") == ["--threads"]


def test_formats_methods_and_devices() -> None:
    assert plain("estimate", "--format", "js") == ["json", "jsonl"]
    assert plain("beats", "--format", "aud") == ["audacity"]
    assert plain("estimate", "--method", "c") == ["classify", "compare"]
    assert plain("similar", "song.mp3", "--device=c") == ["cpu", "cuda"]


def test_a_path_in_place_of_a_command_means_estimate(music: Path) -> None:
    assert plain("128.wav", "--meth") == ["--method"]
    assert kinds("128.wav", "") == {"file"}
    assert complete("nonsense", "--meth") == []


@pytest.mark.parametrize(
    ("words", "method"),
    [
        (("estimate", "--model", ""), "classify"),
        (("estimate", "--method", "compare", "--model", ""), "compare"),
        (("compare", "--model", ""), "compare"),
        (("evaluate", "--model", ""), "classify"),
        (("beats", "--model", ""), "beats"),
        (("segment", "--model", ""), "embed"),
        (("embed", "--model", ""), "embed"),
        (("label", "--model", ""), "embed"),
    ],
)
def test_models_that_fit_and_files(words: tuple[str, ...], method: str, model_path: Path) -> None:
    assert plain(*words) == [entry.name for entry in list_models() if entry.method == method]
    assert plain(*words)
    assert kinds(*words) == {"file"}


def test_recipes() -> None:
    assert plain("train", "run", "contrastive-b") == ["contrastive-barlow-twins", "contrastive-byol"]
    assert len(plain("train", "calibrate", "--recipe", "")) == len(shipped_recipes())


def test_every_option_that_names_a_path_is_completed() -> None:
    without = []
    for names, command in settings.leaves(cli, click.Context(cli)):
        for parameter in command.params:
            metavar = str(parameter.metavar)
            words = ("PATH", "FILE", "DIR", "FOLDER", "INDEX", "SONG")
            is_path = any(word in metavar for word in words) or isinstance(parameter.type, click.Path)
            if is_path or isinstance(parameter, click.Argument):
                found = parameter.shell_complete(click.Context(command), "x")
                if not {item.type for item in found} & {"file", "dir"}:
                    without.append((*names, parameter.name))
    assert without == []


@pytest.fixture
def shim(tmp_path: Path) -> dict[str, str]:
    """The environment of a shell that finds `tempo`, in a folder with a file."""
    folder = tmp_path / "bin"
    folder.mkdir()
    tempo = folder / "tempo"
    tempo.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tempocli "$@"\n', encoding="utf-8")
    tempo.chmod(0o755)
    (tmp_path / "unusual song.wav").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("_TEMPO")}
    return environment | {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb"}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_in_bash(tmp_path: Path, shim: dict[str, str]) -> None:
    """Typed on a terminal, with the tab key."""
    ours, theirs = pty.openpty()
    command = ["bash", "--norc", "--noprofile", "-i"]
    shell = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=shim, cwd=tmp_path, start_new_session=True
    )
    os.close(theirs)

    def typed(text: str, expected: str) -> None:
        """Type, and wait for an answer; what is typed is echoed, so it must not be in it."""
        os.write(ours, text.encode())
        shown, end = "", time.monotonic() + SECONDS
        while expected not in shown:
            assert time.monotonic() < end, f"after {text!r}: {shown!r}"
            if select.select([ours], [], [], 1.0)[0]:
                shown += os.read(ours, 65536).decode()

    try:
        typed('eval "$(_TEMPO_COMPLETE=bash_source tempo)" && echo rea""dy\n', "\nready")
        typed("tempo est\t", "estimate ")
        typed("--meth\t", "--method ")
        typed("peri\t", "periodicity ")
        typed("unu\t", "unusual\\ song.wav")
        typed("\x15tempo compare --model com\t", "--model compare ")
        typed("\x15exit\n", "exit")
    finally:
        shell.kill()
        shell.wait(timeout=SECONDS)
        os.close(ours)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_scripts_are_read_by_their_shells(name: str, tmp_path: Path, shim: dict[str, str]) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"needs {name}")
    script = subprocess.run(
        ["tempo"],
        env=shim | {"_TEMPO_COMPLETE": f"{name}_source"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert "_TEMPO_COMPLETE" in script.stdout
    file = tmp_path / f"script.{name}"
    file.write_text(script.stdout, encoding="utf-8")
    read = subprocess.run(
        [name, "-n", str(file)], capture_output=True, text=True, timeout=SECONDS, check=True
    )
    assert read.stderr == ""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_in_fish(tmp_path: Path, shim: dict[str, str]) -> None:
    code = 'tempo | source; complete --do-complete "tempo estimate --format js"'
    shell = subprocess.run(
        ["fish", "--no-config", "-c", f"_TEMPO_COMPLETE=fish_source {code}"],
        env=shim,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert shell.stdout.splitlines() == ["json", "jsonl"]
