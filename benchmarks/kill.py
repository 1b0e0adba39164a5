"""Kill `tempo estimate` at random moments, go on with --resume, and compare with a run that nobody disturbed.

    python benchmarks/kill.py [FOLDER_OR_FILE...] [--kills 200] [--files 60] [--formats csv jsonl parquet]

Without sources, short clips are cut from docs/sample.ogg, so that a run takes seconds. A kill is SIGKILL, at
a random moment of a run, of the main process (parent), of one worker, or of all processes at once (both).
After a parent's death the run is continued with --resume; after a worker's it goes on by itself, and must
give the same. Ends with status 1 when a row is lost, twice there, or different, or when a run that came to
its end left a temporary file. POSIX only.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from harness.many import link_many

from tempocli.batch import find_files

ROOT = Path(__file__).resolve().parents[1]
TARGETS = ("parent", "worker", "both")
CLIP_SECONDS = 5.0
END_SECONDS = 300.0  # a run that takes longer hangs
BEYOND = 1.1  # of a run's time: kills may come as late, so that some hit its very end


def main() -> None:
    """Kill runs in each format until the number of kills is reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="*", help="folders and files of real audio, instead of clips")
    parser.add_argument("--files", type=int, default=60, help="number of files, duplicated to get there")
    parser.add_argument("--kills", type=int, default=200, help="in all formats together")
    parser.add_argument("--formats", nargs="+", default=["csv", "jsonl", "parquet"])
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=TARGETS)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if options.sources:
            link_many(find_files(options.sources), work / "music", options.files)
        else:
            cut_clips(ROOT / "docs" / "sample.ogg", work / "music", options.files, rng)
        print("| format | kills | of them | runs to the end | files left by kills | seconds, undisturbed |")
        print("|---|---|---|---|---|---|", flush=True)
        for number, suffix in enumerate(options.formats):
            n_kills = (options.kills + number) // len(options.formats)
            outcome = Killing(work, suffix, options.jobs, options.files, options.targets, rng).run(n_kills)
            kills = ", ".join(f"{outcome.kills[target]} {target}" for target in options.targets)
            print(
                f"| {suffix} | {outcome.kills.total()} | {kills} | {outcome.n_whole} | {outcome.n_left} | "
                f"{outcome.seconds:.1f} |",
                flush=True,
            )
    print(
        f"\nevery file is there exactly once, all rows are the same, and nothing is left ("
        f"{time.monotonic() - start:.0f} s)"
    )


def cut_clips(source: Path, folder: Path, count: int, rng: random.Random) -> None:
    """Cut short clips anywhere from an audio file."""
    import soundfile

    samples, sample_rate = soundfile.read(source, dtype="int16")
    length = round(CLIP_SECONDS * sample_rate)
    folder.mkdir()
    for number in range(count):
        start = rng.randrange(len(samples) - length)
        soundfile.write(folder / f"{number:06d}.wav", samples[start : start + length], sample_rate)


@dataclass
class Outcome:
    """What was done in one format: kills by target, whole runs, temporary files that kills left."""

    kills: Counter[str] = field(default_factory=Counter)
    n_whole: int = 0
    n_left: int = 0
    seconds: float = 0.0


