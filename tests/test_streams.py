"""Standard input among other inputs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import soundfile

from tempocli.batch import estimate_files
from tempocli.errors import AudioError
from tempocli.estimator import Estimator

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

pytestmark = pytest.mark.slow

RATE = 22050


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Estimator(method="periodicity")


@pytest.fixture
def wav(write_wav: Callable[..., Path], click_track: Callable[..., np.ndarray]) -> Path:
    return write_wav(click_track(120.0, 12.0, RATE), RATE)


def test_it_is_the_same_from_a_file_memory_and_a_pipe(estimator: Estimator, wav: Path) -> None:
    (expected,) = estimate_files(estimator, [str(wav)])
    with wav.open("rb") as file:
        file.seek(1000)  # it is read from its start
        (of_file,) = estimate_files(estimator, ["-"], stdin=file)
    (of_memory,) = estimate_files(estimator, ["-"], stdin=io.BytesIO(wav.read_bytes()))
    with subprocess.Popen(["cat", wav], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        (of_pipe,) = estimate_files(estimator, ["-"], stdin=child.stdout)
    for result in (of_file, of_memory, of_pipe):
        assert (result.path, result.fingerprint, result.error) == ("-", None, None)
        assert result.estimate == expected.estimate


def test_what_cannot_be_read_says_so(estimator: Estimator) -> None:
    class Refused(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise AudioError("-", "has no end")

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    closed = io.BytesIO()
    closed.close()
    cases = {
        "is empty": io.BytesIO(),
        "has no end": Refused(),
        "Input/output error": Broken(),
        "I/O operation on closed file": closed,
    }
    for reason, stream in cases.items():
        (result,) = estimate_files(estimator, ["-"], stdin=stream)
        assert (result.path, result.error) == ("-", reason)


def test_a_terminal_is_no_audio(estimator: Estimator) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    try:
        with open(theirs, "rb", buffering=0) as terminal:
            (result,) = estimate_files(estimator, ["-"], stdin=terminal)  # type: ignore[arg-type]
    finally:
        os.close(ours)
    assert result.error == "is a terminal, not audio"


def test_what_is_said_of_it_calls_it_by_its_name(tmp_path: Path, wav: Path) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, soundfile.read(wav)[0], RATE, format="WAV")
    cut = buffer.getvalue()[:-100_000]
    done = subprocess.run(
        [sys.executable, "-m", "tempocli", "estimate", "--method", "periodicity", "-", str(wav)],
        cwd=Path(__file__).resolve().parents[1],
        input=cut,
        capture_output=True,
        timeout=60,
        check=False,
    )
    lines = done.stdout.decode().splitlines()
    assert (done.returncode, [line.split("\t")[0] for line in lines]) == (0, ["-", str(wav)])
    assert done.stderr.startswith(b"tempo: -: damaged after ")
    assert b"/fd/" not in done.stderr
