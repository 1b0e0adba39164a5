"""The line protocol between `speed.py` and its workers; standard library only, Python 3.10 or newer.

With a file as argument a worker prints its tempo and ends: that is a cold start. Without, it reads one path a
line on stdin and answers each with one line of JSON, until stdin closes.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def serve(measure: Callable[[str], float | None], version: str) -> None:
    """Answer paths with tempi and what they cost.

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
    spent = time.process_time()
    for line in sys.stdin:
        began = time.perf_counter()
        bpm = measure(line.rstrip("\n"))
        wall = time.perf_counter() - began
        now = time.process_time()
        print(json.dumps({"bpm": bpm, "cpu_s": now - spent, "wall_s": wall, "version": version}), flush=True)
        spent = now
