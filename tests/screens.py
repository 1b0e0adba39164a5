"""The command on a terminal of a size, emulated by pyte: what a person sees."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass

import pytest
from commands import FAKE

pyte = pytest.importorskip("pyte", reason="needs pyte, of the extra 'test'")

_ROWS = 600


@dataclass(frozen=True)
class Screen:
    """What is on the screen at the end; `lines` without trailing spaces and the empty ones below."""

    code: int
    lines: list[str]
    columns: int

    def row(self, start: str) -> str:
        """Return the only line that begins so."""
        (found,) = [line for line in self.lines if line.startswith(start)]
        return found

    def below(self, header: str) -> list[str]:
        """Return the lines below the one that begins so."""
        return self.lines[self.lines.index(self.row(header)) + 1 :]


def seen(*args: str, columns: int, stdin: int | None = None, program: tuple[str, ...] = (FAKE,)) -> Screen:
    """Run `tempo`, with the fake estimator by default, on a terminal that has so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, columns, 0, 0))
    left_out = {"COLUMNS", "LINES", "NO_COLOR"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    child = subprocess.Popen(
        [sys.executable, *program, *args],
        env=environment | {"TERM": "xterm-256color", "LANG": "C.UTF-8"},
        stdin=theirs if stdin is None else stdin,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    screen = pyte.Screen(columns, _ROWS)
    stream = pyte.ByteStream(screen)
    while True:
        ready, _, _ = select.select([ours], [], [], 60)
        assert ready, "nothing came for a minute"
        try:
            data = os.read(ours, 65536)
        except OSError:  # its other end is closed
            break
        if not data:
            break
        stream.feed(data)
    os.close(ours)
    lines = re.sub(r"\s+\Z", "", "\n".join(line.rstrip() for line in screen.display)).split("\n")
    return Screen(child.wait(timeout=60), lines, columns)
