"""`tempo estimate` on many files: interrupted, killed, continued, with hostile files among them."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from commands import FAKE, on_a_terminal, tempo
from hostile import broken_inputs

from tempocli.batch.engines.summary import BatchSummary
from tempocli.cli.tally import duration, summary_lines
from tempocli.schema import FileResult

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

START = [sys.executable, FAKE, "estimate"]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def wait_for_rows(path: Path, count: int, child: subprocess.Popen[bytes]) -> None:
    """Wait until a part has more rows, or its process has ended."""
    deadline = time.monotonic() + 60
    while child.poll() is None and count_rows(path) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def count_rows(path: Path) -> int:
    """Count the rows of the part of a CSV, which begins with a mark and the header."""
    try:
        return max(0, path.read_bytes().count(b"\n") - 2)
    except FileNotFoundError:
        return 0


class TestResume:
    @pytest.mark.slow
    def test_goes_on_with_what_is_missing(self, music: Path) -> None:
        (music / "slow.wav").touch()
        args = ["music", "slow.wav", "-o", "out.csv", "--jobs", "1", "-q"]
        with subprocess.Popen([*START, *args], stderr=subprocess.PIPE) as child:
            wait_for_rows(music / "out.csv.part", 3, child)
            child.kill()
        (music / "slow.wav").unlink()
        result = tempo("music", "128.wav", "-o", "out.csv", "--resume")
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr.startswith("tempo: 1 file, 3 more done earlier, in ")
        assert [row["bpm"] for row in rows(music / "out.csv")] == ["100.00", "120.00", "90.00", "128.00"]

    def test_failures_before_count_for_the_exit_status(self, music: Path) -> None:
        args = ["128.wav", "broken.wav", "-o", "out.jsonl", "-q"]
        assert tempo(*args).exit_code == 3
        again = tempo(*args, "--resume")
        assert (again.exit_code, again.stderr) == (3, "")
        told = tempo(*args[:-1], "--resume")
        assert told.stderr.startswith("tempo: 0 files, 2 more done earlier (1 of them failed), in ")
        retried = tempo(*args, "--resume", "--retry-failed")
        assert (retried.exit_code, retried.stderr) == (3, "tempo: broken.wav: not audio\n")

    def test_other_settings_are_refused(self, music: Path) -> None:
        assert tempo("music", "-o", "out.csv").exit_code == 0
        for other in (["--max-bpm", "200"], ["--precision", "3"], ["--model", "other"]):
            result = tempo("music", "-o", "out.csv", "--resume", *other)
            assert result.exit_code == 1
            assert "made with other settings" in result.stderr
            assert result.stderr.count("\n") == 1
        assert sorted(each.name for each in music.glob("out*")) == ["out.csv"]

    def test_a_file_of_an_earlier_version_is_refused_and_kept(self, music: Path) -> None:
        assert tempo("music", "-o", "out.jsonl").exit_code == 0
        old = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
        text = "".join(json.dumps({k: v for k, v in row.items() if k != "steady"}) + "\n" for row in old)
        Path("out.jsonl").write_text(text)
        result = tempo("music", "128.wav", "-o", "out.jsonl", "--resume")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == (
            "tempo: out.jsonl: an earlier version of tempo wrote it, without the keys steady; "
            "give another output, or delete it\n"
        )
        assert Path("out.jsonl").read_text() == text
        assert sorted(each.name for each in music.glob("out*")) == ["out.jsonl"]

    def test_hashes(self, music: Path) -> None:
        args = ["music", "-o", "out.csv", "--verify-hash", "-q"]
        assert tempo(*args).exit_code == 0
        assert all(len(row["sha256"]) == 64 for row in rows(music / "out.csv"))
        os.utime("music/100.wav", ns=(1, 1))
        Path("music/120.mp3").write_bytes(b"new")
        result = tempo(*args[:-1], "--resume")
        assert result.stderr.startswith("tempo: 1 file, 2 more done earlier, ")

    @pytest.mark.parametrize(
        ("args", "complaint"),
        [
            (["--resume"], "--resume needs --output"),
            (["--resume", "-o", "out.txt"], "csv, jsonl, parquet"),
            (["--resume", "-o", "out.json"], "csv, jsonl, parquet"),
            (["--resume", "-o", "/dev/null", "--format", "csv"], "--resume needs"),
            (["--retry-failed", "-o", "out.csv"], "needs --resume"),
            (["--verify-hash"], "--verify-hash"),
            (["--format", "parquet"], "needs --output"),
        ],
    )
    def test_wrong_usage(self, music: Path, args: list[str], complaint: str) -> None:
        result = tempo("music", *args)
        assert (result.exit_code, result.stdout) == (2, "")
        assert complaint in " ".join(result.stderr.split())

    @pytest.mark.slow
    def test_two_runs_are_refused(self, music: Path) -> None:
        (music / "slow.wav").touch()
        args = ["music", "slow.wav", "-o", "out.csv", "-q"]
        with subprocess.Popen([*START, *args], stderr=subprocess.PIPE) as child:
            wait_for_rows(music / "out.csv.part", 3, child)
            for more in ([], ["--resume"]):
                result = tempo(*args, *more)
                assert result.exit_code == 1
                assert result.stderr == "tempo: out.csv: another run is writing it\n"
            child.kill()

    def test_parquet(self, music: Path) -> None:
        parquet = pytest.importorskip("pyarrow.parquet")
        assert tempo("music", "broken.wav", "-o", "out.parquet", "-q").exit_code == 3
        table = parquet.read_table(music / "out.parquet")
        assert table["bpm"].to_pylist() == [100.0, 120.0, 90.0, None]
        assert table["error"].to_pylist() == [None, None, None, "not audio"]
        again = tempo("music", "broken.wav", "128.wav", "-o", "out.parquet", "--resume", "-q")
        assert again.exit_code == 3
        assert parquet.read_table(music / "out.parquet")["bpm"].to_pylist()[-1] == 128.0


@pytest.mark.slow
class TestKilled:
    def test_up_to_20_times_and_continued_is_the_same_as_undisturbed(self, music: Path) -> None:
        folder = music / "many"
        folder.mkdir()
        for number in range(300):
            kind = "late broken" if number % 10 == 3 else "late"
            (folder / f"{number:03d} {kind}.wav").touch()
        assert tempo("many", "-o", "whole.csv", "-q", "--jobs", "4").exit_code == 3
        rng = random.Random(0)
        part = music / "out.csv.part"
        command = [*START, "many", "-o", "out.csv", "--resume", "-q", "--jobs", "2"]
        code, n_kills = -signal.SIGKILL, 0
        while code == -signal.SIGKILL:
            with subprocess.Popen(command, stderr=subprocess.DEVNULL) as child:
                if n_kills < 20:
                    wait_for_rows(part, count_rows(part) + 1, child)
                    time.sleep(rng.uniform(0.0, 0.3))
                    child.kill()
                code = child.wait(120)
                n_kills += code == -signal.SIGKILL
        assert code == 3
        assert n_kills > 5  # all of them but where this process has to wait for its turn
        assert (music / "out.csv").read_bytes() == (music / "whole.csv").read_bytes()
        assert len(rows(music / "out.csv")) == 300

    def test_no_worker_survives(self, music: Path) -> None:
        (music / "slow.wav").touch()
        command = [*START, "128.wav", "slow.wav", "-o", "out.csv", "-q", "--jobs", "1"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as child:
            wait_for_rows(music / "out.csv.part", 1, child)
            time.sleep(0.5)
            assert _mentions(str(music)), "there is no worker to begin with"
            child.kill()
        deadline = time.monotonic() + 60
        while _mentions(str(music)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not _mentions(str(music))


def _mentions(folder: str) -> list[str]:
    """Find processes by their current folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd") == folder and int(process.name) != os.getpid():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return [each for each in found if "forkserver" in each]


