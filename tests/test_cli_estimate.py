"""`tempo estimate` and `tempo models`: what is written where, in which format, with which exit status."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import fake_estimator
import jsonschema
import pytest
from click.testing import CliRunner, Result
from fake_estimator import SLOW_SECONDS, make_estimate

import tempocli.estimator
from tempocli import registry
from tempocli.cli import _COMMANDS, cli, options
from tempocli.cli.words import span
from tempocli.errors import DeviceError, ModelError
from tempocli.schema import TempoSection

if TYPE_CHECKING:
    from collections.abc import Callable

    from fake_estimator import FakeEstimator

ROOT = Path(__file__).resolve().parents[1]
FAKE = str(ROOT / "tests" / "fake_estimator.py")
SCHEMA = json.loads((ROOT / "docs" / "estimate.schema.json").read_text())


def tempo(*args: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli, ["estimate", *args], input=stdin, prog_name="tempo")


def estimated(result: Result, code: int = 0) -> str:
    assert (result.exit_code, result.stderr) == (code, "")
    return result.stdout


def process(*args: str, **settings: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, FAKE, "estimate", *args],
        capture_output="stdout" not in settings,
        timeout=60,
        check=False,
        **settings,
    )


def on_a_terminal(*args: str, columns: int = 100, **settings: object) -> tuple[int, str, bytes]:
    """Run on a terminal; return exit status, what the terminal got, and what stdout got if it is apart."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(columns), "TERM": "xterm", "LANG": "C.UTF-8"}
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs} | settings
    child = subprocess.Popen([sys.executable, FAKE, *args], env=environment, **streams)
    os.close(theirs)
    shown = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 60)
        assert ready, "nothing came for a minute"
        try:
            data = os.read(ours, 65536)
        except OSError:  # its other end is closed
            break
        if not data:
            break
        shown += data
    os.close(ours)
    out = child.communicate(timeout=60)[0] or b""
    return child.returncode, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()), out


class TestText:
    def test_one_file_is_just_the_number(self, music: Path) -> None:
        assert estimated(tempo("128.wav")) == "128.00\n"

    def test_several_files(self, music: Path) -> None:
        assert estimated(tempo("128.wav", "music/100.wav")) == "128.wav\t128.00\nmusic/100.wav\t100.00\n"

    def test_a_folder(self, music: Path) -> None:
        expected = "music/100.wav\t100.00\nmusic/120.mp3\t120.00\nmusic/old/90.flac\t90.00\n"
        assert estimated(tempo("music")) == expected

    def test_a_folder_of_one_file_is_still_a_folder(self, music: Path) -> None:
        assert estimated(tempo("music/old")) == "music/old/90.flac\t90.00\n"

    def test_no_tempo_is_a_dash_and_a_note(self, music: Path) -> None:
        result = tempo("silent.wav")
        assert (result.exit_code, result.stdout) == (0, "-\n")
        assert result.stderr == "tempo: silent.wav: no tempo: silence\n"
        assert tempo("-q", "silent.wav").stderr == ""

    def test_a_doubtful_number_has_a_note(self, music: Path) -> None:
        (music / "doubtful 100.wav").touch()
        result = tempo("doubtful 100.wav")
        assert (result.exit_code, result.stdout) == (0, "100.00\n")
        assert result.stderr == "tempo: doubtful 100.wav: doubtful: confidence 0.12\n"
        assert tempo("-q", "doubtful 100.wav").stderr == ""
        assert tempo("doubtful 100.wav", "--format", "csv").stderr == "", "it has the confidence"
        several = tempo("doubtful 100.wav", "128.wav")
        assert estimated(several) == "doubtful 100.wav\t100.00\n128.wav\t128.00\n"

    def test_verbose_says_whether_it_is_steady(self, music: Path) -> None:
        (music / "moody 100.wav").touch()
        steady = tempo("-v", "128.wav")
        assert steady.stdout == "128.00\n"
        assert "tempo: 128.wav: steady\n" in steady.stderr
        moody = tempo("-v", "moody 100.wav")
        assert moody.stdout == "100.00\n"
        sections = "100.00 BPM from 0:00 to 2:00, 140.00 BPM from 2:00 to 3:00"
        assert f"tempo: moody 100.wav: not steady: {sections}\n" in moody.stderr
        assert estimated(tempo("moody 100.wav")) == "100.00\n", "a note that was not asked for"
        assert "steady" not in tempo("-v", "silent.wav").stderr

    @pytest.mark.parametrize(
        ("start", "end", "text"),
        [(0.0, 29.6, "0:00 to 0:30"), (59.7, 600.0, "1:00 to 10:00"), (3599.4, 3661.0, "59:59 to 1:01:01")],
    )
    def test_places_are_minutes_and_seconds(self, start: float, end: float, text: str) -> None:
        assert span(TempoSection(start, end, 100.0, 0.9)) == text

    @pytest.mark.parametrize(
        ("reason", "note"),
        [
            ("no steady pulse", "no tempo: no steady pulse"),
            ("no tempo between 130 and 150 BPM", "no tempo between 130 and 150 BPM"),
        ],
    )
    def test_any_reason_can_be_said(
        self, music: Path, monkeypatch: pytest.MonkeyPatch, reason: str, note: str
    ) -> None:
        estimate = make_estimate(None, reason=reason)
        monkeypatch.setattr(fake_estimator.FakeEstimator, "estimate", lambda *_: estimate)
        result = tempo("128.wav")
        assert (result.stdout, result.stderr) == ("-\n", f"tempo: 128.wav: {note}\n")

    def test_precision(self, music: Path) -> None:
        (music / "98.7654.wav").touch()
        assert estimated(tempo("98.7654.wav", "--precision", "4")) == "98.7654\n"
        assert estimated(tempo("98.7654.wav", "--precision", "0")) == "99\n"


