"""The queue of a result file, and the file of corrections, which loses nothing."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from review_site import HOSTILE, in_force, record, rows

from tempocli.errors import DataError, OutputError
from tempocli.output.formats import Layout
from tempocli.output.formats.layout import encode
from tempocli.output.formats.lines import write_csv, write_tsv
from tempocli.output.results.parquet import from_json_lines
from tempocli.output.review import Correction, CorrectionLog, read_queue
from tempocli.schema import Candidate, Estimate, FileResult, Part

if TYPE_CHECKING:
    from pathlib import Path

ODD = 'odd\udcff\t\\,"\n.wav'


def results() -> list[FileResult]:
    def one(
        path: str, bpm: float | None, confidence: float, octave: float, part: Part | None = None
    ) -> FileResult:
        candidates = () if bpm is None else (Candidate(bpm, 0.7, "1"),)
        reason = "silence" if bpm is None else None
        return FileResult(path, Estimate(bpm, confidence, octave, candidates, reason, 20.0, "m"), part=part)

    return [
        one("sure.wav", 120.0, 0.9, 0.9),
        one("silent.wav", None, 0.0, 0.0),
        one("octave.wav", 90.0, 0.3, 0.2),
        one(ODD, 100.0, 0.3, 0.5),
        one("\\whole.wav", 80.0, 0.5, 0.5),
        one("\\whole.wav", 81.0, 0.6, 0.5, Part(10.0, 5.0)),
        FileResult("broken.wav", error="no audio"),
    ]


ORDER = ["octave.wav", ODD, "\\whole.wav", "\\whole.wav", "sure.wav", "silent.wav"]


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_tables_are_read_most_doubtful_first(tmp_path: Path, kind: str) -> None:
    write = {"csv": write_csv, "tsv": write_tsv}[kind]
    path = tmp_path / f"tempi.{kind}"
    path.write_bytes(encode("".join(write(results(), Layout()))))
    tracks = read_queue(path)
    assert [track.path for track in tracks] == ORDER
    assert [track.bpm for track in tracks] == [90.0, 100.0, 80.0, 81.0, 120.0, None]
    assert tracks[3].part == Part(10.0, 5.0)
    assert (tracks[0].candidates[0].bpm, tracks[-1].reason) == (90.0, "silence")


@pytest.mark.parametrize("kind", ["json", "jsonl", "parquet"])
def test_documents_are_read_with_their_sections(tmp_path: Path, kind: str) -> None:
    records = [record("a.wav", 90.0, 0.9), record(ODD, 80.0, 0.2), record("c.wav", None, 0.0, error="bad")]
    lines = "".join(json.dumps(each) + "\n" for each in records)
    path = tmp_path / f"tempi.{kind}"
    if kind == "parquet":
        pytest.importorskip("pyarrow")
        (tmp_path / "lines").write_text(lines, encoding="utf-8")
        with (tmp_path / "lines").open("rb") as file:
            from_json_lines(file, str(path))
    else:
        path.write_text(lines if kind == "jsonl" else json.dumps({"results": records}), encoding="utf-8")
    tracks = read_queue(path)
    assert [(track.path, track.bpm) for track in tracks] == [(ODD, 80.0), ("a.wav", 90.0)]
    assert [(each.start, each.end, each.bpm) for each in tracks[0].sections] == [(0.0, 12.0, 80.0)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "path,bpm\na,120\n"),
        ("a.csv", "path,bpm,confidence,octave_confidence,duration\na,nan,1,1,1\n"),
        ("a.csv", "path,bpm,confidence,octave_confidence,duration\na,120,1,7,1\n"),
        ("a.csv", "path,bpm,confidence,octave_confidence,duration\n"),
        ("a.tsv", "path\tbpm\na\n"),
        ("a.json", "[]"),
        ("a.jsonl", "{}\n"),
        ("a.txt", "a\t120\n"),
        ("a.parquet", "PAR1"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_queue(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_are_replayed(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    part = Part(1.0, 2.0)
    with CorrectionLog(str(path)) as log:
        assert log.add("a.wav", None, Correction("accept", 120.0, 0.25))
        assert log.add("a.wav", None, Correction("correct", 60.0))
        assert log.add(ODD, None, Correction("correct", 100.126))
        assert log.add(HOSTILE, part, Correction("correct", 90.0))
        assert log.undo("a.wav", None)
        assert log.undo(HOSTILE, part)
        assert not log.undo(HOSTILE, part)
        version = log.version
    with CorrectionLog(str(path)) as log:
        assert log.version == version == 6
        assert log.current("a.wav") == Correction("accept", 120.0, 0.25)
        assert log.current(ODD) == Correction("correct", 100.126)
        assert log.last() == ODD
        assert log.counts() == {"correct": 1, "accept": 1}
        assert log.changed_since(4) == ["a.wav", f"{HOSTILE}\x001.0\x002.0"]
        assert log.undo(ODD, None)
        assert log.last() == "a.wav"
    assert [row["bpm"] for row in rows(path)] == ["120", "60", "100.126", "90", "120", "", ""]
    assert in_force(path) == {"a.wav": "120", ODD: "", HOSTILE.rpartition("/")[2]: ""}


def test_a_row_that_another_page_has_not_seen_is_refused(tmp_path: Path) -> None:
    with CorrectionLog(str(tmp_path / "c.csv")) as log:
        assert log.add("a", None, Correction("accept", 120.0), seen=0)
        assert not log.add("a", None, Correction("correct", 60.0), seen=0)
        assert not log.undo("a", None, seen=0)
        assert log.undo("a", None, seen=1)


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_half_a_row_of_a_killed_process_is_removed(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "c.csv"
    with CorrectionLog(str(path)) as log:
        log.add("a", None, Correction("accept", 120.0))
        whole = path.read_bytes()
        log.add(HOSTILE, None, Correction("correct", 60.0))
    path.write_bytes(path.read_bytes()[:-cut])
    with CorrectionLog(str(path)) as log:
        assert log.current(HOSTILE) is None
        assert path.read_bytes() == whole
        assert log.current("a") == Correction("accept", 120.0)


def test_a_row_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.csv"
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (synced.append(path.read_bytes()), real(number)))
    with CorrectionLog(str(path)) as log:
        log.add("a", None, Correction("accept", 120.0))
    assert synced[-1] == path.read_bytes()

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    with CorrectionLog(str(path)) as log:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            log.add("b", None, Correction("accept", 120.0))
        assert log.current("b") is None
        assert path.read_bytes() == synced[-1]


def test_other_files_and_second_processes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("path,bpm\na,120\n", encoding="utf-8")
    with pytest.raises(DataError, match="not a file of corrections"):
        CorrectionLog(str(path))
    assert path.read_text(encoding="utf-8") == "path,bpm\na,120\n"
    path.unlink()
    with CorrectionLog(str(path)), pytest.raises(OutputError, match="another 'tempo review'"):
        CorrectionLog(str(path))
    with path.open("a", encoding="utf-8") as file:
        file.write("a,,undo,,,,\n")
    with pytest.raises(DataError, match="row 2 is not a correction"):
        CorrectionLog(str(path))
