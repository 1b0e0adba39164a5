"""Run other programs, and tell how far it is."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Settings of the caller's Python must not leak into the environments that are compared.
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


class BenchmarkError(Exception):
    """Something that must work for the figures to mean anything did not."""


def say(text: str) -> None:
    """Tell how far it is, on stderr."""
    print(text, file=sys.stderr, flush=True)


def call(command: Sequence[str], folder: Path | None = None) -> str:
    """Run a command that must succeed; return its output."""
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, cwd=folder, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"{' '.join(command[:4])} failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def succeeds(command: Sequence[str]) -> bool:
    """Tell whether a command can be run and ends well."""
    try:
        return subprocess.run(command, capture_output=True, env=ENVIRONMENT, check=False).returncode == 0
    except OSError:
        return False
