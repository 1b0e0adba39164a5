"""Nothing leaves the machine: onnxruntime keeps no file, calls nobody, and is not stopped by a FIFO.

Its telemetry begins at its import and calls some nine seconds later, so processes are watched for 20 seconds,
all at the same time. Those that import onnxruntime by themselves are controls: they must be seen to leave
files and to call, or the others would prove nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tempocli.inference.session.runtime import onnxruntime

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
SWITCH = "ORT_DISABLE_TELEMETRY"
OURS = """
import time
from tempocli import Estimator
estimator = Estimator(device="cpu")
print("open", flush=True)
time.sleep(20)
"""
CONTROL = """
import sys, time
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
print("open", flush=True)
time.sleep(20)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform == "win32", reason="on Windows, onnxruntime's events go to Windows and to no file"
    ),
]


@dataclass
class Watched:
    """A process, the folder that has its `home` and `tmp`, and perhaps a record of its network calls."""

    process: subprocess.Popen[str]
    folder: Path
    said: str = ""

    def left(self) -> list[str]:
        """What is in its home and in its temporary folder."""
        found = [path for name in ("home", "tmp") for path in (self.folder / name).rglob("*")]
        return sorted(str(path.relative_to(self.folder)) for path in found if not path.is_fifo())

    def calls(self) -> list[str]:
        """Its calls that have to do with the internet; local sockets (AF_UNIX) do not count."""
        trace = (self.folder / "trace").read_text(encoding="utf-8", errors="replace")
        return [line for line in trace.splitlines() if re.search(r"\bAF_INET6?\b", line)]


def clean_environment(folder: Path, **more: str) -> dict[str, str]:
    """The least that a process needs. CI and its like, under which onnxruntime is quiet, are left out."""
    kept = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH") if key in os.environ}
    places = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}
    return {**kept, **places, "OMP_NUM_THREADS": "1", **more}


def start(folder: Path, *args: str, traced: bool = False, fifo: bool = False, **more: str) -> Watched:
    for name in ("home", "tmp"):
        (folder / name).mkdir(parents=True)
    if fifo:
        os.mkfifo(folder / "tmp" / ".ses")
    tracer = ["strace", "-f", "-qq", "-e", "trace=network", "-o", str(folder / "trace")] if traced else []
    process = subprocess.Popen(
        [*tracer, sys.executable, *args],
        cwd=folder,
        env=clean_environment(folder, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Watched(process, folder)


def can_trace() -> bool:
    """Tell whether strace is here and may be used, which not every container allows."""
    if shutil.which("strace") is None:
        return False
    command = ["strace", "-f", "-qq", "-e", "trace=network", "-o", os.devnull, sys.executable, "-c", ""]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


@pytest.fixture(scope="module")
def watched(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Watched]]:
    """The processes after their 20 seconds; what their FIFO has stopped is still waiting."""
    folder, traced = tmp_path_factory.mktemp("privacy"), can_trace()
    sample = str(ROOT / "docs" / "sample.ogg")
    command = ["-m", "tempocli", "estimate", sample, sample, "--jobs", "2", "--format", "jsonl"]
    control = ["-c", CONTROL, str(model_path)]
    found = {
        "ours": start(folder / "ours", "-c", OURS, traced=traced),
        "command": start(folder / "command", *command, traced=traced),
        "control": start(folder / "control", *control, traced=traced),
        "ours, FIFO": start(folder / "ours-fifo", "-c", OURS, fifo=True, **{SWITCH: "0"}),
        "control, FIFO": start(folder / "control-fifo", *control, fifo=True),
    }
    try:
        for name in ("ours", "command", "control"):
            found[name].said, _ = found[name].process.communicate(timeout=300)
        yield found
    finally:
        for each in found.values():
            each.process.kill()
            each.process.communicate()


@pytest.fixture(scope="module")
def _has_telemetry() -> None:
    """Skip where onnxruntime has none; the library is asked, not the controls, which must not fail unseen."""
    libraries = Path(onnxruntime.__file__).parent.glob("capi/onnxruntime_pybind11_state*")
    if not any(SWITCH.encode() in path.read_bytes() for path in libraries):
        pytest.skip(f"onnxruntime {onnxruntime.__version__} has no telemetry that could be off")


@pytest.mark.usefixtures("_has_telemetry")
class TestOnnxruntime:
    def test_it_leaves_no_file(self, watched: dict[str, Watched]) -> None:
        assert watched["control"].said == "open\n"
        assert watched["control"].left(), "the control left nothing: this test proves nothing"
        assert (watched["ours"].process.returncode, watched["ours"].said) == (0, "open\n")
        assert watched["ours"].left() == []

    def test_it_calls_nobody(self, watched: dict[str, Watched]) -> None:
        if not (watched["control"].folder / "trace").exists():
            pytest.skip("needs strace, and the right to use it")
        assert watched["control"].calls(), "the control called nobody: this test proves nothing"
        assert watched["ours"].calls() == []

    def test_nor_do_the_command_and_its_workers(self, watched: dict[str, Watched]) -> None:
        assert watched["command"].process.returncode == 0, watched["command"].said
        assert len(watched["command"].said.splitlines()) == 2
        left = watched["command"].left()
        assert [path for path in left if not path.startswith("tmp/pymp-")] == []  # multiprocessing's sockets
        if (watched["command"].folder / "trace").exists():
            assert watched["command"].calls() == []

    def test_a_fifo_stops_nothing(self, watched: dict[str, Watched]) -> None:
        """Also with a 0 in the environment, which is overruled."""
        ours, control = watched["ours, FIFO"], watched["control, FIFO"]
        said, _ = ours.process.communicate(timeout=120)
        assert (ours.process.returncode, said, ours.left()) == (0, "open\n", [])
        assert control.process.poll() is None, "the FIFO did not stop the control: this test proves nothing"


@pytest.mark.parametrize(("setting", "warns"), [(None, True), ("0", True), ("1", False), ("true", False)])
def test_a_program_that_imports_onnxruntime_first_is_told(
    tmp_path: Path, setting: str | None, warns: bool
) -> None:
    more = {"CI": "true"} | ({SWITCH: setting} if setting else {})  # CI: nothing is really sent
    code = "import onnxruntime, tempocli.inference.session.runtime"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment(tmp_path, **more),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert [line.split(",")[0] for line in done.stderr.splitlines()] == (
        ["onnxruntime was imported before tempocli"] if warns else []
    )