class TestInputs:
    def test_standard_input(self, music: Path) -> None:
        assert estimated(tempo("-", stdin=b"77.5")) == "77.50\n"

    def test_standard_input_among_others(self, music: Path) -> None:
        assert estimated(tempo("128.wav", "-", stdin=b"77.5")) == "128.wav\t128.00\n-\t77.50\n"

    def test_a_dash_is_never_a_folder(self, music: Path) -> None:
        (music / "-").mkdir()
        assert estimated(tempo("-", stdin=b"77.5")) == "77.50\n"

    def test_a_list(self, music: Path) -> None:
        (music / "list").write_bytes(b"128.wav\r\n\nmusic/old")
        assert estimated(tempo("--files-from", "list")) == "128.wav\t128.00\nmusic/old/90.flac\t90.00\n"

    def test_a_list_of_one_file_is_still_a_list(self, music: Path) -> None:
        assert estimated(tempo("--files-from", "-", stdin=b"128.wav\n")) == "128.wav\t128.00\n"

    def test_paths_come_before_the_list(self, music: Path) -> None:
        result = tempo("music/old", "--files-from", "-", stdin=b"128.wav\n")
        assert estimated(result) == "music/old/90.flac\t90.00\n128.wav\t128.00\n"

    def test_a_list_may_begin_with_a_byte_order_mark(self, music: Path) -> None:
        assert estimated(tempo("--files-from", "-", stdin="\ufeff128.wav\n".encode())) == "128.wav\t128.00\n"

    def test_null_bytes_without_the_option_are_an_error(self, music: Path) -> None:
        result = tempo("--files-from", "-", stdin=b"128.wav\x00music/100.wav\x00")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.count("\n") == 1
        assert "read it with -0" in result.stderr

    @pytest.mark.parametrize("end", [b"", b"\0"])
    def test_null_separated(self, music: Path, end: bytes) -> None:
        (music / "line\nbreak 99.wav").touch()
        result = tempo("--files-from", "-", "-0", stdin=b"line\nbreak 99.wav\x00128.wav" + end)
        assert estimated(result) == "\\line\\nbreak 99.wav\t99.00\n128.wav\t128.00\n"

    def test_a_long_null_separated_list(self, music: Path) -> None:
        # Longer than what is read at a time, so that a name is cut in two.
        paths = [f"{'./' * 50}{'128.wav' if number % 2 else 'music/100.wav'}" for number in range(2000)]
        result = tempo("--files-from", "-", "-0", stdin="\0".join(paths).encode())
        assert [line.split("\t")[0] for line in estimated(result).splitlines()] == paths

    def test_in_a_list_a_dash_is_a_name(self, music: Path) -> None:
        result = tempo("--files-from", "-", stdin=b"-\n")
        assert (result.exit_code, result.stderr) == (1, "tempo: ./-: No such file or directory\n")

    def test_an_empty_list_is_an_error(self, music: Path) -> None:
        result = tempo("--files-from", "-")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "tempo: the list names no files\n"

    @pytest.mark.parametrize(
        ("args", "complaint"),
        [
            ([], "Nothing to estimate"),
            (["-0", "a.wav"], "needs --files-from"),
            (["-", "-"], "only once"),
            (["-", "--files-from", "-"], "only once"),
            (["--files-from", "missing"], "does not exist"),
            (["a.wav", "-v", "-q"], "exclude each other"),
            (["a.wav", "--min-bpm", "120", "--max-bpm", "120"], "less than"),
            (["a.wav", "--min-bpm", "29"], "--min-bpm"),
            (["a.wav", "--max-bpm", "301"], "--max-bpm"),
            (["a.wav", "--min-bpm", "nan"], "less than"),
            (["a.wav", "--jobs", "0"], "--jobs"),
            (["a.wav", "--top", "0"], "--top"),
            (["a.wav", "--precision", "-1"], "--precision"),
            (["a.wav", "--device", "tpu"], "--device"),
            (["a.wav", "--format", "xml"], "--format"),
            (["a.wav", "-o", "out.xml"], "give --format"),
            (["a.wav", "--curve"], "--curve has no place in the format text"),
            (["a.wav", "--curve", "-o", "out.csv"], "--curve has no place in the format csv"),
            (["a.wav", "b.wav", "--format", "jams"], "one track"),
            (["music", "--format", "mirex"], "one track"),
            (["--files-from", "128.wav", "-o", "out.jams"], "one track"),
            (["a.wav", "b.wav", "--plot", "out.png"], "one track"),
            (["a.wav", "--plot", "out.txt"], ".png"),
            (["128.wav", "--format", "text", "-o", "./128.wav"], "overwritten"),
            (["--files-from", "128.wav", "--format", "text", "-o", "128.wav"], "overwritten"),
            (["128.wav", "--bogus"], "--bogus"),
        ],
    )
    def test_wrong_usage(self, music: Path, args: list[str], complaint: str) -> None:
        before = sorted(os.listdir(music))
        result = tempo(*args)
        assert (result.exit_code, result.stdout) == (2, "")
        assert complaint in result.stderr
        assert sorted(os.listdir(music)) == before


