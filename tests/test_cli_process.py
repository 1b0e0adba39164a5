"""`tempo estimate` in a process of its own: pipes, signals, terminals, the real model."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
from commands import FAKE, on_a_terminal, process
from fake_estimator import SLOW_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "estimate.schema.json").read_text())


class TestProcess:
    """What needs a process of its own: pipes, signals, terminals."""

    def test_head_ends_it_quietly(self, music: Path) -> None:
        for number in range(300):
            (music / f"{number}.wav").touch()
        with subprocess.Popen(
            [sys.executable, FAKE, "estimate", ".", "--jobs", "1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as child:
            assert child.stdout is not None
            assert child.stderr is not None
            assert child.stdout.readline() == b"./0.wav\t0.00\n"
            child.stdout.close()
            assert child.stderr.read() in {b"", b"tempo: ./broken.wav: not audio\n"}
            assert child.wait(60) == 0

    def test_results_come_before_the_end(self, music: Path) -> None:
        (music / "slow.wav").touch()
        with subprocess.Popen(
            [sys.executable, FAKE, "estimate", "128.wav", "slow.wav", "--jobs", "1"], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"128.wav\t128.00\n"
            child.kill()

    @pytest.mark.parametrize("args", [["slow1.wav"], ["--jobs", "2", "slow1.wav", "slow2.wav"]])
    def test_an_interrupt_leaves_nothing(self, music: Path, args: list[str]) -> None:
        for name in ("slow1.wav", "slow2.wav"):
            (music / name).touch()
        before = sorted(os.listdir(music))
        args = [*args, "-o", "out.json"]
        with subprocess.Popen([sys.executable, FAKE, "estimate", *args], stderr=subprocess.PIPE) as child:
            deadline = time.monotonic() + 60
            while sorted(os.listdir(music)) == before and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(2)  # the output is open: give it time to be in the middle of a file
            child.send_signal(signal.SIGINT)
            assert child.stderr is not None
            said = child.stderr.readline()
            if said != b"tempo: interrupted\n":  # there are several: the second one is meant
                assert said == b"tempo: finishing the files under way; Ctrl-C again to leave them\n"
                child.send_signal(signal.SIGINT)
            assert child.wait(SLOW_SECONDS / 2) == 130
            assert child.stderr.read() in {b"", b"tempo: interrupted\n"}
        assert sorted(os.listdir(music)) == before

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
    def test_a_full_disk_is_an_error(self, music: Path) -> None:
        for args in (["128.wav"], ["--help"], ["128.wav", "--format", "json"]):
            with open("/dev/full", "wb") as full:
                done = process(*args, stdout=full, stderr=subprocess.PIPE)
            assert done.returncode == 1
            assert done.stderr.startswith(b"tempo: ")
            assert done.stderr.endswith(b"No space left on device\n")
            assert done.stderr.count(b"\n") == 1

    def test_a_closed_stdout_is_an_error(self, music: Path) -> None:
        done = subprocess.run(
            ["sh", "-c", f"exec '{sys.executable}' '{FAKE}' estimate 128.wav >&-"],
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (1, b"tempo: standard output: Bad file descriptor\n")

    def test_errors_nobody_reads_change_no_exit_status(self, music: Path) -> None:
        done = subprocess.run(
            ["sh", "-c", f"exec '{sys.executable}' '{FAKE}' estimate 128.wav broken.wav 2>&-"],
            stdout=subprocess.PIPE,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (3, b"128.wav\t128.00\n")

    def test_one_file_on_a_terminal(self, music: Path) -> None:
        code, shown, _ = on_a_terminal("estimate", "128.wav")
        assert code == 0
        lines = [line.split() for line in shown.splitlines() if line.strip()]
        assert lines == [
            ["128.wav"],
            ["Tempo", "128.00", "±", "0.012", "BPM"],
            ["Confidence", "88%"],
            ["Octave", "confidence", "65%"],
            ["Steadiness", "steady"],
            ["Candidate", "BPM", "Probability", "Ratio"],
            ["128.00", "75%", "x1"],
            ["64.00", "25%", "x1/2"],
        ]

    def test_an_unsteady_and_doubtful_file_on_a_terminal(self, music: Path) -> None:
        (music / "moody doubtful 100.wav").touch()
        code, shown, _ = on_a_terminal("estimate", "moody doubtful 100.wav")
        assert code == 0
        lines = [" ".join(line.split()) for line in shown.splitlines()]
        assert "Confidence 12%, doubtful" in lines
        start = lines.index("Steadiness not steady")
        assert lines[start + 1 : start + 3] == [
            "0:00 to 2:00 100.00 BPM, 12%",
            "2:00 to 3:00 140.00 BPM, 50%",
        ]
        assert "tempo: " not in shown, "the table says it all"

    def test_unsteady_and_doubtful_files_on_a_terminal(self, music: Path) -> None:
        for name in ("moody 100.wav", "doubtful 90.wav", "moody doubtful 80.wav"):
            (music / name).touch()
        code, shown, _ = on_a_terminal(
            "estimate", "moody 100.wav", "doubtful 90.wav", "moody doubtful 80.wav", "128.wav"
        )
        assert code == 0
        lines = [" ".join(line.split()) for line in shown.splitlines()]
        assert "moody 100.wav 100.00 ± 0.012 88% 65% 50.00 not steady" in lines
        assert "doubtful 90.wav 90.00 ± 0.012 12% 65% 45.00 doubtful" in lines
        assert "moody doubtful 80.wav 80.00 ± 0.012 12% 65% 40.00 doubtful, not steady" in lines
        assert "128.wav 128.00 ± 0.012 88% 65% 64.00" in lines
        assert "tempo: 2 doubtful (confidence under 0.3)" in lines

    def test_many_files_on_a_terminal(self, music: Path) -> None:
        (music / "music" / "[red]7\x1b[31m.wav").touch()
        code, shown, _ = on_a_terminal("estimate", "music", "silent.wav", "broken.wav")
        assert code == 3
        rows = [line.split() for line in shown.splitlines()]
        assert ["Octave"] in rows, "the first line of the heading"
        assert ["File", "BPM", "Confidence", "confidence", "2nd", "BPM", "Notes"] in rows
        assert ["music/100.wav", "100.00", "±", "0.012", "88%", "65%", "50.00"] in rows
        assert ["music/[red]7\\x1b[31m.wav", "7.00", "±", "0.012", "88%", "65%", "3.50"] in rows
        assert ["silent.wav", "-", "silence"] in rows
        assert ["broken.wav", "failed"] in rows
        assert "tempo: broken.wav: not audio" in shown
        assert "6/6" in shown, "no progress bar"

    def test_results_in_a_pipe_and_the_bar_on_the_terminal(self, music: Path) -> None:
        code, shown, out = on_a_terminal("estimate", "music", "broken.wav", stdout=subprocess.PIPE)
        assert code == 3
        assert out == b"music/100.wav\t100.00\nmusic/120.mp3\t120.00\nmusic/old/90.flac\t90.00\n"
        assert "4/4" in shown
        assert "tempo: broken.wav: not audio" in shown
        assert "100.00" not in shown

    def test_quiet_has_no_bar(self, music: Path) -> None:
        assert on_a_terminal("estimate", "-q", "music", stdout=subprocess.PIPE)[1] == ""

    def test_a_format_on_a_terminal_is_that_format(self, music: Path) -> None:
        code, shown, _ = on_a_terminal("estimate", "music", "--format", "tsv")
        assert code == 0
        assert shown.startswith("path\tbpm\t") or "path" in shown.splitlines()[0]
        assert "3/3" not in shown, "the bar would run through the rows"


class TestRealModel:
    def test_clicks(
        self, model_path: Path, click_track: Callable[..., object], write_wav: Callable[..., Path]
    ) -> None:
        path = write_wav(click_track(128.0, 20.0))
        done = subprocess.run(
            [sys.executable, "-m", "tempocli", "estimate", str(path)],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert re.fullmatch(rb"\d+\.\d\d\n", done.stdout)
        assert float(done.stdout) == pytest.approx(128.0, abs=0.1)

    def test_json_of_a_pipe_is_valid(
        self,
        model_path: Path,
        click_track: Callable[..., object],
        write_wav: Callable[..., Path],
        tmp_path: Path,
    ) -> None:
        path = write_wav(click_track(120.0, 20.0))
        args = ["-", str(tmp_path / "gone.wav"), "--format", "json", "--curve"]
        with path.open("rb") as audio:
            done = subprocess.run(
                [sys.executable, "-m", "tempocli", "estimate", *args],
                stdin=audio,
                capture_output=True,
                timeout=60,
                check=False,
            )
        document = json.loads(done.stdout)
        jsonschema.validate(document, SCHEMA)
        assert done.returncode == 3
        assert document["results"][0]["bpm"] == pytest.approx(120.0, abs=0.1)
        assert document["results"][0]["curve"]
