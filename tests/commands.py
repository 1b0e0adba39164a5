"""Commands as tests run them: in this process, in one of their own, and on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from tempocli.cli import cli

FAKE = str(Path(__file__).with_name("fake_estimator.py"))


def tempo(*args: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli, ["estimate", *args], input=stdin, prog_name="tempo")


def estimated(result: Result, code: int = 0) -> str:
    assert (result.exit_code, result.stderr) == (code, "")
    return result.stdout


def process(*args: str, **settings: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, FAKE, "estimate", *args],
        capture_output="stdout" not in settings,
        timeout=60,
        check=False,
        **settings,
    )


def on_a_terminal(*args: str, columns: int = 100, **settings: object) -> tuple[int, str, bytes]:
    """Run on a terminal; return exit status, what the terminal got, and what stdout got if it is apart."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(columns), "TERM": "xterm", "LANG": "C.UTF-8"}
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs} | settings
    child = subprocess.Popen([sys.executable, FAKE, *args], env=environment, **streams)
    os.close(theirs)
    shown = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 60)
        assert ready, "nothing came for a minute"
        try:
            data = os.read(ours, 65536)
        except OSError:  # its other end is closed
            break
        if not data:
            break
        shown += data
    os.close(ours)
    out = child.communicate(timeout=60)[0] or b""
    return child.returncode, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()), out


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["evaluate", *map(str, arguments)])


def scores(*arguments: object) -> dict[str, Any]:
    result = evaluate(*arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report
