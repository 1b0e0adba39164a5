"""Input without an end: standard input has a limit, and so have the paths of a list."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, BinaryIO, cast

import click
import pytest
from commands import FAKE, estimated, tempo

from tempocli.cli.sizes import read_size, shown
from tempocli.cli.standard_input import limited
from tempocli.errors import AudioError

if TYPE_CHECKING:
    from pathlib import Path


class Endless(io.RawIOBase):
    """Gives the same letter for ever."""

    def __init__(self, letter: bytes) -> None:
        self._letter = letter
        self.n_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        buffer[:] = self._letter * len(buffer)
        self.n_read += len(buffer)
        return len(buffer)


def endless(letter: bytes = b"y") -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(Endless(letter)))


class TestLimit:
    @pytest.mark.parametrize("size", [0, 1, 99, 100])
    def test_what_is_within_comes_whole(self, size: int) -> None:
        data = os.urandom(size)
        assert limited(io.BytesIO(data), 100).read() == data
        with io.BytesIO() as copy:
            shutil.copyfileobj(limited(io.BytesIO(data), 100), copy, 7)
            assert copy.getvalue() == data

    def test_parts(self) -> None:
        stream = limited(io.BytesIO(b"abcdef"), 6)
        buffer = bytearray(4)
        assert stream.readinto(buffer) == 4  # type: ignore[attr-defined]
        assert bytes(buffer) == b"abcd"
        assert stream.read1(1) == b"e"  # type: ignore[attr-defined]
        assert [stream.read(9), stream.read(9)] == [b"f", b""]
        assert not stream.isatty()

    @pytest.mark.parametrize("size", [-1, None, 1, 100, 1000])
    def test_what_is_beyond_is_refused(self, size: int | None) -> None:
        with limited(io.BytesIO(101 * b"a"), 100, option="--max-stdin") as stream:

            def read() -> None:
                while stream.read(size):
                    pass

            with pytest.raises(
                AudioError, match=r"^-: standard input has more than the 100 bytes that --max-st"
            ):
                read()

    def test_no_more_is_read_than_needed(self) -> None:
        with endless() as stream, pytest.raises(AudioError):
            limited(stream, 1000).read()
        assert cast("Endless", cast("io.BufferedReader", stream).raw).n_read <= io.DEFAULT_BUFFER_SIZE * 2

    def test_a_file_is_not_copied_and_has_none(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"abc")
        with (tmp_path / "a").open("rb") as file:
            assert limited(file, 1) is file


class TestCommand:
    @pytest.mark.slow
    @pytest.mark.parametrize("more", [[], ["--timeout", "50"], ["128.wav"], ["--plot", "a.svg"]])
    def test_one_line_and_nothing_is_left(self, music: Path, more: list[str]) -> None:
        if "--plot" in more:
            pytest.importorskip("matplotlib")
        before = sorted(os.listdir(music))
        environment = os.environ | {"TMPDIR": str(music)}
        command = [sys.executable, FAKE, "estimate", "-", "--max-stdin", "3MB", *more]
        with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as source:
            done = subprocess.run(
                command, stdin=source.stdout, capture_output=True, env=environment, timeout=60, check=False
            )
            source.kill()
        assert done.returncode == (3 if "128.wav" in more else 1)
        said = "tempo: -: standard input has more than the 3 MB that --max-stdin allows\n"
        assert done.stderr.decode() == said
        assert sorted(os.listdir(music)) == before

    def test_less_is_estimated(self, music: Path) -> None:
        assert estimated(tempo("-", "--max-stdin", "4", stdin=b"77.5")) == "77.50\n"
        result = tempo("-", "--max-stdin", "3", stdin=b"77.5")
        assert (result.exit_code, result.stdout) == (1, "")

    @pytest.mark.parametrize("size", ["", "0", "-1", "GB", "1XB", "1e9", "nan", "4 G B"])
    def test_what_is_no_size(self, music: Path, size: str) -> None:
        result = tempo("-", "--max-stdin", size)
        assert result.exit_code == 2
        assert f"{size!r} is not a size such as 500MB or 4GB." in result.stderr

    def test_help_says_the_default(self) -> None:
        assert "[default: 4GB]" in " ".join(tempo("--help").stdout.split())


class TestList:
    @pytest.mark.parametrize("more", [[], ["-0"]])
    @pytest.mark.parametrize("letter", [b"a", b"\xff"])
    def test_a_path_without_an_end(
        self, music: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], letter: bytes
    ) -> None:
        stream = endless(letter)
        monkeypatch.setattr("tempocli.cli.terminal.console.stdin", lambda: stream)
        result = tempo("--files-from", "-", *more)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "tempo: the list of files has a path of more than 65,536 bytes\n"

    def test_null_bytes_without_an_end(self, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        stream = endless(b"\0")
        monkeypatch.setattr("tempocli.cli.terminal.console.stdin", lambda: stream)
        result = tempo("--files-from", "-")
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1

    @pytest.mark.parametrize(("more", "end"), [([], b"\n"), ([], b"\r\n"), (["-0"], b"\0"), (["-0"], b"")])
    def test_a_long_path_is_read(self, music: Path, more: list[str], end: bytes) -> None:
        path = b"./" * 32000 + b"/128.wav"
        result = tempo("--files-from", "-", *more, stdin=path + end)
        assert result.exit_code == 0
        assert result.stdout.endswith("128.wav\t128.00\n")


class TestSizes:
    @pytest.mark.parametrize(
        ("text", "size"),
        [("1", 1), ("500MB", 500 * 10**6), ("4gb", 4 * 10**9), ("1.5 k", 1500), ("2T", 2 * 10**12), (7, 7)],
    )
    def test_are_read(self, text: str | int, size: int) -> None:
        assert read_size(text) == size
        assert read_size(shown(size)) == size if size >= 1000 else shown(size) == f"{size} bytes"

    @pytest.mark.parametrize("text", ["", "x", "0", "0.4", "١GB"])
    def test_others_are_refused(self, text: str) -> None:
        with pytest.raises(click.BadParameter):
            read_size(text)
