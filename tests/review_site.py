"""Music to review, its result file, and a page of `tempo review` in this process or in one of its own."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import soundfile
from clicks import make_clicks

from tempocli.cli.review.previews import Previews
from tempocli.cli.review.server import ReviewServer
from tempocli.cli.review.session import ReviewSession
from tempocli.embedding.segmentation.segmenter import Segmenter
from tempocli.output.review import CorrectionLog, read_queue

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTHING = {
    "reason": None,
    "model": "m",
    "model_version": "1",
    "error": None,
    "bpm_error": 0.1,
    "steady": True,
}
HOSTILE = '<img src=x onerror="document.title=1">\n..%2f\u202e&quot;.wav'


def record(path: str, bpm: float | None, confidence: float, **more: Any) -> dict[str, Any]:
    """The object of a track in JSON lines."""
    sections = [] if bpm is None else [{"start": 0.0, "end": 12.0, "bpm": bpm, "confidence": 0.5}]
    candidates = [] if bpm is None else [{"bpm": bpm, "probability": 0.6, "relation": "1"}]
    values = {"confidence": confidence, "octave_confidence": confidence, "duration": 12.0}
    return NOTHING | values | {
        "path": path, "bpm": bpm, "candidates": candidates, "tempo_sections": sections,
    } | more  # fmt: skip


def make_results(folder: Path, n_tracks: int, *, hostile: bool = False) -> Path:
    """Click tracks of 100, 102 ... BPM and their JSON lines, the first the most doubtful."""
    records = []
    for number in range(n_tracks):
        name = HOSTILE if hostile and number == 0 else f"track {number}.wav"
        bpm = 100.0 + 2 * number
        soundfile.write(folder / name, make_clicks(bpm, 12.0), 22050)
        records.append(record(str(folder / name), bpm, 0.1 + 0.8 * number / max(1, n_tracks)))
    results = folder / "tempi.jsonl"
    results.write_text("".join(json.dumps(each) + "\n" for each in reversed(records)), encoding="utf-8")
    return results


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a file of corrections, without their times."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return [{key: row[key] for key in ("path", "bpm", "action")} for row in csv.DictReader(file)]


def in_force(path: Path) -> dict[str, str]:
    """The tempo of each track by the rule of the docs: its last row counts, if it has a tempo."""
    return {Path(row["path"]).name: row["bpm"] for row in rows(path) if row["bpm"] or row["action"] == "undo"}


@contextmanager
def site(results: Path) -> Iterator[ReviewServer]:
    """The server in threads of this process, with real previews."""
    tracks = read_queue(results)
    with (
        tempfile.TemporaryDirectory() as folder,
        CorrectionLog(str(results.with_suffix(".corrections.csv"))) as log,
    ):
        previews = Previews(Segmenter(device="cpu"), folder, max_memory=None)
        with ReviewServer(ReviewSession(str(results), tracks, log, previews)) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()
                previews.close()


def start_command(results: Path, *options: str) -> tuple[subprocess.Popen[str], str]:
    """Start `tempo review` as a process; return it with the address that it has printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tempocli", "review", str(results), "--device", "cpu", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    if not url:
        raise AssertionError(process.communicate()[1])
    return process, url