@pytest.mark.slow
class TestInterrupt:
    def test_finishes_what_is_under_way_and_says_how_to_go_on(self, music: Path) -> None:
        for number in range(200):
            (music / "music" / f"{number:03d}late.wav").touch()
        args = ["music", "-o", "out.csv", "--jobs", "2"]
        with subprocess.Popen([*START, *args], stderr=subprocess.PIPE) as child:
            wait_for_rows(music / "out.csv.part", 5, child)
            child.send_signal(signal.SIGINT)
            assert child.stderr is not None
            said = child.stderr.read().decode().splitlines()
            assert child.wait(60) == 130
        n_rows = count_rows(music / "out.csv.part")
        assert 5 <= n_rows < 200
        assert said[0] == "tempo: finishing the files under way; Ctrl-C again to leave them"
        kept = f"{n_rows} results are kept in {music / 'out.csv.part'}"
        assert said[-2:] == [f"tempo: {kept}: the same command with --resume goes on", "tempo: interrupted"]
        assert tempo(*args, "--resume", "-q").exit_code == 0
        assert len(rows(music / "out.csv")) == 203

    def test_results_on_stdout_are_whole(self, music: Path) -> None:
        for number in range(200):
            (music / "music" / f"{number:03d}late.wav").touch()
        command = [*START, "music", "--format", "jsonl", "--jobs", "2"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline()]
            child.send_signal(signal.SIGINT)
            lines += child.stdout.read().splitlines()
            assert child.wait(60) == 130
        assert 1 <= len(lines) < 200
        assert [json.loads(line)["error"] for line in lines] == [None] * len(lines)


