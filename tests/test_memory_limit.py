"""A file that needs too much memory fails alone, and nothing else pays for it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bombs import compressed_header, sample_table
from fake_estimator import FakeEstimator

from tempocli.batch import estimate_files
from tempocli.batch.memory import MemoryLimitError, MemoryWatch, call_within
from tempocli.estimator import Estimator

if TYPE_CHECKING:
    from collections.abc import Iterator

if not Path("/proc/self/statm").exists():
    pytest.skip("memory is watched on Linux only", allow_module_level=True)
pytest.importorskip("av")

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "docs" / "sample.ogg"
REASON = "needs more than 0.2 GB of memory"
LIMIT = 200_000_000
# Besides the file: the command, with its model, and what the bomb takes before it is looked at again.
AROUND = 300_000_000
PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A bomb of each kind, of a gigabyte and more: let go, they would pass what the tests allow."""
    folder = tmp_path_factory.mktemp("bombs")
    return [sample_table(folder / "table.m4a", 40_000_000), compressed_header(folder / "moov.mov", 10**9)]


def tree(process: int) -> Iterator[int]:
    """List a process and all below it."""
    yield process
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from tree(int(child))


def resident(process: int) -> int:
    total = 0
    for each in tree(process):
        try:
            total += int(Path(f"/proc/{each}/statm").read_text().split()[1]) * PAGE
        except (OSError, IndexError):  # it has ended
            continue
    return total


def peak_of(*args: str | Path, stdin: Path | None = None) -> tuple[int, str, str, int]:
    """Run ``tempo``; return its exit status, stdout, stderr, and the peak of all its processes, in bytes."""
    command = [sys.executable, "-m", "tempocli", *map(str, args)]
    with (stdin or SAMPLE).open("rb") as source:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
    peak = 0
    with child:
        while child.poll() is None:
            try:
                peak = max(peak, resident(child.pid))
            except OSError:
                continue
            time.sleep(0.002)
        stdout, stderr = child.communicate()
    return child.returncode, stdout, stderr, peak


@pytest.mark.parametrize("number", [0, 1])
def test_a_bomb_by_itself(bombs: list[Path], number: int) -> None:
    status, stdout, stderr, peak = peak_of("estimate", "--max-memory", "200MB", bombs[number])
    assert (status, stdout) == (1, "")
    assert stderr == f"tempo: {bombs[number]}: {REASON}\n"
    assert peak < LIMIT + AROUND


def test_a_bomb_on_standard_input(bombs: list[Path]) -> None:
    status, stdout, stderr, peak = peak_of("estimate", "--max-memory", "200MB", "-", stdin=bombs[0])
    assert (status, stdout, stderr) == (1, "", f"tempo: -: {REASON}\n")
    assert peak < LIMIT + AROUND


def test_a_bomb_on_standard_input_in_a_batch(bombs: list[Path]) -> None:
    arguments = ("estimate", "--max-memory", "200MB", "--format", "csv", "--jobs", "1", "-", SAMPLE)
    status, stdout, stderr, peak = peak_of(*arguments, stdin=bombs[0])
    errors = [(row["path"], row["error"]) for row in csv.DictReader(io.StringIO(stdout))]
    assert (status, errors) == (3, [("-", REASON), (str(SAMPLE), "")])
    assert stderr.splitlines()[0] == f"tempo: -: {REASON}"
    assert peak < LIMIT + AROUND


def test_a_bomb_is_a_row_of_its_own(bombs: list[Path]) -> None:
    arguments = ("estimate", "--max-memory", "200MB", bombs[0], "--format")
    _, stdout, _, _ = peak_of(*arguments, "csv")
    assert [row["error"] for row in csv.DictReader(io.StringIO(stdout))] == [REASON]
    _, stdout, _, _ = peak_of(*arguments, "json")
    assert [result["error"] for result in json.loads(stdout)["results"]] == [REASON]


