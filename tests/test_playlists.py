"""Lists of files: M3U, PLS and CUE as players and rippers write them."""

from __future__ import annotations

import json
import logging
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from commands import estimated, tempo
from test_parts import LENGTHS, TEMPI, write_image

from tempocli.batch import find_files, find_inputs
from tempocli.inference.options import EstimatorOptions
from tempocli.output.results.part import mark_of
from tempocli.schema import AudioInput, Part

if TYPE_CHECKING:
    from collections.abc import Iterable

SHEET = """\
REM COMMENT "ExactAudioCopy"
PERFORMER "Band"
TITLE "Album"
FILE "image.wav" WAVE
  TRACK 01 AUDIO
    TITLE "One"
    PERFORMER "Solo"
    FLAGS DCP
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "Two"
    INDEX 00 00:19:00
    INDEX 01 00:20:00
  TRACK 03 AUDIO
    INDEX 01 00:35:00
"""
TRACKS = [Part(0.0, 20.0, "Solo - One"), Part(20.0, 15.0, "Two"), Part(35.0)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sub").mkdir()
    for name in ("a.wav", "b c.mp3", "sub/d.flac", "Ärger.ogg"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listed(path: str | Path, content: str | bytes) -> list[AudioInput]:
    Path(path).write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(find_inputs([path]))


def paths(inputs: Iterable[AudioInput]) -> list[str]:
    inputs = list(inputs)
    assert all(each.refusal is None and each.part is None for each in inputs)
    return [each.path for each in inputs]


class TestM3u:
    def test_comments_blank_lines_and_line_ends(self, here: Path) -> None:
        text = "#EXTM3U\r\n#EXTINF:123,Someone - Something\r\na.wav\r\n\r\n  sub/d.flac  \r\nb c.mp3"
        assert paths(listed("l.m3u", text)) == ["a.wav", "sub/d.flac", "b c.mp3"]
        assert paths(listed("l.m3u8", text.replace("\r\n", "\r"))) == ["a.wav", "sub/d.flac", "b c.mp3"]

    def test_paths_are_relative_to_the_list(self, here: Path) -> None:
        assert paths(listed("sub/l.m3u", f"d.flac\n../a.wav\n{here}/a.wav\n")) == [
            "sub/d.flac",
            "sub/../a.wav",
            f"{here}/a.wav",
        ]

    def test_a_file_that_is_missing_is_named_as_the_list_does(self, here: Path) -> None:
        assert paths(listed("l.m3u", "gone.wav\nC:\\Music\\x.mp3\nsub\\gone.wav\n50%25.wav\n")) == [
            "gone.wav",
            "C:/Music/x.mp3",
            "sub/gone.wav",
            "50%25.wav",
        ]

    def test_backslashes_of_windows(self, here: Path) -> None:
        assert paths(listed("l.m3u", "sub\\d.flac\n.\\a.wav\n")) == ["sub/d.flac", "./a.wav"]

    @pytest.mark.skipif(os.name == "nt", reason="a backslash is no character of a name there")
    def test_a_name_may_hold_a_backslash(self, here: Path) -> None:
        (here / "x\\y.wav").touch()
        assert paths(listed("l.m3u", "x\\y.wav\n")) == ["x\\y.wav"]

    def test_names_written_as_in_urls(self, here: Path) -> None:
        (here / "100%20.wav").touch()
        assert paths(listed("l.m3u", "b%20c.mp3\n100%20.wav\n")) == ["b c.mp3", "100%20.wav"]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16"])
    def test_encodings(self, here: Path, encoding: str) -> None:
        assert paths(listed("l.m3u", "Ärger.ogg\na.wav\n".encode(encoding))) == ["Ärger.ogg", "a.wav"]

    @pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
    def test_bytes_of_a_name_that_are_no_text(self, here: Path) -> None:
        name = b"\xe4\x81.wav"
        Path(os.fsdecode(name)).touch()
        assert paths(listed("l.m3u", name + b"\n")) == [os.fsdecode(name)]
        assert paths(listed("l.m3u", b"\xe4\x81 gone.wav\n")) == ["ä\x81 gone.wav"]

    def test_file_urls(self, here: Path) -> None:
        text = f"file://{here}/b%20c.mp3\nFILE://localhost{here}/a.wav\nfile://{here}/%C3%84rger.ogg\n"
        assert paths(listed("l.m3u", text)) == [f"{here}/b c.mp3", f"{here}/a.wav", f"{here}/Ärger.ogg"]

    def test_a_dash_is_a_file(self, here: Path) -> None:
        assert paths(listed("l.m3u", "-\n")) == ["./-"]


class TestPls:
    def test_entries_come_by_number(self, here: Path) -> None:
        text = (
            "[playlist]\nFile2=b c.mp3\nTitle2=x\nfile1 = a.wav\nLength1=-1\n"
            f"File10={here}/sub/d.flac\nNumberOfEntries=3\nVersion=2\n"
        )
        assert paths(listed("L.PLS", text)) == ["a.wav", "b c.mp3", f"{here}/sub/d.flac"]


class TestCue:
    def test_tracks_are_parts(self, here: Path) -> None:
        (here / "image.wav").touch()
        inputs = listed("a.cue", SHEET)
        assert [each.path for each in inputs] == ["image.wav"] * 3
        assert [each.part for each in inputs] == TRACKS

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
    def test_encodings(self, here: Path, encoding: str) -> None:
        sheet = SHEET.replace("image.wav", "Ärger.ogg").replace("Two", "Für Elise")
        inputs = listed("a.cue", sheet.replace("\n", "\r\n").encode(encoding))
        assert [each.path for each in inputs] == ["Ärger.ogg"] * 3
        assert inputs[1].part == Part(20.0, 15.0, "Für Elise")

    def test_frames_are_seventy_fifths(self, here: Path) -> None:
        sheet = 'FILE "a.wav" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:01\nTRACK 02 AUDIO\nINDEX 01 61:02:74\n'
        first, second = listed("a.cue", sheet)
        assert first.part == Part(1 / 75, 61 * 60 + 2 + 73 / 75)
        assert second.part == Part(61 * 60 + 2 + 74 / 75)

    @pytest.mark.parametrize("there", ["image.flac", "image.FLAC", "image.ogg"])
    def test_a_file_with_another_extension_is_taken(self, here: Path, there: str) -> None:
        (here / there).touch()
        assert {each.path for each in listed("a.cue", SHEET)} == {there}

    def test_lossless_is_taken_first(self, here: Path) -> None:
        for name in ("image.mp3", "image.flac", "image.txt"):
            (here / name).touch()
        assert {each.path for each in listed("a.cue", SHEET)} == {"image.flac"}
        (here / "image.wav").touch()
        assert {each.path for each in listed("a.cue", SHEET)} == {"image.wav"}

    def test_several_files(self, here: Path) -> None:
        sheet = (
            'FILE "a.wav" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\nTRACK 02 AUDIO\nINDEX 00 03:00:00\n'
            'FILE "sub\\d.flac" WAVE\nINDEX 01 00:00:00\nTRACK 03 AUDIO\nINDEX 01 04:00:00\n'
            "FILE b c.mp3 MP3\nTRACK 04 AUDIO\nTITLE x\nINDEX 01 00:00:00\n"
        )
        assert listed("a.cue", sheet) == [
            AudioInput("a.wav"),
            AudioInput("sub/d.flac", Part(0.0, 240.0)),
            AudioInput("sub/d.flac", Part(240.0)),
            AudioInput("b c.mp3"),
        ]

    def test_data_is_left_out_and_told_of(self, here: Path, caplog: pytest.LogCaptureFixture) -> None:
        sheet = (
            'FILE "a.wav" WAVE\nTRACK 01 MODE1/2352\nINDEX 01 00:00:00\n'
            "TRACK 02 AUDIO\nINDEX 01 01:00:00\nTRACK 03 MODE2/2352\nINDEX 01 02:00:00\n"
        )
        with caplog.at_level(logging.WARNING, "tempocli"):
            assert listed("a.cue", sheet) == [AudioInput("a.wav", Part(60.0, 60.0))]
        told = "a.cue: track {} is data, not audio: left out"
        assert caplog.messages == [told.format("01"), told.format("03")]

    def test_a_part_of_each_track(self, here: Path) -> None:
        (here / "a.cue").write_text(SHEET)
        (here / "image.wav").touch()
        inputs = list(find_inputs(["a.cue", "a.wav"], part=Part(16.0, 10.0)))
        assert [each.part for each in inputs[:2]] == [Part(16.0, 4.0, "Solo - One"), Part(20.0, 15.0, "Two")]
        assert inputs[1].refusal == "the part would begin at 16 s, but lasts 15 s"
        assert inputs[2:] == [
            AudioInput("image.wav", Part(51.0, 10.0)),
            AudioInput("a.wav", Part(16.0, 10.0)),
        ]

    def test_three_tempi(self, tmp_path: Path, model_path: Path) -> None:
        from clicks import make_clicks

        tracks = [make_clicks(bpm, length, 44100) for bpm, length in zip(TEMPI, LENGTHS, strict=True)]
        write_image(tmp_path / "image.flac", np.concatenate(tracks))
        (tmp_path / "a.cue").write_text(SHEET)
        text = estimated(tempo(str(tmp_path / "a.cue"), "--format", "json", "--jobs", "1"))
        records = json.loads(text)["results"]
        assert [record["bpm"] for record in records] == pytest.approx(TEMPI, abs=0.05)
        assert [record["part_start"] for record in records] == [0.0, 20.0, 35.0]
        assert [record["part_title"] for record in records] == ["Solo - One", "Two", None]
        assert records[2]["tempo_sections"][-1]["end"] == pytest.approx(60.0)


class TestInputs:
    def test_lists_in_folders_are_not_read(self, here: Path) -> None:
        (here / "sub" / "l.m3u").write_text("../a.wav\n")
        assert list(find_files(["sub"])) == ["sub/d.flac"]
        assert paths(find_inputs(["sub"])) == ["sub/d.flac"]

    def test_a_folder_may_be_called_like_a_list(self, here: Path) -> None:
        (here / "mix.m3u").mkdir()
        (here / "mix.m3u" / "x.wav").touch()
        assert paths(find_inputs(["mix.m3u"])) == ["mix.m3u/x.wav"]


class TestCommand:
    def test_a_list_is_several_files(self, music: Path) -> None:
        (music / "l.m3u").write_text("128.wav\n")
        assert estimated(tempo("l.m3u")) == "128.wav\t128.00\n"
        assert "one track" in tempo("l.m3u", "--format", "jams").stderr

    def test_a_list_among_listed_files(self, music: Path) -> None:
        (music / "l.m3u").write_text("../128.wav\n")
        (music / "l.m3u").rename(music / "music" / "l.m3u")
        (music / "files.txt").write_text("music/l.m3u\nmusic/100.wav\n")
        expected = "music/../128.wav\t128.00\nmusic/100.wav\t100.00\n"
        assert estimated(tempo("--files-from", "files.txt")) == expected

    def test_text_of_tracks(self, music: Path) -> None:
        (music / "image.wav").touch()
        (music / "a.cue").write_text(SHEET)
        assert estimated(tempo("a.cue")) == (
            "image.wav\t120.00\t0.0\t20.0\nimage.wav\t140.00\t20.0\t15.0\nimage.wav\t155.00\t35.0\t\n"
        )

    def test_the_tracks_of_an_image_get_no_tag(self, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from tempocli.batch.tag_worker import TagWorker

        written: list[str] = []
        monkeypatch.setattr(TagWorker, "read_tempo", lambda *_: None)
        monkeypatch.setattr(TagWorker, "tag_text", lambda *_: "128")
        monkeypatch.setattr(TagWorker, "write_tempo", lambda _, path, *__: written.append(path))
        (music / "image.wav").touch()
        (music / "a.cue").write_text(f'{SHEET}FILE "128.wav" WAVE\nTRACK 04 AUDIO\nINDEX 01 00:00:00\n')
        result = tempo("a.cue", "--write-tags", "-q")
        assert result.exit_code == 3
        assert written == ["128.wav"], "which the sheet names as a whole"
        assert result.stderr.count("tag not written: a part's tempo is not the file's\n") == 3
        assert result.stderr.startswith("tempo: image.wav, 0:00 to 0:20 (Solo - One): ")
        monkeypatch.setattr(TagWorker, "read_tempo", lambda *_: "99")
        skipped = tempo("a.cue", "--skip-tagged", "-q")
        assert skipped.stdout.count("image.wav") == 3
        assert "128.wav" not in skipped.stdout


@pytest.mark.parametrize("format_name", ["csv", "jsonl", "parquet"])
class TestResume:
    def results(self, path: Path) -> Any:
        if path.suffix == ".parquet":
            from pyarrow.parquet import read_table

            return read_table(path).to_pylist()
        return path.read_bytes()

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", range(2))
    def test_cut_off_anywhere(self, music: Path, format_name: str, seed: int) -> None:
        """A run over the tracks of an image, cut off at any byte, goes on as if it had not been."""
        if format_name == "parquet":
            pytest.importorskip("pyarrow")
        (music / "image.wav").touch()
        (music / "a.cue").write_text(SHEET)
        args = ["a.cue", "128.wav", "a.cue", "-q", "--jobs", "1"]
        # Parquet is JSONL until it is whole.
        grown = "csv" if format_name == "csv" else "jsonl"
        assert tempo(*args, "-o", f"grown.{grown}").exit_code == 0
        assert tempo(*args, "-o", f"whole.{format_name}").exit_code == 0
        rows = mark_of(format_name) + Path(f"grown.{grown}").read_bytes()
        rng = random.Random(seed)
        for _ in range(6):
            cut = rng.randrange(len(rows) + 1)
            out = Path(f"out.{format_name}")
            Path(f"out.{format_name}.part").write_bytes(rows[:cut])
            out.unlink(missing_ok=True)
            result = tempo(*args, "-o", str(out), "--resume")
            assert (result.exit_code, result.stderr) == (0, "")
            assert self.results(out) == self.results(Path(f"whole.{format_name}"))

    def test_tracks_that_are_done_are_not_done_again(self, music: Path, format_name: str) -> None:
        if format_name == "parquet":
            pytest.importorskip("pyarrow")
        (music / "image.wav").touch()
        two = SHEET[: SHEET.index("  TRACK 03")]
        (music / "a.cue").write_text(two)
        args = ["a.cue", "-o", f"out.{format_name}", "--verify-hash"]
        assert tempo(*args).exit_code == 0
        again = tempo(*args, "--resume")
        assert again.stderr.startswith("tempo: 0 files, 2 more done earlier, in ")
        # Now the second track ends earlier: it is another part.
        (music / "a.cue").write_text(SHEET)
        more = tempo(*args, "--resume")
        assert more.stderr.startswith("tempo: 2 files, 1 more done earlier, in ")


def test_a_cluster_gets_the_parts(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the Ray engine but Ray; a second run finds the tracks done."""
    pytest.importorskip("pyarrow")
    pytest.importorskip("fsspec")
    from contextlib import nullcontext

    from fake_estimator import FakeEstimator
    from pyarrow.parquet import read_table

    from tempocli.batch.engines.ray import Job, Work, chunk, engine
    from tempocli.output.formats import Layout

    def run(names: dict[str, int], work: Work, folder: str, done: object) -> None:
        for name in names:
            chunk.estimate_list(name, folder, work)

    monkeypatch.setattr(chunk, "Estimator", FakeEstimator)
    monkeypatch.setattr(engine, "cluster", lambda _: nullcontext())
    monkeypatch.setattr(engine, "_run", run)
    chunk._workplace.cache_clear()
    (music / "image.wav").touch()
    (music / "a.cue").write_text(f"{SHEET}TRACK 04 AUDIO\nFILE http://x/y.wav WAVE\nINDEX 01 00:00:00\n")
    work = Work(EstimatorOptions(method="classify", device="cpu"), Layout(), 100.0)
    names = ["a.cue", "128.wav", "memory://x/l.m3u"]
    part = Part(5.0, 10.0)
    try:
        outcome = engine._estimate(Job(names, "out", work, resume=True, part=part), None)
        again = engine._estimate(Job(names, "out", work, resume=True, part=part), None)
    finally:
        chunk._workplace.cache_clear()
    assert (outcome.n_results, sum(outcome.reasons.values())) == (6, 2)
    assert again.n_earlier == 6
    rows = sorted(read_table("out").to_pylist(), key=lambda row: row["position"])
    keys = ["path", "bpm", "part_start", "part_duration", "part_title"]
    assert [[row[key] for key in keys] for row in rows] == [
        ["image.wav", 125.0, 5.0, 10.0, "Solo - One"],
        ["image.wav", 145.0, 25.0, 10.0, "Two"],
        ["image.wav", 160.0, 40.0, 10.0, None],
        ["http://x/y.wav", None, None, None, None],
        ["128.wav", 133.0, 5.0, 10.0, None],
        ["memory://x/l.m3u", None, None, None, None],
    ]
