"""tempo diff: what changed between two result files, and its exit status."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from commands import on_a_terminal
from review_site import record

from tempocli.cli import cli
from tempocli.output.formats import Layout
from tempocli.output.formats.layout import encode
from tempocli.output.formats.lines import write_csv, write_tsv
from tempocli.output.results.differences import differences, read_tempi
from tempocli.output.results.parquet import from_json_lines
from tempocli.schema import Estimate, FileResult, Part

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ODD = 'odd\t,"\n\udcff.wav'


def diff(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["diff", *map(str, arguments)])


def output(done: Result) -> str:
    return done.stdout_bytes.decode("utf-8", "surrogateescape")


def result(path: str, bpm: float | None, part: Part | None = None) -> FileResult:
    return FileResult(path, Estimate(bpm, 0.5, 0.5, (), None if bpm else "silence", 20.0, "m"), part=part)


def write(path: Path, tempi: Mapping[str, float | None]) -> Path:
    results = [result(name, bpm) for name, bpm in tempi.items()]
    writer = write_tsv if path.suffix == ".tsv" else write_csv
    path.write_bytes(encode("".join(writer(results, Layout()))))
    return path


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    old = {"same": 120.0, "double": 80.0, "odd ratio": 100.0, "lost": 90.0, "found": None, "gone": 70.0}
    new = {
        "double": 160.0, "odd ratio": 113.0, "lost": None, "found": 61.5, "same": 120.0, ODD: 99.0,
    }  # fmt: skip
    return write(tmp_path / "old.csv", old), write(tmp_path / "new.tsv", new)


def test_text_has_a_line_for_each_difference(pair: tuple[Path, Path]) -> None:
    done = diff(*pair)
    assert done.exit_code == 1
    assert [line.split("\t") for line in output(done).splitlines()] == [
        ["double", "changed", "80.0", "160.0", "2"],
        ["odd ratio", "changed", "100.0", "113.0", "other"],
        ["lost", "lost", "90.0", "-", "-"],
        ["found", "found", "-", "61.5", "-"],
        ['\\odd\\t,"\\n\udcff.wav', "only new", "-", "99.0", "-"],
        ["gone", "only old", "70.0", "-", "-"],
    ]
    assert done.stderr == (
        "tempo: 1 same, 2 changed (1 by an octave), 1 found, 1 lost, 1 only new, 1 only old\n"
    )


def test_csv_and_json_say_the_same(pair: tuple[Path, Path]) -> None:
    table, document = diff(*pair, "--format", "csv"), diff(*pair, "--format", "json")
    assert table.exit_code == document.exit_code == 1
    rows = list(csv.DictReader(io.StringIO(output(table), newline="")))
    records = json.loads(output(document))["differences"]
    assert records[0] == {
        "path": "double", "change": "changed", "old_bpm": 80.0, "new_bpm": 160.0, "difference": 80.0,
        "ratio": 2.0, "relation": "2", "octave": True, "part_start": None, "part_duration": None,
    }  # fmt: skip
    assert [each["octave"] for each in records] == [True, False, None, None, None, None]

    def text(value: Any) -> str:
        return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

    assert rows == [{key: text(value) for key, value in each.items()} for each in records]
    assert rows[4]["path"] == ODD


@pytest.mark.parametrize(
    ("new", "relation"),
    [(160.0, "2"), (40.0, "1/2"), (121.0, "3/2"), (53.0, "2/3"), (320.0, "4"), (81.0, "1"), (90.0, "other")],
)
def test_ratios_are_named(tmp_path: Path, new: float, relation: str) -> None:
    done = diff(write(tmp_path / "a.csv", {"x": 80.0}), write(tmp_path / "b.csv", {"x": new}))
    assert done.stdout.split("\t")[-1] == f"{relation}\n"


def test_without_differences_there_is_no_output(tmp_path: Path) -> None:
    old = write(tmp_path / "a.csv", {"x": 80.0, "y": None})
    new = write(tmp_path / "b.csv", {"y": None, "x": 80.05})
    done = diff(old, new)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "tempo: 2 same\n")
    done = diff(old, new, "--tolerance", "0")
    assert (done.exit_code, done.stdout) == (1, "x\tchanged\t80.0\t80.05\t1\n")
    assert json.loads(diff(old, new, "--format", "json").stdout)["differences"] == []
    assert diff(old, new, "--format", "csv").stdout.count("\n") == 1


def test_the_tolerance_is_a_percentage(tmp_path: Path) -> None:
    files = write(tmp_path / "a.csv", {"x": 100.0}), write(tmp_path / "b.csv", {"x": 104.0})
    assert diff(*files, "--tolerance", "3.8").exit_code == 1
    assert diff(*files, "--tolerance", "4").exit_code == 0


def test_quiet_is_silent(pair: tuple[Path, Path]) -> None:
    done = diff("-q", *pair)
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", "")


def test_parts_of_a_file_are_told_apart(tmp_path: Path) -> None:
    def table(name: str, second: float) -> Path:
        parts = [result("a", 80.0), result("a", 90.0, Part(1.0, 2.0)), result("a", second, Part(5.0))]
        path = tmp_path / name
        path.write_text("".join(write_csv(parts, Layout())), encoding="utf-8")
        return path

    done = diff(table("old.csv", 70.0), table("new.csv", 140.0))
    assert done.stdout == "a\tchanged\t70.0\t140.0\t2\t5.0\t-\n"


@pytest.mark.parametrize("kind", ["json", "jsonl", "parquet"])
def test_documents_are_read(tmp_path: Path, kind: str) -> None:
    records = [record("a", 90.0, 0.9), record("b", 50.0, 0.0), record("a", 45.0, 0.9), record("-", 60.0, 0.5)]
    records.append(record("bad", None, 0.0, error="no audio"))
    lines = "".join(json.dumps(each) + "\n" for each in records)
    new = tmp_path / f"new.{kind}"
    if kind == "parquet":
        pytest.importorskip("pyarrow")
        (tmp_path / "lines").write_text(lines, encoding="utf-8")
        with (tmp_path / "lines").open("rb") as file:
            from_json_lines(file, str(new))
    else:
        new.write_text(lines if kind == "jsonl" else json.dumps({"results": records}), encoding="utf-8")
    old = write(tmp_path / "old.csv", {"a": 90.0, "b": 100.0, "-": 60.0, "bad": 80.0})
    found = differences(read_tempi(old), read_tempi(new), 0.001)
    assert [(each.path, each.change, each.ratio) for each in found] == [
        ("b", "changed", 0.5),
        ("bad", "lost", None),
    ]


@pytest.mark.slow
def test_a_terminal_gets_a_table(pair: tuple[Path, Path]) -> None:
    code, shown, _ = on_a_terminal("diff", *map(str, pair))
    assert code == 1
    assert shown.split()[:8] == ["File", "Change", "Old", "BPM", "New", "BPM", "New", "/"]
    assert ["double", "changed", "80.0", "160.0", "2"] in [line.split() for line in shown.splitlines()]


HEADER = "path,bpm,confidence,error\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "path,bpm\na,120\n"),
        ("a.csv", f"{HEADER}a,fast,0.5,\n"),
        ("a.csv", f"{HEADER}a,nan,0.5,\n"),
        ("a.csv", f"{HEADER}a,inf,0.5,\n"),
        ("a.csv", f"{HEADER}a,-3,0.5,\n"),
        ("a.csv", f"{HEADER},120,0.5,\n"),
        ("a.csv", f'{HEADER}"a,120,0.5,\n'),
        ("a.csv", f"{HEADER}a\n"),
        ("a.tsv", "path\tbpm\na\n"),
        ("a.json", "[]"),
        ("a.json", '{"results": [7]}'),
        ("a.json", "[" * 100_000),
        ("a.jsonl", '{"path": "a", "bpm": [], "confidence": 1, "error": null}\n'),
        ("a.txt", "a\t120\n"),
        ("a.parquet", "PAR1"),
    ],
)
def test_bad_files_are_trouble_in_one_line(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    good = write(tmp_path / "good.csv", {"a": 120.0})
    for files in ((tmp_path / name, good), (good, tmp_path / name)):
        done = diff(*files)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert name in done.stderr


def test_a_missing_file_and_a_wrong_tolerance_are_trouble(tmp_path: Path) -> None:
    good = write(tmp_path / "good.csv", {"a": 120.0})
    for arguments in ((good, tmp_path / "none.csv"), (good, tmp_path), (good, good, "--tolerance", "nan")):
        assert diff(*arguments).exit_code == 2
