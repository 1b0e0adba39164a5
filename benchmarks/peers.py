"""Compare the accuracy and the speed of tempo with its peers: docs/peers.md and docs/peers.png.

Every tool gets an environment of its own (peers.toml), the same files as 16-bit WAV, and the scorer of `tempo
evaluate`. Estimates are kept in the cache folder: an interrupted run goes on where it was, and a second one
measures the seconds only. Needs this checkout with the extra `plot`. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands import BenchmarkError, say
from harness.estimates import decode, estimate_all
from harness.machine import machine
from harness.peer_report import Result, draw, table
from harness.selection import spread
from harness.systems import one_line, read_peers, set_up_all
from harness.worker import ask_in_turn

from tempocli.errors import TempoError
from tempocli.evaluation.annotations import TrackEstimate, read_references
from tempocli.evaluation.scoring import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.estimates import Track
    from harness.systems import System
    from harness.worker import Worker

    from tempocli.evaluation.annotations import Reference

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent


def main() -> None:
    """Run the benchmark."""
    arguments = parse_arguments()
    cache: Path = arguments.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    try:
        peers = read_peers(HERE / "peers.toml")
        if arguments.only:
            unknown = set(arguments.only) - {peer.key for peer in peers}
            if unknown:
                raise BenchmarkError(f"peers.toml has no {' and no '.join(sorted(unknown))}")
            peers = [peer for peer in peers if peer.key in arguments.only]
        references = read_references(arguments.reference)
        folder = arguments.reference.parent
        tracks = decode([reference.path for reference in references], folder, cache / "wav")
        systems, missing = set_up_all(peers, CHECKOUT, cache)
        load = os.getloadavg()[0]
        results = measure(systems, missing, references, tracks, cache, arguments.time_files)
    except (BenchmarkError, TempoError) as error:
        sys.exit(f"peers.py: {error}")
    text = "\n".join([*heading(arguments, len(tracks), load), *table(results, missing)])
    print(text)
    if not arguments.only:
        (CHECKOUT / "docs" / "peers.md").write_text(text + "\n", encoding="utf-8")
        draw(results, CHECKOUT / "docs" / "peers.png")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Compare the accuracy and speed of tempo with its peers; write docs/peers.md and .png."
    )
    parser.add_argument("reference", type=Path, metavar="CSV", help="a reference table, as of tempo evaluate")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "tempo-benchmarks",
        metavar="DIR",
        help="where environments, audio and estimates are kept (default: %(default)s)",
    )
    parser.add_argument(
        "--time-files",
        type=int,
        default=20,
        metavar="N",
        help="number of files of a minute to measure seconds with; 0 for none (default: %(default)s)",
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="KEY",
        help="measure this table of peers.toml (may be repeated) and print it; write no documents",
    )
    return parser.parse_args()


def measure(
    systems: Sequence[System],
    missing: dict[str, str],
    references: Sequence[Reference],
    tracks: Sequence[Track],
    cache: Path,
    n_timed: int,
) -> list[Result]:
    """Measure every system; one that cannot run goes to `missing`."""
    workers: list[Worker] = []
    results = []
    try:
        for system in systems:
            worker = system.start(cache)
            workers.append(worker)
            try:
                results.append(measure_accuracy(system, worker, references, tracks, cache))
            except BenchmarkError as error:
                say(f"{system.name}: {error}")
                missing[system.name] = one_line(str(error))
                workers.remove(worker)
        failed = {path for result in results for path in result.failed}
        minutes = [str(track.wav) for track in tracks if track.lasts_a_minute() and track.path not in failed]
        seconds = time_files(workers, spread(minutes, n_timed))
    finally:
        for worker in workers:
            worker.close()
    return [replace(result, cpu_s=seconds.get(result.name)) for result in results]


def measure_accuracy(
    system: System, worker: Worker, references: Sequence[Reference], tracks: Sequence[Track], cache: Path
) -> Result:
    """Estimate every file and score that; the first file warms the worker up and tells its version."""
    first = worker.ask(str(tracks[0].wav))
    store = cache / "estimates" / f"{system.name.replace(' ', '-')}-{system.fingerprint(first.version)}.jsonl"
    estimates = estimate_all(worker, tracks, store)
    claims = [
        TrackEstimate(track.path, estimate.bpm) for track, estimate in zip(tracks, estimates, strict=True)
    ]
    report = evaluate(references, claims)
    accuracy2 = report.accuracy2
    if accuracy2 is None:
        raise RuntimeError("only a range of tempi leaves Accuracy 2 out")
    return Result(
        name=system.name,
        version=first.version,
        labels=system.labels,
        accuracy1=report.accuracy1,
        accuracy2=accuracy2,
        failed=[
            track.path
            for track, estimate in zip(tracks, estimates, strict=True)
            if estimate.error is not None
        ],
        start_cpu_s=first.load_cpu_s + first.cpu_s,
        cpu_s=None,
    )


def time_files(workers: Sequence[Worker], files: Sequence[str]) -> dict[str, float]:
    """Measure the median CPU seconds of a file, by name of the worker."""
    if not files:
        return {}
    answers = ask_in_turn(workers, files, rounds=1)
    return {
        name: statistics.median(rounds[0].cpu_s for rounds in of_files) for name, of_files in answers.items()
    }


def heading(arguments: argparse.Namespace, n_files: int, load: float) -> list[str]:
    """Write what stands above the table."""
    n_timed = arguments.time_files
    command = f"python benchmarks/peers.py {arguments.reference} --time-files {n_timed}"
    today = datetime.datetime.now(datetime.UTC)
    return [
        "# Peers",
        "",
        f"Made by `{command}` on {today:%Y-%m-%d}; {machine()}; load {load:.1f} at the start.",
        "",
        f"Every tool got the same {n_files} files as 16-bit WAV, with its default settings and one thread,",
        "and was scored by the code of `tempo evaluate`; its [README](../benchmarks/README.md) says how.",
        f"CPU seconds are the median over {n_timed} files of 60 s, all tools in turn, loaded and warmed up;",
        "what that takes is in the last column. In brackets: 95 % intervals. *Labels* are what a",
        "tool learned its tempi from: none, human ones, or nothing at all, being made by hand.",
        "",
        "![Accuracy against seconds](peers.png)",
        "",
    ]


if __name__ == "__main__":
    main()