@pytest.mark.parametrize("format_name", ["csv", "jsonl"])
def test_bombs_in_a_batch(bombs: list[Path], tmp_path: Path, format_name: str) -> None:
    out = tmp_path / f"out.{format_name}"
    arguments = ("estimate", "--max-memory", "200MB", "--jobs", "1", *bombs, SAMPLE, "-o", out)
    status, _, stderr, peak = peak_of(*arguments)
    assert status == 3
    assert peak < LIMIT + AROUND
    text = out.read_text()
    if format_name == "csv":
        errors = [row["error"] or None for row in csv.DictReader(io.StringIO(text))]
    else:
        errors = [json.loads(line)["error"] for line in text.splitlines()]
    assert errors == [REASON, REASON, None]
    assert stderr.count(REASON) == 3, "a line for each, and one of the summary"
    status, _, stderr, peak = peak_of(*arguments, "--resume")
    assert (status, out.read_text()) == (3, text)
    assert f"tempo: {bombs[0]}" not in stderr, "it was tried again"
    assert peak < LIMIT + AROUND


def test_what_is_compared_after_a_bomb_is_not_read(bombs: list[Path], tmp_path: Path) -> None:
    """`tempo compare` reads in its own process, where the bomb goes on until the end."""
    status, stdout, stderr, peak = peak_of("compare", SAMPLE, bombs[0], SAMPLE)
    assert (status, stdout) == (3, "")
    lines = stderr.splitlines()
    assert lines[0] == f"tempo: {bombs[0]}: needs more than 1 GB of memory"
    assert lines[1].startswith(f"tempo: {SAMPLE}: not compared, since ")
    assert peak < 1_300_000_000


class Greedy(FakeEstimator):
    """Takes memory, as much as a file's name says, in MB."""

    def portable(self) -> object:
        return GreedyPortable()


class GreedyPortable:
    def connect(self, encode: object) -> object:
        estimator = Greedy()
        plain = estimator.estimate

        def estimate(source: str) -> object:
            taken = b"x" * int(float(Path(source).stem) * 1e6)
            time.sleep(0.1)
            assert taken
            return plain(source)

        estimator.estimate = estimate  # type: ignore[method-assign]
        return estimator


def test_the_limit_is_for_each_file_and_not_for_all(tmp_path: Path) -> None:
    paths = [tmp_path / f"{size}.wav" for size in (90, 90.5, 250, 91, 91.5)]
    for path in paths:
        path.touch()
    results = list(estimate_files(Greedy(), map(str, paths), jobs=1, max_memory=150_000_000))
    assert [result.error for result in results] == [
        None,
        None,
        "needs more than 0.15 GB of memory",
        None,
        None,
    ]
    (free,) = estimate_files(Greedy(), [str(paths[2])], jobs=1, max_memory=None)
    assert free.error is None


def test_ordinary_files_stay_far_below_the_least_limit(model_path: Path) -> None:
    if not SAMPLE.is_file():
        pytest.skip("needs docs/sample.ogg, which is not here")
    estimator = Estimator(model_path, device="cpu", method="classify")
    (result,) = estimate_files(estimator, [str(SAMPLE)], max_memory=100_000_000)
    assert result.estimate is not None


def test_a_call_within_its_limit_is_the_call() -> None:
    assert call_within(LIMIT, "a", lambda: threading.current_thread().name) != "MainThread"
    assert call_within(None, "a", lambda: threading.current_thread().name) == "MainThread"
    with pytest.raises(ZeroDivisionError):
        call_within(LIMIT, "a", lambda: 1 // 0)


def test_a_call_beyond_its_limit_is_left() -> None:
    go_on = threading.Event()

    def take() -> None:
        taken = bytearray(os.urandom(1000) * 60_000)
        go_on.wait(60)
        assert taken

    with pytest.raises(MemoryLimitError, match=r"^a: needs more than 0.02 GB of memory$"):
        call_within(20_000_000, "a", take)
    go_on.set()


def test_a_process_that_has_ended_is_no_trouble() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with MemoryWatch(child.pid, 1, child.kill) as memory:
        time.sleep(0.05)
    assert not memory.exceeded


@pytest.mark.parametrize("size", ["1", "50MB", "-1GB", "many", "1e9", "nan", ""])
def test_sizes_that_are_none(size: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tempocli", "estimate", "--max-memory", size, "x.wav"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "Error: Invalid value for '--max-memory'" in done.stderr
    assert "Traceback" not in done.stderr
