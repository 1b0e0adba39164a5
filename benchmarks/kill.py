"""Kill `tempo estimate` at random moments, go on with --resume, and compare with a run that nobody disturbed.

    python benchmarks/kill.py FOLDER_OR_FILE... [--files 300] [--kills 20] [--formats csv jsonl parquet]

A kill comes after a random number of rows, which may be none, and a random moment; it is SIGKILL, of the main
process alone or of all its processes. Ends with status 1 when a row is lost, twice there, or different.
POSIX only.
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
from pathlib import Path

from harness.many import link_many

from tempocli.batch import find_files

ROOT = Path(__file__).resolve().parents[1]
SHARE = 0.5  # of the files are done when the last kill comes, on average
POLL_SECONDS = 0.02
MOMENT_SECONDS = 0.3  # so much later than a row, at most, comes a kill: anywhere in the work on a file


def main() -> None:
    """Kill one run in each format."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", help="folders and files of real audio")
    parser.add_argument("--files", type=int, default=300, help="number of files, duplicated to get there")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--formats", nargs="+", default=["csv", "jsonl", "parquet"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        link_many(find_files(options.sources), work / "music", options.files)
        print("| format | files | kills | rows at the kills | seconds, undisturbed | and killed |")
        print("|---|---|---|---|---|---|", flush=True)
        for suffix in options.formats:
            whole, output = work / f"whole.{suffix}", work / f"out.{suffix}"
            start = time.monotonic()
            status = command(whole, options.jobs).wait()
            seconds = time.monotonic() - start
            rows = kill_often(output, status, options.jobs, options.kills, options.files, rng)
            killed = time.monotonic() - start - seconds
            compare(whole, output, options.files)
            shown = " ".join(map(str, rows))
            print(
                f"| {suffix} | {options.files} | {len(rows)} | {shown} | {seconds:.0f} | {killed:.0f} |",
                flush=True,
            )
    print("\nevery file is there exactly once, and all rows are the same")


def command(output: Path, jobs: int, *more: str) -> subprocess.Popen[bytes]:
    """Start a run, with processes that can be killed together."""
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tempocli",
            "estimate",
            "music",
            "-o",
            output,
            "-q",
            "--jobs",
            str(jobs),
            *more,
        ],
        cwd=output.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_often(
    output: Path, status: int, jobs: int, kills: int, n_files: int, rng: random.Random
) -> list[int]:
    """Kill runs, then let one end, and return how many rows there were at each kill."""
    rows: list[int] = []
    before = b""
    for _ in range(kills):
        wanted = n_rows(before, output) + rng.randint(0, round(2 * SHARE * n_files / kills))
        child = command(output, jobs, "--resume")
        while child.poll() is None and n_rows(written(output), output) < wanted:
            time.sleep(POLL_SECONDS)
        time.sleep(rng.uniform(0.0, MOMENT_SECONDS))
        if child.poll() is not None:
            raise SystemExit(f"the run ended after {len(rows)} kills: give more files, or fewer kills")
        (os.kill if rng.random() < 0.5 else os.killpg)(child.pid, signal.SIGKILL)
        child.wait()
        now = written(output)
        if not now.startswith(before):
            raise SystemExit("rows that were written are lost")
        before = now
        rows.append(n_rows(now, output))
    ended = command(output, jobs, "--resume").wait()
    if ended != status:
        raise SystemExit(f"the last run ended with {ended}, the undisturbed one with {status}")
    return rows


def n_rows(data: bytes, output: Path) -> int:
    """Count rows; the part of a CSV has a header."""
    return max(0, data.count(b"\n") - (output.suffix == ".csv"))


def written(output: Path) -> bytes:
    """Read the whole rows of a run that was killed."""
    try:
        data = Path(f"{output}.part").read_bytes()
    except FileNotFoundError:
        return b""
    return data[: data.rfind(b"\n") + 1]


def compare(whole: Path, output: Path, n_files: int) -> None:
    """Raise SystemExit unless two results are the same, and have each file once."""
    if output.suffix == ".parquet":
        from pyarrow.parquet import read_table

        table = read_table(output)
        same, paths = table.equals(read_table(whole)), table["path"].to_pylist()
    else:
        same = output.read_bytes() == whole.read_bytes()
        with output.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file) if output.suffix == ".csv" else map(json.loads, file)
            paths = [row["path"] for row in rows]
    if len(paths) != n_files or len(set(paths)) != n_files:
        raise SystemExit(f"{output.name}: {len(paths)} rows of {len(set(paths))} files, not of {n_files}")
    if not same:
        raise SystemExit(f"{output.name}: the rows are not those of the undisturbed run")


if __name__ == "__main__":
    main()
