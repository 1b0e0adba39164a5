"""The driver's side of the line protocol (see workers/protocol.py), and measuring tools in turn."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.commands import ENVIRONMENT, BenchmarkError, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WORKERS = Path(__file__).resolve().parents[1] / "workers"


@dataclass(frozen=True)
class Answer:
    """What a worker found in a file, and what that cost in seconds; `load_cpu_s` is what loading had cost."""

    bpm: float | None
    error: str | None
    cpu_s: float
    wall_s: float
    load_cpu_s: float
    version: str


class Worker:
    """The long-lived process of a tool."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.name = name
        self._log = folder / f"{name.replace(' ', '-')}.log"
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,
                env={**ENVIRONMENT, **variables},
            )

    def ask(self, file: str) -> Answer:
        """Have one file measured."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{file}\n")
            self._process.stdin.flush()
            # Some tools write to the standard output, too.
            line = "?"
            while line and not line.startswith('{"bpm": '):
                line = self._process.stdout.readline()
            return Answer(**json.loads(line))
        except (OSError, ValueError) as error:
            raise BenchmarkError(
                f"the worker of {self.name} ended at {Path(file).name}: {self._last_words()}"
            ) from error

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _last_words(self) -> str:
        self._process.wait()
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.returncode}"


def ask_in_turn(
    workers: Sequence[Worker], files: Sequence[str], rounds: int
) -> dict[str, list[list[Answer]]]:
    """Hand each file to each worker in turn, so that all meet the same noise.

    Returns
    -------
    dict of str to list
        By name of the worker: for each file, the answers of all rounds.
    """
    answers: dict[str, list[list[Answer]]] = {worker.name: [[] for _ in files] for worker in workers}
    for round_number in range(rounds):
        say(f"warm: round {round_number + 1} of {rounds}, {len(files)} files")
        for number, file in enumerate(files):
            # Another tool comes first each time: the first one reads the file for all.
            first = (number + round_number) % len(workers)
            for worker in [*workers[first:], *workers[:first]]:
                answer = worker.ask(file)
                if answer.error is not None:
                    raise BenchmarkError(f"{worker.name} failed at {file}: {answer.error}")
                answers[worker.name][number].append(answer)
    return answers