class TestFailures:
    def test_the_only_file(self, music: Path) -> None:
        result = tempo("broken.wav")
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", "tempo: broken.wav: not audio\n")

    def test_some_files(self, music: Path) -> None:
        result = tempo("missing.wav", "128.wav", "broken.wav")
        assert (result.exit_code, result.stdout) == (3, "128.wav\t128.00\n")
        assert (
            result.stderr == "tempo: missing.wav: No such file or directory\ntempo: broken.wav: not audio\n"
        )

    def test_all_files(self, music: Path) -> None:
        result = tempo("missing.wav", "broken.wav")
        assert (result.exit_code, result.stdout) == (1, "")
        assert len(result.stderr.splitlines()) == 2

    def test_a_folder_without_audio(self, music: Path) -> None:
        (music / "empty").mkdir()
        result = tempo("empty")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "tempo: empty: no audio files in this folder\n"
        assert tempo("empty", "128.wav").exit_code == 3

    def test_quiet_still_says_what_failed(self, music: Path) -> None:
        assert tempo("-q", "broken.wav").stderr == "tempo: broken.wav: not audio\n"

    def test_among_several_a_bug_costs_one_file(self, music: Path) -> None:
        result = tempo("bug.wav", "128.wav")
        assert (result.exit_code, result.stdout) == (3, "128.wav\t128.00\n")
        assert result.stderr == (
            "tempo: bug.wav: internal error: ZeroDivisionError: a bug (please report this)\n"
        )

    def test_a_crash_costs_one_file(self, music: Path) -> None:
        (music / "crash.wav").touch()
        result = tempo("crash.wav", "128.wav")
        assert (result.exit_code, result.stdout) == (3, "128.wav\t128.00\n")
        assert result.stderr == "tempo: crash.wav: its decoder crashed (SIGSEGV)\n"

    @pytest.mark.parametrize("files", [["hang.wav"], ["hang.wav", "128.wav"]])
    def test_a_file_that_takes_too_long_is_given_up(self, music: Path, files: list[str]) -> None:
        (music / "hang.wav").touch()
        result = tempo(*files, "--timeout", "2")
        assert result.exit_code == (3 if len(files) > 1 else 1)
        assert result.stderr == "tempo: hang.wav: took longer than 2 s\n"

    def test_a_bug_is_one_line_that_names_the_file(self, music: Path) -> None:
        result = tempo("bug.wav")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.count("\n") == 1
        assert "bug.wav" in result.stderr
        assert "ZeroDivisionError: a bug" in result.stderr
        assert "-v" in result.stderr

    def test_verbose_shows_a_bugs_traceback(self, music: Path) -> None:
        result = tempo("-v", "bug.wav")
        assert result.exit_code == 1
        assert "Traceback (most recent call last)" in result.stderr

    @pytest.mark.parametrize(
        "error", [ModelError("nope: no such model"), DeviceError("device cuda: no driver")]
    )
    def test_a_model_that_does_not_load(
        self, music: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def fail(*args: object, **settings: object) -> None:
            raise error

        monkeypatch.setattr(tempocli.estimator.Estimator, "__init__", fail)
        result = tempo("128.wav", "-o", "out.csv")
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"tempo: {error}\n")
        assert not (music / "out.csv").exists()

    def test_names_cannot_steer_the_terminal(self, music: Path) -> None:
        assert tempo("\x1b[31mred\n.wav").stderr == (
            "tempo: \\x1b[31mred\\n.wav: No such file or directory\n"
        )

    @pytest.mark.parametrize("name", ["text", "csv", "tsv", "json", "jsonl"])
    def test_names_that_are_not_utf8(self, music: Path, name: str) -> None:
        raw = b"caf\xe9 \n\t 99.wav"
        with open(raw, "wb"):
            pass
        done = process(os.fsdecode(raw), "128.wav", "missing\udce9.wav", "--format", name)
        assert done.returncode == 3
        assert done.stderr == b"tempo: missing\\udce9.wav: No such file or directory\n"
        assert b"128.wav" in done.stdout
        assert (b"caf\\udce9 " if "json" in name else b"caf\xe9 ") in done.stdout


