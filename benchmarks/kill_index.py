"""Kill `tempo index` at random moments, run it again, and compare with an index that nobody disturbed.

    python benchmarks/kill_index.py [--kills 50] [--files 60] [--seed 0]

Short clips are cut from docs/sample.ogg. Each kill is SIGKILL of all processes of a run at a random moment;
then the same command is run again. An index is killed several times before it is compared: it must hold the
same tracks with the same tempi and vectors, each once. Ends with status 1 when something differs. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from kill import cut_clips

from tempocli.embedding.index.library import Library

ROOT = Path(__file__).resolve().parents[1]
_KILLS_PER_INDEX = 5


def main() -> int:
    """Kill runs until the number of kills is reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        cut_clips(ROOT / "docs" / "sample.ogg", work / "music", options.files, rng)
        began = time.monotonic()
        run(work / "music", work / "whole.tempo")
        seconds = time.monotonic() - began
        expected = contents(work / "whole.tempo")
        n_kills = n_finished = number = 0
        while n_kills < options.kills:
            index = work / f"{number}.tempo"
            number += 1
            for _ in range(_KILLS_PER_INDEX):
                if killed(work / "music", index, rng.uniform(0.0, 1.1 * seconds)):
                    n_kills += 1
                else:
                    n_finished += 1
            run(work / "music", index)
            problem = difference(expected, contents(index), index)
            if problem:
                print(f"after {n_kills} kills: {problem}")
                return 1
        print(
            f"{n_kills} kills of runs of {seconds:.1f} s on {options.files} files, {n_finished} runs to the "
            f"end: all {number} indexes are the same as the undisturbed one"
        )
    return 0


def command(music: Path, index: Path) -> list[str]:
    """Return the command that makes an index."""
    return [sys.executable, "-m", "tempocli", "index", str(music), "-o", str(index), "--jobs", "2", "-q"]


def run(music: Path, index: Path) -> None:
    """Make or continue an index."""
    subprocess.run(command(music, index), check=True, cwd=ROOT)


def killed(music: Path, index: Path, seconds: float) -> bool:
    """Run for some seconds, then kill all processes; return whether the run had not ended before."""
    process = subprocess.Popen(command(music, index), cwd=ROOT, start_new_session=True)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def contents(index: Path) -> dict[str, tuple[float | None, bytes]]:
    """Return the tempo and the vector of each track."""
    library = Library(str(index))
    return {
        entry.path: (entry.bpm, np.concatenate(list(library.parts_of(entry).values())).tobytes())
        for entry in library.tracks
    }


def difference(
    expected: dict[str, tuple[float | None, bytes]], found: dict[str, tuple[float | None, bytes]], index: Path
) -> str | None:
    """Say how an index differs from the expected one, or return ``None``."""
    if found != expected:
        return f"{len(expected.keys() ^ found.keys())} tracks more or less, or others changed"
    log = next(index.glob("tracks-*.jsonl")).read_bytes().splitlines()
    paths = [json.loads(line)["path"] for line in log]
    return None if len(paths) == len(set(paths)) else "a track is there twice"


if __name__ == "__main__":
    sys.exit(main())
