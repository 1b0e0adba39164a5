"""Result files: interrupted runs are continued, and two runs cannot write one file."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fake_estimator import make_estimate

from tempocli.batch.engines.output import GROWING
from tempocli.errors import DataError, MissingExtraError, OutputError
from tempocli.output import results as results_package
from tempocli.output.formats import Layout
from tempocli.output.results import ResultFile, part_of
from tempocli.output.results.rows import JsonRows
from tempocli.schema import FileResult
from tempocli.system.fingerprints import Fingerprint, fingerprint_of, is_unchanged

if TYPE_CHECKING:
    from collections.abc import Iterable

LAYOUT = Layout()
FORMATS = ["csv", "jsonl", "parquet"]


def needs_pyarrow(format_name: str) -> str:
    if format_name == "parquet":
        pytest.importorskip("pyarrow")
    return format_name


@pytest.fixture(params=FORMATS)
def format_name(request: pytest.FixtureRequest) -> str:
    return needs_pyarrow(request.param)


@pytest.fixture
def songs(tmp_path: Path) -> list[str]:
    paths = [tmp_path / name for name in ("a.wav", "b.wav", 'c, "d".wav')]
    for path in paths:
        path.write_bytes(b"abc")
    return [str(path) for path in paths]


def result_of(path: str, bpm: float = 120.0, *, hashed: bool = False) -> FileResult:
    return FileResult(path, estimate=make_estimate(bpm), fingerprint=fingerprint_of(path, hashed=hashed))


def make(path: Path, format_name: str, results: Iterable[FileResult], *, settings: str = "s") -> None:
    with ResultFile(str(path), format_name, LAYOUT) as file:
        file.begin(settings)
        for result in results:
            file.append(result)
        file.finish()


def interrupt(path: Path, format_name: str, results: Iterable[FileResult], *, settings: str = "s") -> None:
    with ResultFile(str(path), format_name, LAYOUT) as file:
        file.begin(settings)
        for result in results:
            file.append(result)


def resume(path: Path, format_name: str, wanted: Iterable[str], **options: Any) -> list[str]:
    """Continue, and return what was not there."""
    new = []
    with ResultFile(str(path), format_name, LAYOUT, resume=True) as file:
        file.begin(options.pop("settings", "s"), **options)
        for each in wanted:
            if file.take(each) is None:
                new.append(each)
                file.append(result_of(each, 90.0))
        file.finish()
    return new


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        from pyarrow.parquet import read_table

        rows: list[dict[str, Any]] = read_table(path).to_pylist()
        return rows
    text = path.read_text()
    if path.suffix == ".csv":
        return list(csv.DictReader(io.StringIO(text, newline="")))
    return [json.loads(line) for line in text.splitlines()]


def tempi(path: Path) -> list[tuple[str, float]]:
    return [(os.path.basename(row["path"]), float(row["bpm"])) for row in read(path)]


def test_the_command_line_knows_the_formats() -> None:
    """It has a list of its own, for it must not load these modules before they are needed."""
    assert set(FORMATS) == GROWING == results_package.FORMATS


class TestStamps:
    def test_size_and_time(self, songs: list[str]) -> None:
        fingerprint = fingerprint_of(songs[0])
        assert is_unchanged(songs[0], fingerprint)
        os.utime(songs[0], ns=(1, 1))
        assert not is_unchanged(songs[0], fingerprint)

    def test_content(self, songs: list[str]) -> None:
        fingerprint = fingerprint_of(songs[0], hashed=True)
        os.utime(songs[0], ns=(1, 1))
        assert is_unchanged(songs[0], fingerprint, by_hash=True)
        Path(songs[0]).write_bytes(b"abd")
        assert not is_unchanged(songs[0], fingerprint, by_hash=True)
        assert not is_unchanged(songs[0], fingerprint_of(songs[0]), by_hash=True), (
            "there was no hash to compare"
        )

    def test_what_was_no_file(self, songs: list[str], tmp_path: Path) -> None:
        assert is_unchanged(str(tmp_path / "gone"), None)
        assert not is_unchanged(songs[0], None)
        assert not is_unchanged(str(tmp_path / "gone"), Fingerprint(3, 4))
        assert not is_unchanged("-", None)


class TestResultFile:
    def test_takes_its_name_at_the_end(self, tmp_path: Path, format_name: str, songs: list[str]) -> None:
        path = tmp_path / f"out.{format_name}"
        path.write_text("old")
        path.chmod(0o640)
        with ResultFile(str(path), format_name, LAYOUT) as file:
            file.begin("s")
            file.append(result_of(songs[0]))
            assert path.read_text() == "old"
            assert "a.wav" in Path(part_of(str(path))).read_text(), "a row is written at once"
            file.append(FileResult("gone", error="missing"))
            file.finish()
        assert [row["error"] or "" for row in read(path)] == ["", "missing"]
        assert path.stat().st_mode & 0o777 == 0o640
        assert not os.path.exists(part_of(str(path)))

    def test_a_run_without_results_leaves_nothing(self, tmp_path: Path, format_name: str) -> None:
        before = sorted(os.listdir(tmp_path))
        with ResultFile(str(tmp_path / "out"), format_name, LAYOUT) as file:
            file.begin("s")
            file.finish()
        assert sorted(os.listdir(tmp_path)) == before

    def test_is_continued(self, tmp_path: Path, format_name: str, songs: list[str]) -> None:
        path = tmp_path / f"out.{format_name}"
        interrupt(path, format_name, map(result_of, songs[:2]))
        assert not path.exists()
        assert resume(path, format_name, songs) == [songs[2]]
        assert tempi(path) == [("a.wav", 120.0), ("b.wav", 120.0), ('c, "d".wav', 90.0)]

    def test_a_whole_file_is_added_to(self, tmp_path: Path, format_name: str, songs: list[str]) -> None:
        path = tmp_path / f"out.{format_name}"
        make(path, format_name, map(result_of, songs[1:]))
        assert resume(path, format_name, songs) == [songs[0]]
        assert tempi(path) == [("b.wav", 120.0), ('c, "d".wav', 120.0), ("a.wav", 90.0)]

    def test_changed_and_vanished_files_are_done_again(
        self, tmp_path: Path, format_name: str, songs: list[str]
    ) -> None:
        path = tmp_path / f"out.{format_name}"
        make(path, format_name, map(result_of, songs))
        os.utime(songs[0], ns=(1, 1))
        os.unlink(songs[1])
        assert resume(path, format_name, [songs[0], songs[2]]) == [songs[0]]
        assert tempi(path) == [('c, "d".wav', 120.0), ("a.wav", 90.0)]

    def test_changed_content(self, tmp_path: Path, format_name: str, songs: list[str]) -> None:
        path = tmp_path / f"out.{format_name}"
        make(path, format_name, [result_of(song, hashed=True) for song in songs])
        os.utime(songs[0], ns=(1, 1))
        status = os.stat(songs[1])
        Path(songs[1]).write_bytes(b"abd")
        os.utime(songs[1], ns=(status.st_atime_ns, status.st_mtime_ns))
        assert resume(path, format_name, songs, by_hash=True) == [songs[1]]

    def test_failures_are_kept_or_tried_again(
        self, tmp_path: Path, format_name: str, songs: list[str]
    ) -> None:
        path = tmp_path / f"out.{format_name}"
        make(
            path,
            format_name,
            [FileResult(songs[0], error="x", fingerprint=fingerprint_of(songs[0])), result_of(songs[1])],
        )
        assert resume(path, format_name, songs[:2]) == []
        assert resume(path, format_name, songs[:2], without_failed=True) == [songs[0]]

    def test_an_input_named_twice_is_there_twice(self, tmp_path: Path, songs: list[str]) -> None:
        path = tmp_path / "out.csv"
        interrupt(path, "csv", [result_of(songs[0])])
        assert resume(path, "csv", [songs[0], songs[0]]) == [songs[0]]

    def test_other_settings_are_refused(self, tmp_path: Path, format_name: str, songs: list[str]) -> None:
        path = tmp_path / f"out.{format_name}"
        interrupt(path, format_name, map(result_of, songs), settings='{"top":1}')
        before = Path(part_of(str(path))).read_bytes()
        with pytest.raises(OutputError, match=r"made with other settings \(top 1, now 2\)"):
            resume(path, format_name, songs, settings='{"top":2}')
        assert Path(part_of(str(path))).read_bytes() == before
        assert sorted(os.listdir(tmp_path))[-1] == f"out.{format_name}.part"

    def test_results_are_not_overwritten_unasked(self, tmp_path: Path, songs: list[str]) -> None:
        path = tmp_path / "out.csv"
        interrupt(path, "csv", map(result_of, songs))
        with pytest.raises(OutputError, match="interrupted run; continue it with --resume"):
            make(path, "csv", [])
        assert resume(path, "csv", songs) == []

    def test_two_runs_are_refused(self, tmp_path: Path, songs: list[str]) -> None:
        path = tmp_path / "out.csv"
        with ResultFile(str(path), "csv", LAYOUT) as file:
            file.begin("s")
            for again in (False, True):
                with (
                    pytest.raises(OutputError, match=r"another run is writing it"),
                    ResultFile(str(path), "csv", LAYOUT, resume=again),
                ):
                    pass
            file.append(result_of(songs[0]))
            file.finish()
        with ResultFile(str(path), "csv", LAYOUT, resume=True) as file:
            file.begin("s")  # which puts another file in the place of the first
            with pytest.raises(OutputError, match="another run"):
                make(path, "csv", [])

    @pytest.mark.slow
    def test_a_lock_ends_with_its_process(self, tmp_path: Path, songs: list[str]) -> None:
        path = tmp_path / "out.csv"
        code = (
            "import sys, time\nfrom tempocli.output.results import ResultFile\n"
            "from tempocli.output.formats import Layout\n"
            "with ResultFile(sys.argv[1], 'csv', Layout()) as file:\n"
            "    file.begin('s'); print('locked', flush=True); time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"locked\n"
            with pytest.raises(OutputError, match="another run"):
                make(path, "csv", [])
            child.kill()
        make(path, "csv", map(result_of, songs))
        assert len(read(path)) == 3

    @pytest.mark.slow
    def test_a_full_disk_leaves_whole_rows(self, tmp_path: Path, songs: list[str]) -> None:
        pytest.importorskip("resource")
        path = tmp_path / "out.csv"
        # To the system, a limit on files is the same as a full disk.
        code = (
            "import resource, sys\n"
            "from tempocli.output.results import ResultFile; from tempocli.output.formats import Layout\n"
            "from tempocli.schema import FileResult\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
            "with ResultFile(sys.argv[1], 'csv', Layout()) as file:\n"
            "    file.begin('s')\n"
            "    for number in range(1000): file.append(FileResult(f'gone {number}', error='missing'))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, path], stderr=subprocess.PIPE, check=False, timeout=60, text=True
        )
        assert "File too large" in done.stderr
        part = Path(part_of(str(path))).read_bytes()
        assert 900 < len(part) <= 1000
        resumed = code.replace("(1000, 1000)", "(500, 500)").replace("Layout()", "Layout(), resume=True")
        done = subprocess.run(
            [sys.executable, "-c", resumed, path], stderr=subprocess.PIPE, check=False, timeout=60, text=True
        )
        assert f"File too large: '{part_of(str(path))}'" in done.stderr
        assert Path(part_of(str(path))).read_bytes() == part
        assert part.endswith(b",s\n")
        wanted = [f"gone {number}" for number in range(40)]
        n_new = len(resume(path, "csv", wanted))
        assert 0 < n_new < 40
        assert [row["path"] for row in read(path)] == wanted

    def test_it_is_on_the_disk_when_it_has_its_name(
        self, tmp_path: Path, format_name: str, songs: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced = set()
        sync = os.fsync

        def record(descriptor: int) -> None:
            sync(descriptor)
            synced.add(os.fstat(descriptor).st_ino)

        monkeypatch.setattr(os, "fsync", record)
        path = tmp_path / f"out.{format_name}"
        make(path, format_name, map(result_of, songs))
        assert {path.stat().st_ino, tmp_path.stat().st_ino} <= synced

    def test_a_folder_in_its_place(self, tmp_path: Path) -> None:
        with pytest.raises(IsADirectoryError), ResultFile(str(tmp_path), "csv", LAYOUT):
            pass

    def test_says_which_extra_is_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
        with (
            pytest.raises(MissingExtraError, match=r"\[parquet\]"),
            ResultFile(str(tmp_path / "out.parquet"), "parquet", LAYOUT),
        ):
            pass


class TestParquet:
    def test_there_and_back_is_the_same(self, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow")
        from tempocli.output.results import parquet

        layout = Layout(curve=True)
        lines = [
            JsonRows().encode(FileResult(path, estimate=make_estimate(bpm)), layout, "s")
            for path, bpm in (("a\\\udce9\n.wav", 123.456), ("b", None), ("\\x", 100.0))
        ]
        moody = make_estimate(100.0, steady=False)
        lines.append(JsonRows().encode(FileResult("moody", estimate=moody), layout, "s"))
        lines.append(JsonRows().encode(FileResult("gone", error="x"), layout, "s"))
        parquet.from_json_lines(io.BytesIO(b"".join(lines)), str(tmp_path / "out.parquet"))
        with parquet.to_json_lines(str(tmp_path / "out.parquet")) as back:
            assert [json.loads(line) for line in back] == [json.loads(line) for line in lines]

    def test_columns_have_types(self, tmp_path: Path, songs: list[str]) -> None:
        pytest.importorskip("pyarrow")
        path = tmp_path / "out.parquet"
        moody = make_estimate(100.0, steady=False)
        make(path, "parquet", [result_of(songs[0]), FileResult("moody", estimate=moody)])
        first, second = read(path)
        assert (first["bpm_error"], first["steady"], len(first["tempo_sections"])) == (0.012, True, 1)
        assert second["steady"] is False
        assert second["tempo_sections"][1] == {
            "start": 120.0,
            "end": 180.068,
            "bpm": 140.0,
            "confidence": 0.5,
        }

    def test_what_is_no_parquet_is_refused(self, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow")
        path = tmp_path / "out.parquet"
        path.write_bytes(b"PAR1 but no more")
        with pytest.raises(DataError, match="is not a Parquet result file"):
            resume(path, "parquet", [])


class TestEarlierVersions:
    """Files without the columns that came later are refused, and stay as they are."""

    MISSING = ("bpm_error", "steady", "tempo_sections")

    def write_old(self, path: Path, format_name: str, songs: list[str]) -> None:
        new = path.with_name("new.jsonl")
        make(new, "jsonl", map(result_of, songs))
        rows = read(new)
        new.unlink()
        for row in rows:
            for key in self.MISSING:
                del row[key]
        if format_name == "parquet":
            import pyarrow as pa
            from pyarrow.parquet import write_table

            from tempocli.output.results.parquet import schema

            fields = [field for field in schema(curve=False) if field.name not in self.MISSING]
            write_table(pa.Table.from_pylist(rows, schema=pa.schema(fields)), path)
        elif format_name == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            columns = (
                "path,bpm,confidence,octave_confidence,candidates,duration,model,reason,error,"
                "size,mtime_ns,sha256,settings"
            )
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, columns.split(","), extrasaction="ignore", lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)

    def refuse(self, path: Path, format_name: str, songs: list[str]) -> str:
        before = {each: each.read_bytes() for each in path.parent.iterdir()}
        with pytest.raises((DataError, OutputError)) as caught:
            resume(path, format_name, songs)
        assert {each: each.read_bytes() for each in path.parent.iterdir()} == before
        return str(caught.value)

    def test_a_whole_file(self, tmp_path: Path, format_name: str, songs: list[str]) -> None:
        path = tmp_path / f"out.{format_name}"
        self.write_old(path, format_name, songs)
        said = self.refuse(path, format_name, songs)
        columns = "columns bpm_error, steady, part_start, part_duration, part_title, model_version"
        new = columns if format_name == "csv" else f"keys {', '.join(self.MISSING)}"
        assert said == (
            f"{path}: an earlier version of tempo wrote it, without the {new}; "
            "give another output, or delete it"
        )

    @pytest.mark.parametrize("format_name", ["csv", "jsonl"])
    def test_an_interrupted_run(self, tmp_path: Path, format_name: str, songs: list[str]) -> None:
        path = tmp_path / f"out.{format_name}"
        part = Path(part_of(str(path)))
        self.write_old(part, format_name, songs)
        assert self.refuse(path, format_name, songs).startswith(
            f"{part}: was not made by this version of tempo"
        )
        assert not path.exists()

    def test_csv_of_the_first_release(self, tmp_path: Path, songs: list[str]) -> None:
        path = tmp_path / "out.csv"
        path.write_text("path,bpm,confidence,octave_confidence,candidates,duration,model,reason,error\n")
        assert "without the columns bpm_error, steady, part_start, " in self.refuse(path, "csv", songs)


@pytest.mark.parametrize("seed", range(2))
def test_random_interruptions_change_nothing(tmp_path: Path, seed: int) -> None:
    """The law: however often a run is cut off, at any byte, continuing gives what one run gives."""
    rng = random.Random(seed)
    songs = [str(tmp_path / f"{number}.wav") for number in range(30)]
    for song in songs[::2]:
        Path(song).touch()
    expected = [result_of(song, 90.0) for song in songs]
    make(tmp_path / "whole.csv", "csv", expected)
    path, part = tmp_path / "out.csv", Path(part_of(str(tmp_path / "out.csv")))
    while not path.exists():
        with ResultFile(str(path), "csv", LAYOUT, resume=True) as file:
            file.begin("s")
            left = [result for result in expected if file.take(result.path) is None]
            stop = rng.randint(0, 6)
            for result in left[:stop]:
                file.append(result)
            if stop > len(left):
                file.finish()
        if part.exists():
            data = part.read_bytes()
            part.write_bytes(data[: len(data) - rng.randint(0, 30)])
    assert path.read_bytes() == (tmp_path / "whole.csv").read_bytes()
