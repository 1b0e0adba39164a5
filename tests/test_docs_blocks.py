"""Every block of commands and code in README and docs runs, or says why not."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import click
import pytest
import soundfile
from documents import ROOT, Block, blocks_of, documents
from drums import RATE
from songs import song

from tempocli.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 120.0  # of one block
_SONGS = {"song": 128.0, "slow": 84.0, "a": 124.0, "b": 126.0, "remix": 126.0}
_CUE = (
    'FILE "mix.wav" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n  TRACK 02 AUDIO\n    INDEX 01 00:50:00\n'
)
_LIBRARY = {"one": 96.0, "two": 124.0, "three": 172.0}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the home of somebody who has some music; the commands run in its folder `work`."""
    home = tmp_path_factory.mktemp("home")
    for name in ("work/docs", "work/music", "work/records", "Music", "bin"):
        (home / name).mkdir(parents=True)
    for root, (name, bpm) in enumerate((_SONGS | {"mix": 120.0}).items(), start=45):
        samples = song(bpm, root, seconds=100.0 if name == "mix" else 10.0)
        for suffix in ("wav", "flac", "mp3"):
            soundfile.write(home / "work" / f"{name}.{suffix}", samples, RATE)
    for root, (name, bpm) in enumerate(_LIBRARY.items(), start=45):
        for folder in ("Music", "work/music", "work/records"):
            soundfile.write(home / folder / f"{name}.flac", song(bpm, root, seconds=10.0), RATE)
    (home / "work" / "album.cue").write_text(_CUE, encoding="utf-8")
    shutil.copy(ROOT / "docs" / "sample.ogg", home / "work" / "docs")
    shutil.copy(ROOT / "README.md", home / "work")
    for name, arguments in {"tempo": "-m tempocli", "python": ""}.items():
        program = home / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    return home


@pytest.fixture
def home(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(template, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home" / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'home' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs bash")
@pytest.mark.parametrize("document", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_blocks_run(document: Path, home: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_of(document.read_text(encoding="utf-8")):
        if block.reason is None and block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, document, "exec"), names)
        elif block.reason is None:
            run(document, block)


def run(document: Path, block: Block) -> None:
    command = ["bash", "-euo", "pipefail", "-c", block.text]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        try:
            out, errors = process.communicate(timeout=_SECONDS)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # with all that it has started
            raise
    shown = f"{document.name}, line {block.line}: exit status {process.returncode}\n{block.text}"
    assert process.returncode == block.status, f"{shown}\n{out[-2000:]}\n{errors[-2000:]}"


def not_run() -> list[tuple[str, str]]:
    """Return the documents and lines of the `tempo` commands that are not run."""
    found = []
    for document in documents():
        for block in blocks_of(document.read_text(encoding="utf-8")):
            lines = block.text.replace("\\\n", " ").split("\n")
            found += [(document.name, line) for line in lines if block.reason and line.startswith("tempo ")]
    return found


def test_commands_that_are_not_run_have_options_that_exist() -> None:
    commands = not_run()
    assert len(commands) > 30
    for name, line in commands:
        words = shlex.split(line, comments=True)[1:]
        words = words[: min([words.index(mark) for mark in ("|", ">", "&&", ";") if mark in words] or [999])]
        command: click.Command | None = cli
        while isinstance(command, click.Group):
            command = command.get_command(click.Context(command), words.pop(0))
        assert command is not None, f"{name}: {line}"
        known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        used = {word.partition("=")[0] for word in words if word.startswith("-") and len(word) > 1}
        assert used <= known | {"--help"}, f"{name}: {line}"


class TestBlocks:
    def test_kinds(self) -> None:
        text = "Text\n\n    tempo a\n\n    tempo b\n\n```python\nx = 1\n```\n\n```json\n{}\n```\n- item\n"
        found = blocks_of(text)
        assert found == [Block(3, "bash", "tempo a\n\ntempo b\n"), Block(8, "python", "x = 1\n")]

    def test_marks(self) -> None:
        text = """<!-- not run: needs a GPU -->

    tempo a

<!-- exit status: 2 -->

    tempo b

# Train
<!-- not run in this section: takes hours -->

    tempo c

```bash
tempo d
```
## More

    tempo e
"""
        found = [(block.text.strip(), block.reason, block.status) for block in blocks_of(text)]
        assert found == [
            ("tempo a", "needs a GPU", 0),
            ("tempo b", None, 2),
            ("tempo c", "takes hours", 0),
            ("tempo d", "takes hours", 0),
            ("tempo e", None, 0),
        ]

    def test_options_are_left_out(self) -> None:
        text = (
            "<!-- options of tempo x -->\n\n    tempo x [OPTIONS]\n\n<!-- end of options -->\n\n    tempo y\n"
        )
        assert [block.text for block in blocks_of(text)] == ["tempo y\n"]

    @pytest.mark.parametrize(
        "text",
        [
            "<!-- not run: -->\n\n    tempo a\n",
            "<!-- exit status: none -->\n\n    tempo a\n",
            "<!-- not run: late -->\ntext\n",
            "<!-- not run: late -->\n\n```json\n{}\n```\n",
            "<!-- not run: last -->",
        ],
    )
    def test_marks_that_say_nothing(self, text: str) -> None:
        with pytest.raises(ValueError, match="line 1: the mark"):
            blocks_of(text)

    def test_every_document_has_been_found(self) -> None:
        names = {path.relative_to(ROOT).as_posix() for path in documents()}
        assert {"README.md", "CONTRIBUTING.md", "docs/estimate.md", "models/tempo.md"} <= names
        assert "docs/api.md" not in names

    def test_a_document_as_a_script(self, tmp_path: Path) -> None:
        python = "```python\nprint(2)\n```\n"
        text = f"    echo one\n\n<!-- exit status: 1 -->\n\n    false  # a comment\n\n{python}"
        (tmp_path / "page.md").write_text(text, encoding="utf-8")
        command = [sys.executable, str(ROOT / "tests" / "documents.py"), str(tmp_path / "page.md")]
        script = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        script = script.replace("python -", f"{sys.executable} -")
        ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        assert ended.stdout == "one\n2\n"
        failing = subprocess.run(["bash", "-c", script.replace("false", "true")], check=False)
        assert failing.returncode == 1
