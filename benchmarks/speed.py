"""Time tempo against librosa and aubio on the same files in one run, and print a Markdown table with ratios.

The driver needs the standard library only (Linux or macOS). It makes an environment for tempo, from this
checkout, and one for librosa, from the package index, in a cache folder; aubio is the system's, because its
package on the index does not build for current Pythons. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import datetime
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from harness.commands import ENVIRONMENT, BenchmarkError, call, say
from harness.environments import (
    find_interpreter_with,
    make_environment,
    make_own_environment,
    python_version,
)
from harness.machine import machine
from harness.selection import spread
from harness.worker import WORKERS, Answer, Worker, ask_in_turn

CHECKOUT = Path(__file__).resolve().parents[1]

COLD_RUNS = 10
WARM_ROUNDS = 3
IMPORT_LINE = "import numpy, tempocli.inference.session.runtime, soundfile, soxr, click"

# The bars this project has set itself.
MAX_COLD_RATIO = 1.6
MAX_COLD_PEAK_MB = 250.0
MAX_WARM_RATIO = 0.8  # of the command with --jobs 1
MAX_PYTHON_RATIO = 1.0  # of Estimator in a process of its own


@dataclass
class Usage:
    """What one process cost: seconds, and MB (10^6 bytes) of peak memory."""

    wall_s: float
    cpu_s: float
    peak_mb: float


@dataclass
class Tool:
    """One of the programs compared, with what was measured of it."""

    name: str
    python: Path
    cold_command: list[str]
    worker: Path | None
    version: str = ""
    cold: list[Usage] = field(default_factory=list)
    # For each file, the answers of all rounds.
    warm: list[list[Answer]] = field(default_factory=list)
    # CPU seconds a file of a whole command on many files, start-up subtracted; a value for each round.
    batch: list[float] = field(default_factory=list)


def main() -> None:
    """Run the benchmark."""
    arguments = parse_arguments()
    _adopt_orphans()
    cache: Path = arguments.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    try:
        tempo = arguments.tempo_python or make_own_environment(cache / "env-tempo", CHECKOUT)
        librosa = arguments.librosa_python or make_environment(cache / "env-librosa", [["librosa==0.11.0"]])
        files, cold_file = prepare_audio(arguments, tempo, cache)
        tools = list_tools(tempo, librosa, find_aubio(arguments.aubio_python), cold_file)
        load = os.getloadavg()[0]
        measure_cold(tools, cache)
        measure_warm(tools, files, cache)
        measure_command(tools[0], files, cache)
    except BenchmarkError as error:
        sys.exit(f"speed.py: {error}")
    print(report(tools, len(files), load))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Time tempo against librosa and aubio on the same files; print a Markdown table."
    )
    parser.add_argument("files", nargs="*", type=Path, help="audio files (default: made-up pieces of 60 s)")
    parser.add_argument("--dev", type=Path, metavar="CSV", help="take the 60 s files of a reference table")
    parser.add_argument("--limit", type=int, default=40, metavar="N", help="number of files (default: 40)")
    default_cache = Path(tempfile.gettempdir()) / "tempo-benchmarks"
    parser.add_argument(
        "--cache",
        type=Path,
        default=default_cache,
        metavar="DIR",
        help="where environments and audio are kept (default: %(default)s)",
    )
    for tool, default in (("tempo", "made"), ("librosa", "made"), ("aubio", "searched for")):
        help_text = f"an interpreter that has {tool} (default: {default})"
        parser.add_argument(f"--{tool}-python", type=absolute, metavar="PATH", help=help_text)
    arguments = parser.parse_args()
    if arguments.files and arguments.dev:
        parser.error("give files or --dev, not both")
    if arguments.limit < 1:
        parser.error("--limit must be at least 1")
    return arguments


def absolute(path: str) -> Path:
    """Make a path absolute without following links: the interpreter of an environment is one."""
    return Path(path).absolute()


def find_aubio(given: Path | None) -> Path | None:
    """Find an interpreter that has aubio: the given one, the system's, or any on the search path."""
    if given is not None:
        return given
    found = find_interpreter_with("aubio")
    if found is None:
        say("no interpreter has aubio, so it is left out (Debian: apt-get install python3-aubio)")
    return found


