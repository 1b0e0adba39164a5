"""Workers that are ended from outside, many of them, and folders that are too long for their sockets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from fake_estimator import FakeEstimator

from tempocli.batch import cores, estimate_files
from tempocli.batch import pool as pool_module
from tempocli.cli import cli

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

FAKE = str(Path(__file__).parent / "fake_estimator.py")


class Ended(FakeEstimator):
    """Its worker ends by the signal in a file's name; with "once" the first time only, which a file notes."""

    def portable(self) -> object:
        return EndedPortable()


class EndedPortable:
    def connect(self, encode: object) -> object:
        estimator = FakeEstimator()
        plain = estimator.estimate

        def estimate(source: str) -> object:
            path = Path(source)
            words = path.stem.split()
            with path.with_suffix(".tries").open("a") as tries:
                tries.write("x")
            first = path.with_suffix(".tries").stat().st_size == 1
            if len(words) > 1 and (first or words[2] == "always"):
                os.kill(os.getpid(), signal.Signals[words[1]])
                threading.Event().wait(60)
            return plain(source)

        estimator.estimate = estimate  # type: ignore[method-assign]
        return estimator


def tries(path: Path) -> int:
    return path.with_suffix(".tries").stat().st_size


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP"])
def test_who_is_killed_from_outside_is_replaced_once(tmp_path: Path, name: str) -> None:
    paths = [tmp_path / "90.wav", tmp_path / f"91 {name} once.wav", tmp_path / f"92 {name} always.wav"]
    for path in paths:
        path.touch()
    results = list(estimate_files(Ended(), map(str, paths), jobs=1))
    assert [result.estimate and result.estimate.bpm for result in results] == [90, 91, None]
    assert results[2].error is not None
    assert results[2].error.startswith(f"its worker was killed ({name})")
    assert [tries(path) for path in paths] == [1, 2, 2]


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGBUS"])
def test_a_decoder_that_crashes_is_not_tried_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"91 {name} once.wav"
    path.touch()
    (result,) = estimate_files(Ended(), [str(path)], jobs=1)
    assert (result.error, tries(path)) == (f"its decoder crashed ({name})", 1)


def test_a_file_that_hangs_is_not_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "91 SIGCHLD once.wav"  # a signal that ends nothing; the worker then waits
    path.touch()
    (result,) = estimate_files(Ended(), [str(path)], jobs=1, timeout=2)
    assert (result.error, tries(path)) == ("took longer than 2 s", 1)


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "default_jobs", lambda: 1)


def test_more_jobs_than_make_sense_are_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_core: None
) -> None:
    started = []

    class Batch(pool_module._Batch):
        def start(self, **limits: object) -> None:
            started.append(self._jobs)
            self._exhausted = True

    monkeypatch.setattr(pool_module, "_Batch", Batch)
    assert list(estimate_files(FakeEstimator(), [], jobs=100_000)) == []
    assert list(estimate_files(FakeEstimator(), [], jobs=3)) == []
    assert started == [16, 3]


@pytest.mark.parametrize("quiet", [False, True])
def test_more_jobs_than_make_sense_are_told(music: Path, one_core: None, quiet: bool) -> None:
    arguments = ["estimate", "100.wav", "--jobs", "100000", *(["-q"] if quiet else [])]
    (music / "100.wav").touch()
    result = CliRunner().invoke(cli, arguments)
    assert (result.exit_code, result.stdout) == (0, "100.00\n")
    told = result.stderr.splitlines()
    assert [line.split(",")[0] for line in told] == (
        [] if quiet else ["tempo: --jobs 100000: 16 are started"]
    )


@pytest.mark.parametrize("length", [60, 100, 200])
def test_a_long_folder_for_temporary_files(music: Path, length: int) -> None:
    folder = music / ("x" * length)
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, FAKE, "estimate", "128.wav", "music"],
        env=os.environ | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 4


@pytest.fixture
def touch_wav(tmp_path: Path) -> Callable[[str], str]:
    def touch(name: str) -> str:
        (tmp_path / name).touch()
        return str(tmp_path / name)

    return touch