class TestSettings:
    def test_reach_the_estimator(self, music: Path, fake: type[FakeEstimator]) -> None:
        args = ["--model", "m.onnx", "--device", "cpu", "--top", "3", "--min-bpm", "60", "--max-bpm", "180.5"]
        args += ["--method", "compare", "--references", "."]
        assert tempo("128.wav", *args).exit_code == 0
        settings = {"model": "m.onnx", "method": "compare", "references": ".", "device": "cpu"}
        assert fake.created == settings | {"top": 3, "min_bpm": 60, "max_bpm": 180.5}

    def test_defaults(self, music: Path, fake: type[FakeEstimator]) -> None:
        tempo("128.wav")
        defaults = {"model": None, "method": "both", "references": None, "device": "auto"}
        defaults |= {"top": 5, "min_bpm": 30, "max_bpm": 300}
        assert fake.created == defaults
        assert (options.MIN_BPM, options.MAX_BPM) == (tempocli.estimator.MIN_BPM, tempocli.estimator.MAX_BPM)

    def test_mirex_needs_two_candidates(self, music: Path, fake: type[FakeEstimator]) -> None:
        tempo("128.wav", "--format", "mirex", "--top", "1")
        assert fake.created["top"] == 2

    @pytest.mark.parametrize("jobs", ["1", "4"])
    def test_jobs_change_nothing(self, music: Path, jobs: str) -> None:
        files = ["music", "128.wav", "broken.wav"] * 5
        result = tempo(*files, "--jobs", jobs)
        assert result.exit_code == 3
        assert [line.split("\t")[1] for line in result.stdout.splitlines()] == [
            "100.00",
            "120.00",
            "90.00",
            "128.00",
        ] * 5

    def test_verbose_goes_to_stderr(self, music: Path) -> None:
        result = tempo("-v", "128.wav")
        assert (result.exit_code, result.stdout) == (0, "128.00\n")
        assert "tempo: model: tempo\n" in result.stderr