def prepare_audio(arguments: argparse.Namespace, python: Path, cache: Path) -> tuple[list[str], str]:
    """Return the files for the warm measurement, and one of 30 s for the cold one."""
    folder = cache / "audio"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    prepare = [str(python), str(WORKERS / "prepare.py")]
    if arguments.files:
        for path in arguments.files:
            if not path.is_file():
                raise BenchmarkError(f"{path}: no such file")
        files = spread([str(path.absolute()) for path in arguments.files], arguments.limit)
    elif arguments.dev:
        say("decoding")
        chosen = spread(dev_files(arguments.dev), arguments.limit)
        files = call([*prepare, "decode", str(folder), *chosen]).splitlines()
    else:
        say("making audio")
        files = call([*prepare, "make", str(folder), str(arguments.limit)]).splitlines()
    return files, call([*prepare, "cut", str(folder), files[0]]).strip()


def dev_files(table: Path) -> list[str]:
    """List the files of a reference table that last a minute."""
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [
            str(table.parent.absolute() / row["path"]) for row in rows if float(row["duration_s"]) >= 59.5
        ]
    except (OSError, KeyError, ValueError) as error:
        raise BenchmarkError(f"{table}: not a table with the columns path and duration_s: {error}") from error


def list_tools(tempo: Path, librosa: Path, aubio: Path | None, cold_file: str) -> list[Tool]:
    """Say how each tool is started."""
    command = tempo.parent / "tempo"
    if not command.exists():
        raise BenchmarkError(f"{command}: no such command")
    tools = [
        Tool("tempo", tempo, [str(command), "estimate", cold_file], WORKERS / "tempo_worker.py"),
        Tool("its imports alone", tempo, [str(tempo), "-c", IMPORT_LINE], None),
    ]
    for name, python in (("librosa", librosa), ("aubio", aubio)):
        if python is not None:
            worker = WORKERS / f"{name}_worker.py"
            tools.append(Tool(name, python, [str(python), str(worker), cold_file], worker))
    return tools


def measure_cold(tools: list[Tool], cache: Path) -> None:
    """Start each tool in turn, again and again; round 0 only fills the caches of disk and compilers."""
    for round_number in range(COLD_RUNS + 1):
        say(f"cold start: round {round_number} of {COLD_RUNS}")
        for tool in tools:
            usage = run_once(tool.cold_command, cache)
            if round_number > 0:
                tool.cold.append(usage)


def run_once(command: list[str], cache: Path) -> Usage:
    """Run a command to its end; return what it and its children cost."""
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd=cache,
            env=ENVIRONMENT,
        )
        _, status, spent = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        workers_s = _wait_for_orphans()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise BenchmarkError(f"{' '.join(command)} failed:\n{errors.read().decode(errors='replace')}")
    bytes_a_unit = 1 if sys.platform == "darwin" else 1024
    return Usage(wall, spent.ru_utime + spent.ru_stime + workers_s, spent.ru_maxrss * bytes_a_unit / 1e6)


def _adopt_orphans() -> None:
    """Become the parent of processes whose parent ends (Linux), or what workers cost would go unseen."""
    if sys.platform == "linux":
        pr_set_child_subreaper = 36
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def _wait_for_orphans() -> float:
    """Wait for what a command has left behind, and return its CPU seconds."""
    seconds = 0.0
    while True:
        try:
            _, _, spent = os.wait4(-1, 0)
        except ChildProcessError:
            return seconds
        seconds += spent.ru_utime + spent.ru_stime


def measure_warm(tools: list[Tool], files: list[str], cache: Path) -> None:
    """Have one long-lived process of each tool measure all files."""
    measured = [tool for tool in tools if tool.worker]
    workers = [Worker(tool.name, [str(tool.python), str(tool.worker)], cache) for tool in measured]
    try:
        for tool, worker in zip(measured, workers, strict=True):
            say(f"warming up {tool.name}")
            tool.version = worker.ask(files[0]).version
        answers = ask_in_turn(workers, files, WARM_ROUNDS)
    finally:
        for worker in workers:
            worker.close()
    for tool in measured:
        tool.warm = answers[tool.name]


def measure_command(tempo: Tool, files: list[str], cache: Path) -> None:
    """Have the command estimate all files by one worker process; what one file costs is subtracted."""
    command = [*tempo.cold_command[:2], "--jobs", "1", "--format", "csv"]
    for round_number in range(WARM_ROUNDS):
        say(f"the command, --jobs 1: round {round_number + 1} of {WARM_ROUNDS}")
        few = run_once([*command, files[0], files[0]], cache).cpu_s
        many = run_once([*command, files[0], *files], cache).cpu_s
        tempo.batch.append((many - few) / max(1, len(files) - 1))