class Killing:
    """Runs in one format that are killed, and one that is not.

    Parameters
    ----------
    work : Path
        A folder with the folder ``music`` of `n_files` files.
    suffix : str
        Of the results.
    jobs : int
        Workers.
    n_files : int
        Files.
    targets : sequence of str
        Which of `TARGETS` are killed.
    rng : random.Random
        Chooses moments and targets.
    """

    def __init__(
        self, work: Path, suffix: str, jobs: int, n_files: int, targets: list[str], rng: random.Random
    ) -> None:
        self._work = work
        self._whole = work / f"whole.{suffix}"
        # A folder for the results, and one for temporary files, with nothing else in them.
        self._output = work / suffix / f"out.{suffix}"
        self._temporary = work / f"{suffix}-tmp"
        self._jobs = jobs
        self._n_files = n_files
        self._targets = targets
        self._rng = rng
        self._outcome = Outcome()

    def run(self, n_kills: int) -> Outcome:
        """Kill so often, let the last run end, and compare all that came to their end."""
        self._output.parent.mkdir()
        self._temporary.mkdir()
        start = time.monotonic()
        if status := self._start(self._whole).wait(END_SECONDS):
            raise SystemExit(f"the undisturbed run ended with {status}")
        self._outcome.seconds = time.monotonic() - start
        before: list[str] = []
        while True:
            child = self._start(self._output, "--resume")
            is_whole = self._disturb(child, n_kills)
            if is_whole:
                self._check_whole(child)
                before = []
                if self._outcome.kills.total() >= n_kills:
                    return self._outcome
                self._output.unlink()
                continue
            self._outcome.n_left += len(self._leftovers())
            now = paths_in(self._output)
            if now[: len(before)] != before:
                raise SystemExit(f"{self._output.name}: rows that were written are lost")
            before = now

    def _start(self, output: Path, *more: str) -> subprocess.Popen[bytes]:
        """Start a run, with processes that can be killed together."""
        command = [sys.executable, "-m", "tempocli", "estimate", "music", "-o", str(output), "-q"]
        return subprocess.Popen(
            [*command, "--jobs", str(self._jobs), *more],
            cwd=self._work,
            env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(self._temporary)},
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def _disturb(self, child: subprocess.Popen[bytes], n_kills: int) -> bool:
        """Kill a run, or one of its workers and perhaps itself later; tell whether it came to its end."""
        targets = list(self._targets)
        while targets and self._outcome.kills.total() < n_kills:
            try:
                child.wait(self._rng.uniform(0.0, BEYOND * self._outcome.seconds))
                return True
            except subprocess.TimeoutExpired:
                target = self._rng.choice(targets)
            if target == "worker":
                # Once a run: a file whose worker dies a second time has failed.
                targets.remove("worker")
                workers = workers_of(child.pid)
                if not workers:
                    continue
                kill(self._rng.choice(workers))
            elif target == "parent":
                child.kill()
            else:
                os.killpg(child.pid, signal.SIGKILL)
            self._outcome.kills[target] += 1
            if target != "worker":
                child.communicate()
                return False
        try:
            child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            raise SystemExit(f"the run hangs: it took longer than {END_SECONDS:g} s") from None
        return True

    def _check_whole(self, child: subprocess.Popen[bytes]) -> None:
        said = child.communicate()[1].decode()
        if child.returncode:
            raise SystemExit(f"a run ended with {child.returncode}: {said}")
        self._outcome.n_whole += 1
        compare(self._whole, self._output, self._n_files)
        if left := self._leftovers():
            raise SystemExit(f"a run left {', '.join(left)}")

    def _leftovers(self) -> list[str]:
        """List what is there beside results and their part."""
        known = {self._output.name, f"{self._output.name}.part"}
        found = [*os.listdir(self._output.parent), *os.listdir(self._temporary)]
        return [name for name in found if name not in known]


def workers_of(parent: int) -> list[int]:
    """List the worker processes of a run: they are its session's, but not its own children."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, above, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == parent and int(above) != parent and int(entry.name) != parent and state != "Z":
            found.append(int(entry.name))
    return found


def kill(process: int) -> None:
    """Kill a process, which may have ended."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def paths_in(output: Path) -> list[str]:
    """Read whose results a killed run kept: in its part, or in the file if that was made just then."""
    part = Path(f"{output}.part")
    try:
        _, *lines = part.read_bytes().splitlines(keepends=True) or [b""]
    except FileNotFoundError:
        return paths_of(output) if output.exists() else []
    whole = [line.decode() for line in lines if line.endswith(b"\n")]
    rows = csv.DictReader(whole) if output.suffix == ".csv" else map(json.loads, whole)
    return [row["path"] for row in rows]


def paths_of(output: Path) -> list[str]:
    """Read whose results a result file has."""
    if output.suffix == ".parquet":
        from pyarrow.parquet import read_table

        paths: list[str] = read_table(output)["path"].to_pylist()
        return paths
    with output.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file) if output.suffix == ".csv" else map(json.loads, file)
        return [row["path"] for row in rows]


def compare(whole: Path, output: Path, n_files: int) -> None:
    """Raise SystemExit unless two results are the same, and have each file once."""
    paths = paths_of(output)
    if len(paths) != n_files or len(set(paths)) != n_files:
        raise SystemExit(f"{output.name}: {len(paths)} rows of {len(set(paths))} files, not of {n_files}")
    if output.suffix == ".parquet":
        from pyarrow.parquet import read_table

        same = read_table(output).equals(read_table(whole))
    else:
        same = output.read_bytes() == whole.read_bytes()
    if not same:
        raise SystemExit(f"{output.name}: the rows are not those of the undisturbed run")


if __name__ == "__main__":
    main()
