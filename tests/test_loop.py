"""The tutorial docs/loop.md as written: a folder, the review in a browser, a profile, tags, what changed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from browser import ENTER
from drums import HOUSE, RATE, play

from tempocli.audio.tags import read_tempo

if TYPE_CHECKING:
    from browser import Page

pytestmark = pytest.mark.slow

PAGE = Path(__file__).resolve().parents[1] / "docs" / "loop.md"
# Drums at half time: by default, half the tempo.
HALF_TIME = {"kick": "x...............", "snare": "........x.......", "hat": "x...x...x...x..."}
N_FAST, N_PLAIN = 10, 6
SECONDS = 12.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a folder of music, and a program `tempo`."""
    (tmp_path / "Music").mkdir()
    for number in range(N_FAST):
        write(tmp_path, 150.0 + 2.0 * number, HALF_TIME)
    for number in range(N_PLAIN):
        write(tmp_path, 118.0 + 2.0 * number, HOUSE)
    program = tmp_path / "bin" / "tempo"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tempocli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return tmp_path


def write(home: Path, bpm: float, steps: dict[str, str]) -> None:
    samples = play(bpm, SECONDS, steps, bass=False)
    soundfile.write(home / "Music" / f"{bpm:g}.flac", np.asarray(0.8 * samples, np.float32), RATE)


def environment(home: Path) -> dict[str, str]:
    path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
    unset = {"XDG_CONFIG_HOME", "XDG_CACHE_HOME"}
    return {name: each for name, each in os.environ.items() if name not in unset} | {
        "HOME": str(home), "PATH": path, "PYTHONUNBUFFERED": "1",
    }  # fmt: skip


def run(home: Path, line: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["sh", "-c", line], cwd=home, env=environment(home), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == code, done.stderr
    return done


def tempi(path: Path) -> dict[str, float]:
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {Path(each["path"]).stem: each["bpm"] for each in records}


def test_the_tutorial(home: Path, page: Page) -> None:
    text = PAGE.read_text(encoding="utf-8")
    estimate, review, learn, again, diff = re.findall(r"^    (tempo .*)$", text, re.MULTILINE)

    run(home, estimate)
    before = tempi(home / "tempi.jsonl")
    assert {name: round(float(name) / bpm) for name, bpm in before.items()} == {
        name: 2 if float(name) >= 140.0 else 1 for name in before
    }

    process = subprocess.Popen(
        ["sh", "-c", f"exec {review.replace(' --open', '')}"],
        cwd=home,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        page.open(process.stdout.readline().strip())
        n_halved = 0
        for number in range(N_FAST + N_PLAIN):
            page.at(number)
            halved = float(page.text("bpm")) < 100.0
            # Four are skipped, the other six of them corrected, and those that are right accepted.
            n_halved += halved
            page.press(*(["s"] if halved and n_halved <= 4 else ["d", ENTER] if halved else [ENTER]))
        page.until(lambda: "12 of 16 done" in page.text("progress"), "twelve are done")
        page.saved()
    finally:
        process.send_signal(signal.SIGINT)
        notes = process.communicate(timeout=60)[1]
    assert "6 corrected, 6 accepted, 12 tags written" in notes
    skipped = [path.stem for path in (home / "Music").iterdir() if read_tempo(str(path)) is None]
    assert len(skipped) == 4

    done = run(home, learn)
    assert re.search(r"where the default halves \(6 tracks; the profile follows in 6\)", done.stdout)
    assert re.search(r"^    counts .* \(6 tracks; the profile follows in 6\)$", text, re.MULTILINE)
    assert (home / ".config" / "tempo" / "profiles" / "mine.profile").is_file()

    done = run(home, again)
    after = tempi(home / "new.jsonl")
    assert after == pytest.approx({name: float(name) for name in before}, rel=0.005)
    assert [name for name in skipped if read_tempo(str(home / "Music" / f"{name}.flac")) is None] == []

    done = run(home, diff, code=1)
    changed = {Path(line.split("\t")[0]).stem: line.split("\t")[4] for line in done.stdout.splitlines()}
    assert changed == {name: "2" for name in before if float(name) >= 140.0}
    summary = re.findall(r"^    (\d+ same, .*)$", text, re.MULTILINE)
    assert [done.stderr.strip().removeprefix("tempo: ")] == summary