def report(tools: list[Tool], n_files: int, load: float) -> str:
    """Write everything as Markdown."""
    tempo, imports = tools[0], tools[1]
    peers = [tool for tool in tools if tool.worker]
    today = datetime.datetime.now(datetime.UTC)
    lines = [
        f"Measured on {today:%Y-%m-%d}: {machine()}; load {load:.1f} at the start.",
        "; ".join(f"{tool.name} {tool.version} (Python {python_version(tool.python)})" for tool in peers),
        "",
        f"Cold start, one 30 s WAV, median of {COLD_RUNS} runs in turn:",
        "",
        "| | wall s | CPU s | peak MB | wall / wall of the imports | CPU / CPU of the imports |",
        "|---|---|---|---|---|---|",
    ]
    for tool in tools:
        wall, cpu = cold_median(tool, "wall_s"), cold_median(tool, "cpu_s")
        lines.append(
            f"| {tool.name} | {wall:.2f} | {cpu:.2f} | {cold_median(tool, 'peak_mb'):.0f}"
            f" | {wall / cold_median(imports, 'wall_s'):.2f} | {cpu / cold_median(imports, 'cpu_s'):.2f} |"
        )
    lines += [
        "",
        f"Warm, one process, {n_files} files, {WARM_ROUNDS} rounds in turn:",
        "",
        "| | CPU s a file (mean) | files a second | CPU of tempo / CPU of this |",
        "|---|---|---|---|",
    ]
    if "aubio" in (by_name := {tool.name: tool for tool in tools}):
        ratio = command_cpu(tempo) / warm_cpu(by_name["aubio"])
        lines.append(f"| tempo estimate --jobs 1 | {command_cpu(tempo):.4f} | | {ratio:.2f} of aubio |")
    for tool in peers:
        cpu = warm_cpu(tool)
        lines.append(
            f"| {tool.name} | {cpu:.4f} | {files_a_second(tool):.1f} | {warm_cpu(tempo) / cpu:.2f} |"
        )
    return "\n".join([*lines, "", *bars(tools)])


def bars(tools: list[Tool]) -> list[str]:
    """Say which bars are met."""
    by_name = {tool.name: tool for tool in tools}
    tempo, imports = tools[0], tools[1]
    peak = max(usage.peak_mb for usage in tempo.cold)
    lines = [
        bar(f"cold start, {kind}, against the imports", ratio, MAX_COLD_RATIO)
        for kind, ratio in (
            ("wall", cold_median(tempo, "wall_s") / cold_median(imports, "wall_s")),
            ("CPU", cold_median(tempo, "cpu_s") / cold_median(imports, "cpu_s")),
        )
    ]
    lines.append(bar("cold start, highest peak in MB", peak, MAX_COLD_PEAK_MB))
    if "aubio" in by_name:
        aubio = warm_cpu(by_name["aubio"])
        lines.append(bar("the command, CPU, against aubio", command_cpu(tempo) / aubio, MAX_WARM_RATIO))
        lines.append(bar("Estimator, CPU, against aubio", warm_cpu(tempo) / aubio, MAX_PYTHON_RATIO))
    else:
        lines.append("- not measured: warm, CPU, against aubio")
    return lines


def bar(name: str, value: float, limit: float) -> str:
    """Write one bar."""
    return f"- {'met' if value <= limit else 'MISSED'}: {name}: {value:.2f} (at most {limit:g})"


def cold_median(tool: Tool, what: str) -> float:
    """Take the median of one measure over the cold runs."""
    return statistics.median(float(getattr(usage, what)) for usage in tool.cold)


def warm_cpu(tool: Tool) -> float:
    """Take the mean over files of the median over rounds of the CPU seconds.

    A mean, because that of the command can only be known over all files.
    """
    return statistics.mean(statistics.median(answer.cpu_s for answer in rounds) for rounds in tool.warm)


def command_cpu(tool: Tool) -> float:
    """Take the median over rounds of the command's CPU seconds a file."""
    return statistics.median(tool.batch)


def files_a_second(tool: Tool) -> float:
    """Count the files that one process gets through in a second of wall time."""
    spent = [answer.wall_s for rounds in tool.warm for answer in rounds]
    return len(spent) / sum(spent)


if __name__ == "__main__":
    main()
