"""The line protocol between the benchmarks and their workers; standard library only, Python 3.9 or newer.

With a file as argument a worker prints its tempo and ends: that is a cold start. Without, it reads one path a
line on stdin and answers each with one line of JSON, until stdin closes.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def variant(default: str) -> str:
    """Return which of a tool's methods is asked for."""
    return os.environ.get("BENCHMARK_VARIANT", default)


def serve(measure: Callable[[str], float | None], version: str) -> None:
    """Answer paths with tempi and what they cost; call it when everything is loaded.

    Parameters
    ----------
    measure : callable
        Takes the path of an audio file, returns its tempo in BPM, or ``None`` when it finds none.
    version : str
        What is measured, for the report.
    """
    if len(sys.argv) > 1:
        print(measure(sys.argv[1]))
        return
    # CPU seconds are counted from answer to answer, over all threads of the process: what threads still burn
    # after an answer is charged to the next file, and waiting for that file costs nothing.
    spent = load_cpu = cpu_seconds()
    for line in sys.stdin:
        began = time.perf_counter()
        answer = try_measure(measure, line.rstrip("\n"))
        wall = time.perf_counter() - began
        now = cpu_seconds()
        cost = {"cpu_s": now - spent, "wall_s": wall, "load_cpu_s": load_cpu, "version": version}
        print(json.dumps({**answer, **cost}), flush=True)
        spent = now


def try_measure(measure: Callable[[str], float | None], path: str) -> dict[str, float | str | None]:
    """Measure one file; a tool that fails on it says why."""
    try:
        return {"bpm": measure(path), "error": None}
    except Exception as error:
        return {"bpm": None, "error": f"{type(error).__name__}: {error}"}


def cpu_seconds() -> float:
    """Return the CPU seconds of this process so far, and of the processes it has run."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
