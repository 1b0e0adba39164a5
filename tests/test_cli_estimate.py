"""`tempo estimate`: what is written where, in which format, with which exit status."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import fake_estimator
import jsonschema
import pytest
from commands import estimated, process, tempo
from fake_estimator import make_estimate

import tempocli.estimator
from tempocli.cli import options
from tempocli.cli.terminal.words import span
from tempocli.errors import DeviceError, ModelError
from tempocli.schema import TempoSection

if TYPE_CHECKING:
    from fake_estimator import FakeEstimator

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = json.loads((ROOT / "docs" / "estimate.schema.json").read_text())


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

    @pytest.mark.slow
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
            ([], "No inputs: give PATHS"),
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

    @pytest.mark.slow
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

    @pytest.mark.slow
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

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "args",
        [
            ["128.wav"],
            ["-", "128.wav"],
            ["128.wav", "broken.wav", "silent.wav", "music"],
            ["128.wav", "--start", "1", "--precision", "4"],
        ],
        ids=" ".join,
    )
    def test_there_is_one_csv(self, music: Path, args: list[str]) -> None:
        """On stdout, in a file, and in a device or pipe that --output names."""
        to_file = tempo(*args, "-o", "out.csv", stdin=b"audio")
        expected = (music / "out.csv").read_bytes()
        assert expected.count(b"\n") >= 2
        os.mkfifo("fifo.csv")
        piped = []
        reader = threading.Thread(target=lambda: piped.append(Path("fifo.csv").read_bytes()), daemon=True)
        reader.start()
        assert tempo(*args, "-o", "fifo.csv", stdin=b"audio").exit_code == to_file.exit_code
        reader.join(60)
        assert piped == [expected]
        result = tempo(*args, "--format", "csv", stdin=b"audio")
        assert (result.exit_code, result.stdout_bytes) == (to_file.exit_code, expected)

    @pytest.mark.slow
    def test_csv_of_stdout_is_continued(self, music: Path) -> None:
        (music / "out.csv").write_bytes(tempo("128.wav", "--format", "csv").stdout_bytes)
        result = tempo("128.wav", "music", "-o", "out.csv", "--resume")
        assert result.exit_code == 0
        assert "1 more done earlier" in result.stderr

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
    @pytest.mark.slow
    def test_draws_and_estimates(self, music: Path) -> None:
        assert estimated(tempo("128.wav", "--plot", "out.png")) == "128.00\n"
        assert (music / "out.png").read_bytes().startswith(b"\x89PNG")

    @pytest.mark.slow
    def test_draws_standard_input(self, music: Path) -> None:
        assert estimated(tempo("-", "--plot", "out.svg", "--format", "json", stdin=b"99")) != ""
        assert b"<svg" in (music / "out.svg").read_bytes()

    def test_a_failure_leaves_no_image(self, music: Path) -> None:
        result = tempo("broken.wav", "--plot", "out.png")
        assert (result.exit_code, result.stderr) == (1, "tempo: broken.wav: not audio\n")
        assert not (music / "out.png").exists()

    def test_says_which_extra_is_missing(self, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "tempocli.output.plots.tempogram", raising=False)
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        result = tempo("128.wav", "--plot", "out.png")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "tempo-estimate[plot]" in result.stderr
        assert result.stderr.count("\n") == 1
