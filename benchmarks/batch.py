"""How fast `tempo estimate FOLDER` is, by the number of jobs: files, audio, CPU, memory.

    python benchmarks/batch.py FOLDER_OR_FILE... [--files 2000] [--jobs 1 2] [--mp3]

Linux only: it reads /proc.
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
from itertools import cycle, islice
from pathlib import Path

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
    parser.add_argument("--files", type=int, default=2000, help="number of files, duplicated to get there")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--mp3", action="store_true", help="encode them as MP3 first")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "music"
        folder.mkdir()
        sources = list(find_files(options.sources))
        if options.mp3:
            sources = encode_mp3(sources[: options.files], Path(name))
        for number, source in enumerate(islice(cycle(sources), options.files)):
            (folder / f"{number:06d}{Path(source).suffix}").symlink_to(os.path.abspath(source))
        load = os.getloadavg()[0]
        print(f"{options.files} files from {len(sources)}; {os.cpu_count()} cores, load {load:.1f}\n")
        print("| jobs | files | failed | audio h | wall s | files/s | CPU s | x real time a core | peak MB |")
        print("|---|---|---|---|---|---|---|---|---|")
        for jobs in options.jobs:
            print(row(jobs, measure(folder, jobs, Path(name))), flush=True)


def encode_mp3(sources: list[str], folder: Path) -> list[str]:
    """Encode files as MP3, in whatever bit rate libsndfile likes."""
    import soundfile

    (folder / "mp3").mkdir()
    encoded = []
    for number, source in enumerate(sources):
        path = folder / "mp3" / f"{number}.mp3"
        samples, rate = soundfile.read(source, dtype="float32")
        soundfile.write(
            path, samples, rate if rate in {22050, 24000, 32000, 44100, 48000} else 44100, format="MP3"
        )
        encoded.append(str(path))
    return encoded


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


def row(jobs: int, measured: Measured) -> str:
    """Write one row of the table."""
    return (
        f"| {jobs} | {measured.n_files} | {measured.n_failed} | {measured.audio_seconds / 3600:.1f} "
        f"| {measured.wall_seconds:.0f} | {measured.n_files / measured.wall_seconds:.1f} "
        f"| {measured.cpu_seconds:.0f} | {measured.audio_seconds / measured.cpu_seconds:.0f} "
        f"| {measured.peak_megabytes:.0f} |"
    )


if __name__ == "__main__":
    main()