class TestFormats:
    def test_csv_has_a_row_for_each_input(self, music: Path) -> None:
        result = tempo("128.wav", "broken.wav", "silent.wav", "--format", "csv")
        assert (result.exit_code, result.stderr) == (3, "tempo: broken.wav: not audio\n")
        rows = list(csv.DictReader(io.StringIO(result.stdout)))
        assert [(row["path"], row["bpm"], row["reason"], row["error"]) for row in rows] == [
            ("128.wav", "128.00", "", ""),
            ("broken.wav", "", "", "not audio"),
            ("silent.wav", "", "silence", ""),
        ]

    def test_json_is_valid(self, music: Path) -> None:
        result = tempo("128.wav", "broken.wav", "silent.wav", "--format", "json", "--curve")
        document = json.loads(result.stdout)
        jsonschema.validate(document, SCHEMA)
        assert [each["bpm"] for each in document["results"]] == [128.0, None, None]
        assert len(document["results"][0]["curve"]) == 2

    def test_jsonl_is_valid(self, music: Path) -> None:
        lines = tempo("128.wav", "broken.wav", "--format", "jsonl").stdout.splitlines()
        for line in lines:
            jsonschema.validate(json.loads(line), SCHEMA)
        assert [json.loads(line)["error"] for line in lines] == [None, "not audio"]

    def test_a_failed_single_file_is_a_record_too(self, music: Path) -> None:
        result = tempo("broken.wav", "--format", "json")
        assert result.exit_code == 1
        assert json.loads(result.stdout)["results"][0]["error"] == "not audio"

    def test_jams(self, music: Path) -> None:
        assert json.loads(estimated(tempo("128.wav", "--format", "jams")))["annotations"][0]["data"]

    def test_mirex(self, music: Path) -> None:
        assert estimated(tempo("128.wav", "--format", "mirex")) == "64.00\t128.00\t0.25\n"


class TestOutput:
    @pytest.mark.parametrize(
        ("name", "start"),
        [
            ("out", "128.00\n"),
            ("out.txt", "128.00\n"),
            ("out.CSV", "path,bpm,"),
            ("out.tsv", "path\tbpm\t"),
            ("out.json", '{\n  "schema_version"'),
            ("out.jsonl", '{"schema_version"'),
            ("out.jams", '{\n  "file_metadata"'),
            ("out.mirex", "64.00\t128.00"),
        ],
    )
    def test_the_suffix_says_the_format(self, music: Path, name: str, start: str) -> None:
        assert estimated(tempo("128.wav", "-o", name)) == ""
        assert (music / name).read_text().startswith(start)

    def test_the_format_goes_before_the_suffix(self, music: Path) -> None:
        tempo("128.wav", "-o", "out.csv", "--format", "text")
        assert (music / "out.csv").read_text() == "128.00\n"

    def test_a_dash_is_stdout(self, music: Path) -> None:
        assert estimated(tempo("128.wav", "-o", "-")) == "128.00\n"

    @pytest.mark.parametrize("args", [["bug.wav"], ["broken.wav", "--format", "text"]])
    def test_on_failure_nothing_is_left(self, music: Path, args: list[str]) -> None:
        (music / "out.csv").write_text("old")
        before = sorted(os.listdir(music))
        assert tempo(*args, "-o", "out.csv").exit_code == 1
        assert sorted(os.listdir(music)) == before
        assert (music / "out.csv").read_text() == "old"

    def test_failed_files_are_no_failure_of_the_table(self, music: Path) -> None:
        assert tempo("128.wav", "broken.wav", "-o", "out.csv").exit_code == 3
        assert len((music / "out.csv").read_text().splitlines()) == 3

    @pytest.mark.parametrize("name", ["no/out.csv", "music"])
    def test_a_place_that_cannot_be_written(self, music: Path, fake: type[FakeEstimator], name: str) -> None:
        fake.created = {}
        result = tempo("128.wav", "-o", name)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"tempo: {name}: ")
        assert fake.created == {}, "the model was loaded for nothing"


