"""How fast `tempo estimate FOLDER` is, by the number of jobs: files, audio, CPU, memory.

    python benchmarks/batch.py FOLDER_OR_FILE... [--files N] [--jobs 1 2] [--mp3]

Linux only: it reads /proc. `collection.py` makes a folder for it.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from harness.machine import machine
from harness.many import link_many

from tempocli.batch import find_files

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run took."""

    n_files: int
    n_failed: int
    audio_seconds: float
    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float


def main() -> None:
    """Make a folder of files, run the command on it, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="+", help="folders and files of real audio")
    parser.add_argument(
        "--files", type=int, help="number of files, duplicated to get there; else as they are"
    )
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--mp3", action="store_true", help="measure the MP3 among them alone, too")
    options = parser.parse_args()
    sources = list(find_files(options.sources))
    groups = {"all": sources}
    if options.mp3:
        groups["MP3"] = [source for source in sources if source.lower().endswith(".mp3")]
    for name, group in groups.items():
        if not group:
            parser.error(f"there are no files ({name})")
    print(f"{machine()}; load {os.getloadavg()[0]:.1f} at the start\n")
    print("| files | jobs | failed | audio h | wall s | files/s | CPU s | x real time a core | peak MB |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    gains = [
        gain
        for name, group in groups.items()
        for gain in compare_jobs(name, group, options.files or len(group), options.jobs)
    ]
    print("", *gains, sep="\n")


def compare_jobs(name: str, sources: list[str], n_files: int, all_jobs: list[int]) -> list[str]:
    """Measure a group of files with each number of jobs, and tell what more jobs gain."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "music"
        link_many(sources, folder, n_files)
        walls = {}
        for jobs in all_jobs:
            measured = measure(folder, jobs, Path(work))
            walls[jobs] = measured.wall_seconds
            print(row(name, jobs, measured), flush=True)
    first = all_jobs[0]
    return [f"{name}: {jobs} jobs are {walls[first] / walls[jobs]:.2f} x {first}" for jobs in all_jobs[1:]]


def measure(folder: Path, jobs: int, work: Path) -> Measured:
    """Run the command once, in a session of its own, whose processes are watched."""
    output = work / "out.csv"
    command = [sys.executable, "-m", "tempocli", "estimate", str(folder), "-o", str(output), "-q"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    start = time.monotonic()
    child = subprocess.Popen(
        [*command, "--jobs", str(jobs), "--device", "cpu"],
        env=environment,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    cpu: dict[int, float] = {}
    peak = 0.0
    while child.poll() is None:
        memory = 0.0
        for process in session(child.pid):
            used, held = usage(process)
            cpu[process] = max(used, cpu.get(process, 0.0))
            memory += held
        peak = max(peak, memory)
        time.sleep(POLL_SECONDS)
    wall = time.monotonic() - start
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    shutil.move(output, work / f"out-{jobs}.csv")
    audio = sum(float(each["duration"] or 0.0) for each in rows)
    n_failed = sum(each["error"] != "" for each in rows)
    return Measured(len(rows), n_failed, audio, wall, sum(cpu.values()), peak)


def session(leader: int) -> list[int]:
    """List the processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            found.append(int(path.parent.name))
    return found


def usage(process: int) -> tuple[float, float]:
    """Read CPU seconds, and megabytes with shared pages divided among those who share them."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    held = next((float(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
    return (int(fields[11]) + int(fields[12])) / TICKS, held


def row(name: str, jobs: int, measured: Measured) -> str:
    """Write one row of the table."""
    return (
        f"| {name}, {measured.n_files} | {jobs} | {measured.n_failed} | {measured.audio_seconds / 3600:.1f} "
        f"| {measured.wall_seconds:.0f} | {measured.n_files / measured.wall_seconds:.1f} "
        f"| {measured.cpu_seconds:.0f} | {measured.audio_seconds / measured.cpu_seconds:.0f} "
        f"| {measured.peak_megabytes:.0f} |"
    )


if __name__ == "__main__":
    main()
