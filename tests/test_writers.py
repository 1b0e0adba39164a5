"""Every format: what it says, what readers of the format make of it, and hostile names."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fake_estimator import make_estimate
from hypothesis import given
from hypothesis import strategies as st

from tempocli.output.formats import CURVE_FORMATS, FORMATS, SUFFIXES, Layout, encode, printable, write
from tempocli.output.formats.layout import escape
from tempocli.output.formats.lines import COLUMNS
from tempocli.schema import Candidate, Estimate, FileResult
from tempocli.system.atomic_files import atomic_file

SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "estimate.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

GOOD = FileResult("a.wav", estimate=make_estimate(127.996))
SILENT = FileResult("b.wav", estimate=make_estimate(None))
FAILED = FileResult("c.wav", error="not audio")
MOODY = FileResult("d.wav", estimate=make_estimate(100.0, steady=False))
RESULTS = [GOOD, SILENT, FAILED]


def render(name: str, results: list[FileResult], **layout: Any) -> str:
    return "".join(write(name, results, Layout(**layout)))


def unescape(field: str) -> str:
    if not field.startswith("\\"):
        return field
    characters = iter(field[1:])
    escapes = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
    return "".join(escapes[next(characters)] if each == "\\" else each for each in characters)


# What a POSIX path can be: any bytes but NUL.
names = st.binary(min_size=1, max_size=30).map(lambda raw: os.fsdecode(raw.replace(b"\0", b"\n")))


class TestText:
    def test_many(self) -> None:
        assert render("text", RESULTS) == "a.wav\t128.00\nb.wav\t-\n"

    def test_one(self) -> None:
        assert render("text", [GOOD], named=False) == "128.00\n"
        assert render("text", [SILENT], named=False) == "-\n"
        assert render("text", [FAILED], named=False) == ""

    @pytest.mark.parametrize(("precision", "text"), [(0, "128\n"), (1, "128.0\n"), (3, "127.996\n")])
    def test_precision(self, precision: int, text: str) -> None:
        assert render("text", [GOOD], named=False, precision=precision) == text

    @given(st.lists(names, min_size=1, max_size=4))
    def test_any_name_comes_back(self, paths: list[str]) -> None:
        text = encode(render("text", [FileResult(path, estimate=GOOD.estimate) for path in paths]))
        lines = text.decode("utf-8", "surrogateescape").split("\n")
        assert lines.pop() == ""
        assert [line.split("\t") for line in lines] == [[escape(path), "128.00"] for path in paths]
        assert [unescape(line.split("\t")[0]) for line in lines] == paths

    def test_ordinary_names_are_left_alone(self) -> None:
        for name in ("a b.wav", "C:\\Music\\new.wav", "caf\u00e9.wav", "50%.wav", '"quoted".wav'):
            assert escape(name) == name

    def test_undecodable_bytes_come_out_as_they_were(self) -> None:
        result = FileResult(os.fsdecode(b"caf\xe9.wav"), estimate=GOOD.estimate)
        assert encode(render("text", [result])) == b"caf\xe9.wav\t128.00\n"


class TestTables:
    @pytest.mark.parametrize(("name", "dialect"), [("csv", "excel"), ("tsv", "excel-tab")])
    def test_a_row_for_each_input(self, name: str, dialect: str) -> None:
        rows = list(csv.DictReader(io.StringIO(render(name, RESULTS), newline=""), dialect=dialect))
        assert tuple(rows[0]) == COLUMNS
        assert rows[0] == {
            "path": "a.wav",
            "bpm": "128.00",
            "confidence": "0.8765",
            "octave_confidence": "0.6543",
            "candidates": "128.00:0.7500 64.00:0.2500",
            "duration": "180.068",
            "model": "fake",
            "reason": "",
            "error": "",
            "bpm_error": "0.012",
            "steady": "true",
            "part_start": "",
            "part_duration": "",
            "part_title": "",
            "model_version": "7",
        }
        assert (rows[1]["bpm"], rows[1]["reason"], rows[1]["duration"]) == ("", "silence", "12.500")
        assert (rows[1]["bpm_error"], rows[1]["steady"]) == ("", "")
        assert rows[2] == dict.fromkeys(COLUMNS, "") | {"path": "c.wav", "error": "not audio"}

    @pytest.mark.parametrize("name", ["csv", "tsv"])
    def test_released_columns_keep_their_places(self, name: str) -> None:
        header, row = (re.split("[,\t]", line) for line in render(name, [MOODY]).splitlines())
        assert header[:4] == ["path", "bpm", "confidence", "octave_confidence"]
        assert header[4:9] == ["candidates", "duration", "model", "reason", "error"]
        assert dict(zip(header, row, strict=True))["steady"] == "false"

    @given(st.lists(names, min_size=1, max_size=4))
    def test_csv_readers_get_any_name_back(self, paths: list[str]) -> None:
        data = encode(render("csv", [FileResult(path, error='x, "y"') for path in paths]))
        text = io.TextIOWrapper(io.BytesIO(data), "utf-8", "surrogateescape", newline="")
        rows = list(csv.DictReader(text, strict=True))
        assert [row["path"] for row in rows] == paths
        assert {row["error"] for row in rows} == {'x, "y"'}

    @given(st.lists(names, min_size=1, max_size=4))
    def test_tsv_has_one_line_a_result(self, paths: list[str]) -> None:
        lines = render("tsv", [FileResult(path, error="x") for path in paths]).split("\n")
        assert len(lines) == len(paths) + 2
        assert [unescape(line.split("\t")[0]) for line in lines[1:-1]] == paths

    @pytest.mark.parametrize("name", ["text", "csv", "tsv", "jsonl"])
    def test_each_result_is_written_as_it_comes(self, name: str) -> None:
        taken = []

        def results() -> Any:
            for result in (GOOD, SILENT):
                taken.append(result)
                yield result

        pieces = write(name, results(), Layout())
        assert "a.wav" in next(pieces)
        assert taken == [GOOD]


class TestJson:
    @pytest.mark.parametrize("curve", [False, True])
    @pytest.mark.parametrize("results", [RESULTS, [GOOD], [SILENT], [FAILED], [MOODY], []])
    def test_documents_are_valid(self, results: list[FileResult], curve: bool) -> None:
        document = json.loads(render("json", results, curve=curve))
        VALIDATOR.validate(document)
        assert [each["path"] for each in document["results"]] == [result.path for result in results]

    @pytest.mark.parametrize("curve", [False, True])
    def test_lines_are_valid(self, curve: bool) -> None:
        lines = render("jsonl", RESULTS, curve=curve).splitlines()
        assert len(lines) == len(RESULTS)
        for line in lines:
            VALIDATOR.validate(json.loads(line))

    def test_lines_and_documents_agree(self) -> None:
        lines = [json.loads(line) for line in render("jsonl", RESULTS, curve=True).splitlines()]
        for line in lines:
            assert line.pop("schema_version") == 2
        assert json.loads(render("json", RESULTS, curve=True))["results"] == lines

    def test_values(self) -> None:
        good, silent, failed = json.loads(render("json", RESULTS))["results"]
        assert good == {
            "path": "a.wav",
            "bpm": 128.0,
            "confidence": 0.8765,
            "octave_confidence": 0.6543,
            "candidates": [
                {"bpm": 128.0, "probability": 0.75, "relation": "1"},
                {"bpm": 64.0, "probability": 0.25, "relation": "1/2"},
            ],
            "reason": None,
            "duration": 180.068,
            "model": "fake",
            "model_version": "7",
            "error": None,
            "bpm_error": 0.012,
            "steady": True,
            "tempo_sections": [{"start": 0.0, "end": 180.068, "bpm": 128.0, "confidence": 0.8765}],
        }
        assert (silent["bpm"], silent["reason"], silent["candidates"]) == (None, "silence", [])
        assert (failed["bpm"], failed["error"], failed["duration"]) == (None, "not audio", None)
        for record in (silent, failed):
            assert (record["bpm_error"], record["steady"], record["tempo_sections"]) == (None, None, [])

    def test_sections(self) -> None:
        record = json.loads(render("json", [MOODY], precision=1))["results"][0]
        assert (record["bpm"], record["steady"]) == (100.0, False)
        assert record["tempo_sections"] == [
            {"start": 0.0, "end": 120.0, "bpm": 100.0, "confidence": 0.8765},
            {"start": 120.0, "end": 180.068, "bpm": 140.0, "confidence": 0.5},
        ]

    @pytest.mark.parametrize("reason", ["no steady pulse", "no tempo between 130 and 150 BPM", '\u00e4, "b"'])
    def test_any_reason_is_valid(self, reason: str) -> None:
        result = FileResult("a", estimate=make_estimate(None, reason=reason))
        line = json.loads(render("jsonl", [result]))
        VALIDATOR.validate(line)
        assert line["reason"] == reason

    def test_curve(self) -> None:
        record = json.loads(render("json", [GOOD], curve=True, precision=3))["results"][0]
        assert record["curve"] == [
            {"time": 6.0, "bpm": 127.996, "confidence": 0.9},
            {"time": 12.0, "bpm": 128.996, "confidence": 0.8},
        ]
        assert "curve" not in json.loads(render("json", [GOOD]))["results"][0]

    @pytest.mark.slow
    @given(names)
    def test_any_name_comes_back(self, path: str) -> None:
        results = [FileResult(path, error="x")]
        for name in CURVE_FORMATS:
            # Strict UTF-8: what is not UTF-8 in a name must be an escape.
            text = encode(render(name, results)).decode("utf-8", "strict")
            record = json.loads(text)
            VALIDATOR.validate(record)
            assert record.get("results", [record])[0]["path"] == path

    @pytest.mark.parametrize(
        "change",
        [
            {"bpm": "128"},
            {"bpm": None},
            {"confidence": 1.5},
            {"candidates": []},
            {"error": "but it has a tempo"},
            {"surplus": 1},
            {"curve": [{"time": 0.0}]},
            {"bpm_error": None},
            {"bpm_error": -0.1},
            {"steady": "true"},
            {"tempo_sections": []},
            {"tempo_sections": [{"start": 0.0, "end": 1.0, "bpm": 100.0}]},
        ],
    )
    def test_the_schema_refuses_nonsense(self, change: dict[str, Any]) -> None:
        line = json.loads(render("jsonl", [GOOD]))
        VALIDATOR.validate(line)
        assert not VALIDATOR.is_valid(line | change)
        document = json.loads(render("json", [GOOD]))
        document["results"][0] |= change
        assert not VALIDATOR.is_valid(document)

    def test_the_schema_is_one(self) -> None:
        jsonschema.Draft202012Validator.check_schema(SCHEMA)

    def test_nan_is_a_bug_and_not_bad_json(self) -> None:
        nan = FileResult("a", estimate=Estimate(float("nan"), 0.0, 0.0, (), None, 1.0, "fake"))
        with pytest.raises(ValueError, match="not JSON compliant"):
            render("json", [nan])


class TestJams:
    @pytest.mark.filterwarnings("ignore::DeprecationWarning:jsonschema", "ignore::DeprecationWarning:jams")
    def test_the_jams_package_reads_it(self, tmp_path: Path) -> None:
        pytest.importorskip("pandas")
        jams = pytest.importorskip("jams")
        path = tmp_path / "a.jams"
        path.write_text(render("jams", [GOOD]))
        document = jams.load(str(path))
        assert document.validate()
        (annotation,) = document.search(namespace="tempo")
        (observation,) = annotation.data
        assert (observation.value, observation.confidence) == (128.0, 0.8765)
        assert (observation.time, observation.duration) == (0.0, 180.068)

    def test_values(self) -> None:
        document = json.loads(render("jams", [GOOD]))
        assert document["file_metadata"]["duration"] == 180.068
        assert document["file_metadata"]["identifiers"] == {"path": "a.wav"}
        (annotation,) = document["annotations"]
        assert annotation["namespace"] == "tempo"
        assert annotation["data"] == [
            {"time": 0.0, "duration": 180.068, "value": 128.0, "confidence": 0.8765}
        ]
        assert [each["relation"] for each in annotation["sandbox"]["candidates"]] == ["1", "1/2"]

    def test_each_section_is_an_observation(self) -> None:
        (annotation,) = json.loads(render("jams", [MOODY]))["annotations"]
        assert annotation["data"] == [
            {"time": 0.0, "duration": 120.0, "value": 100.0, "confidence": 0.8765},
            {"time": 120.0, "duration": 60.068, "value": 140.0, "confidence": 0.5},
        ]
        assert (annotation["time"], annotation["duration"]) == (0.0, 180.068)
        assert (annotation["sandbox"]["steady"], annotation["sandbox"]["bpm_error"]) == (False, 0.012)

    def test_without_sections_the_whole_is_the_observation(self) -> None:
        none = FileResult("d.wav", estimate=replace(MOODY.estimate, tempo_sections=()))
        (annotation,) = json.loads(render("jams", [none]))["annotations"]
        assert annotation["data"] == [
            {"time": 0.0, "duration": 180.068, "value": 100.0, "confidence": 0.8765}
        ]

    def test_no_tempo_is_no_observation(self) -> None:
        (annotation,) = json.loads(render("jams", [SILENT]))["annotations"]
        assert annotation["data"] == []
        assert annotation["sandbox"]["reason"] == "silence"

    def test_a_failure_is_no_document(self) -> None:
        assert render("jams", [FAILED]) == ""


class TestStandardError:
    @pytest.mark.parametrize(
        ("precision", "value", "text"),
        [
            (2, 0.01234, "0.012"),
            (2, 0.0004, "0.00040"),
            (2, 0.00996, "0.0100"),
            (2, 0.5, "0.50"),
            (2, 3.14159, "3.14"),
            (4, 3.14159, "3.1416"),
            (0, 0.3, "0.30"),
            (0, 12.3, "12"),
            (2, 0.0, "0.00"),
        ],
    )
    def test_small_ones_do_not_become_none(self, precision: int, value: float, text: str) -> None:
        result = FileResult("a", estimate=replace(make_estimate(100.0), bpm_error=value))
        (row,) = csv.DictReader(io.StringIO(render("csv", [result], precision=precision)))
        assert row["bpm_error"] == text
        assert json.loads(render("jsonl", [result], precision=precision))["bpm_error"] == float(text)


class TestMirex:
    def test_slower_faster_strength(self) -> None:
        assert render("mirex", [GOOD]) == "64.00\t128.00\t0.25\n"

    def test_strength_is_relative_to_both(self) -> None:
        candidates = (Candidate(60.0, 0.3, "1"), Candidate(120.0, 0.1, "2"), Candidate(90.0, 0.05, "3/2"))
        estimate = Estimate(60.0, 0.5, 0.5, candidates, None, 1.0, "fake")
        assert render("mirex", [FileResult("a", estimate=estimate)]) == "60.00\t120.00\t0.75\n"

    def test_one_candidate_stands_for_both(self) -> None:
        estimate = Estimate(60.0, 0.5, 0.5, (Candidate(60.0, 0.9, "1"),), None, 1.0, "fake")
        assert render("mirex", [FileResult("a", estimate=estimate)]) == "60.00\t60.00\t1.00\n"

    def test_no_tempo_is_zeros_and_a_failure_nothing(self) -> None:
        assert render("mirex", [SILENT]) == "0.00\t0.00\t0.00\n"
        assert render("mirex", [FAILED]) == ""

    def test_mir_eval_reads_it(self, tmp_path: Path) -> None:
        mir_eval = pytest.importorskip("mir_eval")
        path = tmp_path / "a.txt"
        path.write_text(render("mirex", [GOOD]))
        tempi, _, _ = mir_eval.io.load_delimited(str(path), [float] * 3, delimiter="\t")
        assert tempi == [64.0]


class TestPrintable:
    @given(names)
    def test_any_name_is_one_line_that_steers_nothing(self, path: str) -> None:
        assert printable(path).isprintable()

    def test_ordinary_names_are_left_alone(self) -> None:
        assert printable("C:\\caf\u00e9 \u97f3\u697d.wav") == "C:\\caf\u00e9 \u97f3\u697d.wav"
        assert printable("a\x1b[31m\n") == "a\\x1b[31m\\n"


class TestAtomicFile:
    def test_replaces(self, tmp_path: Path) -> None:
        path = tmp_path / "out.csv"
        path.write_bytes(b"old")
        path.chmod(0o600)
        with atomic_file(str(path)) as file:
            file.write(b"new")
            assert path.read_bytes() == b"old"
        assert path.read_bytes() == b"new"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert os.listdir(tmp_path) == ["out.csv"]

    def test_new_files_get_the_usual_mode(self, tmp_path: Path) -> None:
        with atomic_file(str(tmp_path / "out")) as file:
            file.write(b"x")
        (tmp_path / "other").touch()
        assert (tmp_path / "out").stat().st_mode == (tmp_path / "other").stat().st_mode

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_leaves_nothing_on_failure(self, tmp_path: Path, error: type[BaseException]) -> None:
        path = tmp_path / "out.csv"
        path.write_bytes(b"old")

        def fail() -> None:
            with atomic_file(str(path)) as file:
                file.write(b"half")
                raise error

        with pytest.raises(error):
            fail()
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["out.csv"]

    def test_nothing_written_is_no_file(self, tmp_path: Path) -> None:
        with atomic_file(str(tmp_path / "out")):
            pass
        assert os.listdir(tmp_path) == []

    def test_follows_links(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        link = tmp_path / "link.csv"
        link.symlink_to(tmp_path / "real" / "out.csv")
        with atomic_file(str(link)) as file:
            file.write(b"x")
        assert link.is_symlink()
        assert (tmp_path / "real" / "out.csv").read_bytes() == b"x"

    def test_devices_are_written_to_and_kept(self) -> None:
        with atomic_file(os.devnull) as file:
            file.write(b"x")
        assert stat.S_ISCHR(os.stat(os.devnull).st_mode)

    def test_errors_name_the_file(self, tmp_path: Path) -> None:
        path = str(tmp_path / "no" / "out.csv")
        with pytest.raises(FileNotFoundError) as caught, atomic_file(path):
            pass
        assert caught.value.filename == path

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
    def test_a_full_disk_names_the_file(self) -> None:
        with pytest.raises(OSError, match="No space left") as caught, atomic_file("/dev/full") as file:
            file.write(b"x")
        assert caught.value.filename == "/dev/full"

    def test_the_longest_name_works(self, tmp_path: Path) -> None:
        path = tmp_path / ("n" * 251 + ".csv")
        with atomic_file(str(path)) as file:
            file.write(b"x")
        assert path.read_bytes() == b"x"


def test_every_suffix_means_a_format_and_every_format_is_there() -> None:
    assert set(SUFFIXES.values()) == set(FORMATS)
    for name in FORMATS:
        assert render(name, [GOOD])