class TestPlot:
    def test_draws_and_estimates(self, music: Path) -> None:
        assert estimated(tempo("128.wav", "--plot", "out.png")) == "128.00\n"
        assert (music / "out.png").read_bytes().startswith(b"\x89PNG")

    def test_draws_standard_input(self, music: Path) -> None:
        assert estimated(tempo("-", "--plot", "out.svg", "--format", "json", stdin=b"99")) != ""
        assert b"<svg" in (music / "out.svg").read_bytes()

    def test_a_failure_leaves_no_image(self, music: Path) -> None:
        result = tempo("broken.wav", "--plot", "out.png")
        assert (result.exit_code, result.stderr) == (1, "tempo: broken.wav: not audio\n")
        assert not (music / "out.png").exists()

    def test_says_which_extra_is_missing(self, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "tempocli.plot", raising=False)
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        result = tempo("128.wav", "--plot", "out.png")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "tempo-estimate[plot]" in result.stderr
        assert result.stderr.count("\n") == 1


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
            ["Candidate", "BPM", "Probability", "Relation"],
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
        assert ["File", "BPM", "Confidence", "Octave", "Or", "Notes"] in rows
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


class TestModels:
    def run(self, *args: str) -> Result:
        return CliRunner().invoke(cli, ["models", *args], prog_name="tempo")

    @pytest.fixture
    def entries(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[registry.ModelEntry]:
        path = tmp_path / "small.onnx"
        path.write_bytes(b"abc")
        sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        entries = [registry.ModelEntry("small", path, sha256, 3, "A\tsummary", "MIT", "4")]
        monkeypatch.setattr(registry, "list_models", lambda: entries)
        return entries

    def test_a_pipe_gets_tsv(self, entries: list[registry.ModelEntry]) -> None:
        result = self.run()
        header, row = (line.split("\t") for line in result.stdout.splitlines())
        assert result.exit_code == 0
        assert header == ["name", "size", "licence", "summary", "sha256", "path", "version"]
        assert row == ["small", "3", "MIT", "\\A\\tsummary", entries[0].sha256, str(entries[0].path), "4"]

    def test_verify(self, entries: list[registry.ModelEntry]) -> None:
        result = self.run("--verify")
        assert (result.exit_code, result.stderr) == (0, "")
        assert [line.split("\t")[-1] for line in result.stdout.splitlines()] == ["state", "ok"]

    def test_verify_finds_damage(self, entries: list[registry.ModelEntry]) -> None:
        entries[0].path.write_bytes(b"abd")
        result = self.run("--verify")
        assert result.exit_code == 1
        assert result.stdout.splitlines()[1].endswith("\tdamaged")
        assert str(entries[0].path) in result.stderr
        assert result.stderr.count("\n") == 1

    def test_a_terminal_gets_a_table(self, model_path: Path) -> None:
        code, shown, _ = on_a_terminal("models", "--verify")
        assert code == 0
        assert shown.split()[:6] == ["Name", "Version", "Size", "Licence", "Summary", "State"]
        assert "tempo" in shown


class TestHelp:
    @pytest.mark.parametrize("name", _COMMANDS)
    def test_every_command_is_there(self, name: str) -> None:
        result = CliRunner().invoke(cli, [name, "-h"], prog_name="tempo")
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Usage: tempo {name} ")

    def test_every_option_has_help(self) -> None:
        import click

        command = cli.get_command(click.Context(cli), "estimate")
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, parameter.name

    def test_the_examples_are_laid_out_as_written(self) -> None:
        shown = CliRunner().invoke(cli, ["estimate", "--help"], prog_name="tempo").stdout
        assert "find . -name '*.mp3' -print0 | tempo estimate --files-from - -0\n" in shown

    def test_version(self) -> None:
        result = CliRunner().invoke(cli, ["--version"], prog_name="tempo")
        assert result.stdout == f"tempo {tempocli.__version__}\n"

    def test_a_file_in_place_of_a_command(self, music: Path) -> None:
        result = CliRunner().invoke(cli, ["128.wav"], prog_name="tempo")
        assert result.exit_code == 2
        assert "tempo estimate 128.wav" in result.stderr


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