class TestProgress:
    @pytest.mark.slow
    def test_on_a_terminal(self, music: Path) -> None:
        code, shown, _ = on_a_terminal("estimate", "music", "broken.wav", "-o", "out.csv")
        assert code == 3
        assert "4/4 files, " in shown
        assert "/s, 1 failed, 0 s left" in shown
        assert "tempo: 4 files, 1 failed, in " in shown
        assert "tempo:   1 failed: not audio" in shown
        histogram = [line.split() for line in shown.splitlines() if " BPM " in line]
        assert histogram == [
            ["80", "to", "100", "BPM", "1", "#" * 40],
            ["100", "to", "120", "BPM", "1", "#" * 40],
            ["120", "to", "140", "BPM", "1", "#" * 40],
        ]

    def test_elsewhere(self, music: Path) -> None:
        result = tempo("music", "broken.wav", "silent.wav", "-o", "out.csv")
        first, *others = result.stderr.splitlines()
        assert first == "tempo: broken.wav: not audio"
        assert others[0].startswith("tempo: 5 files, 1 without a tempo, 1 failed, in ")
        assert others[1:] == ["tempo:   1 failed: not audio"]
        assert tempo("music", "-o", "out.csv", "-q").stderr == ""

    def test_doubtful_ones_are_one_line(self, music: Path) -> None:
        for number in range(3):
            (music / "music" / f"doubtful {number + 80}.wav").touch()
        for name in ("out.csv", "out.txt"):
            first, *others = tempo("music", "-o", name).stderr.splitlines()
            assert first.startswith("tempo: 6 files, in ")
            assert others == ["tempo:   3 doubtful (confidence under 0.3)"]

    def test_lines_now_and_then(self, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tempocli.cli.terminal.progress._FIRST_SECONDS", 0.0)
        result = tempo("music", "broken.wav", "--jobs", "1")
        assert "tempo: 4/4 files, " in result.stderr
        assert " 1 failed, 0 s left\n" in result.stderr
        assert result.stdout.count("\n") == 3

    def test_a_list_that_is_read_once_is_not_counted(
        self, music: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempocli.cli.terminal.progress._FIRST_SECONDS", 0.0)
        result = tempo("--files-from", "-", stdin=b"128.wav\nmusic\n")
        assert "tempo: 4 files, " in result.stderr
        assert "left" not in result.stderr

    def test_reasons_are_counted_in_bounded_memory(self) -> None:
        summary = BatchSummary()
        for number in range(3000):
            summary.add(FileResult("a", error=f"reason {number}"))
        lines = list(summary_lines(summary))
        assert lines[0].startswith("3,000 files, 3,000 failed, in ")
        assert lines[1] == "  2,000 failed: for other reasons"
        assert lines[-1] == "  and 991 reasons more"

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0.4, "0 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (90_061, "25 h 1 min")],
    )
    def test_durations(self, seconds: float, text: str) -> None:
        assert duration(seconds) == text


# The command without its worker processes; at the end it tells its peak memory in MB.
WITHOUT_WORKERS = """
import re, sys
import tempocli.estimator
from fake_estimator import FakeEstimator, make_estimate
from tempocli.batch import worker_handle
from tempocli.batch.worker import Done
from tempocli.cli import cli
from tempocli.schema import FileResult

class WorkerHandle:
    def __init__(self, *_, **__): pass
    def process(self, path, part): return Done(FileResult(path, estimate=make_estimate(120.0)))
    def close(self): pass

worker_handle.WorkerHandle = WorkerHandle
tempocli.estimator.Estimator = FakeEstimator
try:
    cli.main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    """1,000 paths, then 100,000, then the same again, of which nothing is left to do."""
    (tmp_path / "few").write_text("".join(f"missing/{number}.wav\n" for number in range(1_000)))
    (tmp_path / "many").write_text("".join(f"missing/{number}.wav\n" for number in range(100_000)))
    tests = Path(__file__).resolve().parent
    environment = os.environ | {"PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}"}
    peaks = []
    for names, options in (("few", []), ("many", []), ("many", ["--resume"])):
        command = [sys.executable, "-c", WITHOUT_WORKERS, "estimate", "--files-from", names, "--jobs", "2"]
        done = subprocess.run(
            [*command, "-o", f"{names}.csv", *options],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        peaks.append(float(done.stdout))
    assert done.stderr.startswith("tempo: 0 files, 100,000 more done earlier, in ")
    assert len(rows(tmp_path / "many.csv")) == 100_000
    # To keep the results would take 100 MB.
    assert peaks[1] - peaks[0] < 10
    # What is there already is known by some tens of bytes a path.
    assert peaks[2] - peaks[0] < 30


class TestSelection:
    def test_include_and_exclude(self, music: Path) -> None:
        assert tempo("music", "--exclude", "OLD").stdout == "music/100.wav\t100.00\nmusic/120.mp3\t120.00\n"
        assert tempo("music", "--include", "*.flac").stdout == "music/old/90.flac\t90.00\n"
        assert tempo("128.wav", "music/old", "--exclude", "*").stderr == (
            "tempo: music/old: no audio files in this folder\n"
        )


@pytest.mark.slow
@pytest.mark.usefixtures("model_path")
def test_hostile_files_among_others(
    tmp_path: Path, click_track: Callable[..., np.ndarray], write_wav: Callable[..., Path]
) -> None:
    """One file in ten is broken, kills its decoder or hangs it; all the others come out right."""
    folder = tmp_path / "mix"
    folder.mkdir()
    good = write_wav(click_track(100.0, 6.0)).read_bytes()
    for number in range(90):
        (folder / f"{number:03d}-good.wav").write_bytes(good)
    for name in ("040-crash.wav", "041-hang.wav", "042-killed.wav"):
        (folder / name).write_bytes(good)
    broken = {f"mix/{path.name}" for path in broken_inputs(folder, count=7)}
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    # Every Python process runs this when it starts, the workers too: the decoder fails by the file's name.
    (hooks / "sitecustomize.py").write_text(
        "import os, time\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        import sys\n"
        "        if name == 'tempocli.estimator' and 'tempocli.audio.inputs' not in sys.modules:\n"
        "            import tempocli.audio.inputs as audio\n"
        "            real = audio._open_path\n"
        "            def open_path(path, *rest):\n"
        "                if 'crash' in path: os.abort()\n"
        "                if 'killed' in path: os.kill(os.getpid(), 9)\n"
        "                if 'hang' in path: time.sleep(600)\n"
        "                return real(path, *rest)\n"
        "            audio._open_path = open_path\n"
        "import sys; sys.meta_path.insert(0, Finder())\n"
    )
    root = Path(__file__).resolve().parents[1]
    environment = os.environ | {"PYTHONPATH": f"{hooks}{os.pathsep}{root}"}
    done = subprocess.run(
        [sys.executable, "-m", "tempocli", "estimate", "mix", "-o", "out.csv", "--timeout", "15"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 3
    table = rows(tmp_path / "out.csv")
    paths = [row["path"] for row in table]
    assert paths == sorted(f"mix/{name}" for name in os.listdir(folder))
    failed = {row["path"]: row["error"] for row in table if row["error"]}
    assert {path: reason for path, reason in failed.items() if path not in broken} == {
        "mix/040-crash.wav": "its decoder crashed (SIGABRT)",
        "mix/041-hang.wav": "took longer than 15 s",
        "mix/042-killed.wav": "its worker was killed (SIGKILL), as the system does when memory runs out",
    }
    assert len(failed) > 3, "nothing is wrong with the broken ones"
    (alone,) = {row["bpm"] for row in table if row["path"].endswith("good.wav")}
    assert float(alone) == pytest.approx(100.0, abs=0.05)
    assert all(f"{path}: {reason}" in done.stderr for path, reason in failed.items())
