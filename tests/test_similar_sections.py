"""Sections in an index, and the search for a section of a song in others."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from forms import edges_of, song_of
from libraries import PARTS, layout, result, vector

from tempocli.cli import cli
from tempocli.decoding.segments.song import Section, SongForm
from tempocli.embedding.index.library import Library, Query
from tempocli.embedding.index.writer import IndexWriter
from tempocli.embedding.segmentation.section_vectors import section_vectors
from tempocli.embedding.similarity import WEIGHTS
from tempocli.embedding.track import TrackEmbedding
from tempocli.errors import DataError

if TYPE_CHECKING:
    from tempocli.schema import FileResult

WITH_SECTIONS = {"sections": {"segment_decoding": 1}}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)), prog_name="tempo")


def section(start: float, end: float, label: str = "A") -> Section:
    return Section(start, end, label, 8, 120.0, 0.9)


def sectioned(path: Path, seed: int, labels: str) -> FileResult:
    """A track of sections of 10 s; the vector of the one with the place k is that of seed 100 * seed + k."""
    plain = result(path, seed)
    assert plain.embedding is not None
    assert plain.estimate is not None
    sections = tuple(section(10.0 * k, 10.0 * k + 10.0, label) for k, label in enumerate(labels))
    form = SongForm(sections, plain.estimate, 4, None, 10.0 * len(labels), "music", "1")
    vectors = [vector(100 * seed + k) for k in range(len(labels))]
    stacked = {part.name: np.stack([each[part.name] for each in vectors]) for part in PARTS}
    return replace(plain, embedding=replace(plain.embedding, sections=stacked), form=form)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with IndexWriter(str(tmp_path / "l.tempo"), layout(**WITH_SECTIONS)) as writer:
        for number, labels in enumerate(("ABA", "AB", "", "ABCB")):
            path = tmp_path / f"{number}.wav"
            path.write_bytes(b"x")
            writer.add(sectioned(path, number, labels) if labels else result(path, number))
    return tmp_path


class TestIndex:
    def test_sections_are_read_as_they_were_written(self, folder: Path) -> None:
        library = Library(str(folder / "l.tempo"))
        assert [each.label for _, each in library.sections] == list("ABAABABCB")
        entry, last = library.sections[-1]
        assert (Path(entry.path).name, last.start, last.end) == ("3.wav", 30.0, 40.0)
        for name, expected in vector(303).items():
            np.testing.assert_array_equal(library.parts_of_section(last)[name], expected)

    def test_the_best_section_of_each_track_is_found(self, folder: Path) -> None:
        library = Library(str(folder / "l.tempo"))
        found = library.similar_sections(Query(vector(302), WEIGHTS), copies=True)
        assert Path(found[0].entry.path).name == "3.wav"
        assert (found[0].section.label, found[0].similarity) == ("C", pytest.approx(1.0, abs=1e-5))
        assert len({each.entry.path for each in found}) == len(found) == 3
        without = library.similar_sections(Query(vector(302), WEIGHTS))
        assert without[0].similarity < 0.9

    def test_stale_sections_are_removed_with_their_tracks(self, folder: Path) -> None:
        index = str(folder / "l.tempo")
        with IndexWriter(index, layout(**WITH_SECTIONS)) as writer:
            writer.remove(str(folder / "0.wav"))
            writer.remove(str(folder / "2.wav"))
            writer.add(sectioned(folder / "1.wav", 7, "ABC"))
            writer.finish()
            assert writer.layout.generation == 1
            # The same writer goes on.
            writer.add(sectioned(folder / "0.wav", 8, "A"))
        library = Library(index)
        assert [each.label for _, each in library.sections] == list("ABCABCBA")
        for place, seed in ((0, 700), (5, 302), (7, 800)):
            parts = library.parts_of_section(library.sections[place][1])
            np.testing.assert_array_equal(parts["timbre"], vector(seed)["timbre"])
        assert sorted(path.name for path in Path(index).glob("sections-*")) == ["sections-1.f32"]

    def test_damage_is_told(self, folder: Path) -> None:
        index = folder / "l.tempo"
        (index / "sections-0.f32").write_bytes(b"short")
        for opened in (Library, lambda path: IndexWriter(path, layout(**WITH_SECTIONS))):
            with pytest.raises(DataError, match="vectors are missing"):
                opened(str(index))
        log = index / "tracks-0.jsonl"
        log.write_text(log.read_text().replace('[0.0, 10.0, "A", 0]', '[0.0, 10.0, "A", "x"]'))
        with pytest.raises(DataError, match="line 1 is damaged"):
            Library(str(index))

    def test_an_index_without_sections_is_not_mixed_with_one_that_has_them(self, folder: Path) -> None:
        with pytest.raises(DataError, match=r"\(sections\); make it again with --rebuild"):
            IndexWriter(str(folder / "l.tempo"), layout())


class TestVectors:
    times = np.arange(6.0, 60.0, 4.0)

    def track(self) -> TrackEmbedding:
        windows = np.zeros((len(self.times), 2), np.float32)
        windows[self.times < 30.0, 0] = 1.0
        windows[self.times >= 30.0, 1] = 1.0
        return TrackEmbedding({}, {"timbre": windows}, self.times, 62.0, "music", "1")

    def test_windows_count_by_what_lies_in_the_section(self) -> None:
        found = section_vectors(self.track(), [section(0.0, 28.0), section(28.0, 62.0)], 12.0)["timbre"]
        np.testing.assert_allclose(found, [[1.0, 0.0], [0.0, 1.0]], atol=0.06)

    def test_a_section_shorter_than_half_a_window_has_a_vector(self) -> None:
        found = section_vectors(self.track(), [section(41.0, 43.0), section(80.0, 90.0)], 12.0)["timbre"]
        np.testing.assert_array_equal(found, [[0.0, 1.0], [0.0, 0.0]])


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for name, form, bpm in (("one", "ABAB", 120.0), ("two", "CBCB", 124.0), ("three", "CCAC", 118.0)):
        soundfile.write(folder / f"{name}.wav", song_of(form, bpm), 22050)
    assert run("index", folder, "-o", folder / "l.tempo", "--sections", "--jobs", 2).exit_code == 0
    return folder


@pytest.mark.slow
class TestCommand:
    def test_the_chorus_of_a_song_is_found_in_another(self, music: Path) -> None:
        arguments = ("--index", music / "l.tempo", "--format", "json")
        for name in ("B", "b", "2", "4"):
            found = json.loads(run("similar", music / "one.wav", "--section", name, *arguments).stdout)
            assert Path(found[0]["path"]).name == "two.wav"
            edges = edges_of("CBCB", 124.0)
            times = [(edges[place], edges[place + 1]) for place in (1, 3)]
            nearest = min(times, key=lambda each: abs(each[0] - found[0]["start"]))
            assert (found[0]["start"], found[0]["end"]) == pytest.approx(nearest, abs=0.1)
            assert found[0]["similarity"] > found[1]["similarity"] + 0.1

    def test_a_song_that_is_not_in_the_index(self, music: Path, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "new.wav", song_of("BABA", 121.0), 22050)
        arguments = ("--section", "1", "--index", music / "l.tempo", "--format", "csv")
        rows = list(csv.DictReader(io.StringIO(run("similar", tmp_path / "new.wav", *arguments).stdout)))
        # The sections B of the two songs are before all others.
        assert {Path(row["path"]).name for row in rows[:2]} == {"one.wav", "two.wav"}
        assert rows[0].keys() >= {"start", "duration", "label"}

    def test_whole_songs_are_still_found(self, music: Path, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "new.wav", song_of("CBCB", 123.0), 22050)
        for song in (music / "one.wav", tmp_path / "new.wav"):
            found = run("similar", song, "--index", music / "l.tempo", "--format", "text")
            assert found.exit_code == 0
            assert "two.wav" in found.stdout.splitlines()[0]

    def test_info_counts_sections(self, music: Path) -> None:
        assert "sections         1" in run("index", "--info", "-o", music / "l.tempo").stdout

    @pytest.mark.parametrize("name", ["9", "0", "Q", "chorus"])
    def test_a_section_that_there_is_not(self, music: Path, name: str) -> None:
        found = run("similar", music / "one.wav", "--section", name, "--index", music / "l.tempo")
        assert found.exit_code == 1
        assert f"has no section {name}; it has 1 (A), 2 (B)" in found.stderr

    def test_an_index_without_sections(self, music: Path, tmp_path: Path) -> None:
        assert run("index", music / "one.wav", "-o", tmp_path / "l.tempo").exit_code == 0
        found = run("similar", music / "two.wav", "--section", "1", "--index", tmp_path / "l.tempo")
        assert found.exit_code == 1
        assert "make it with 'tempo index --sections --rebuild'" in found.stderr

    def test_a_path_goes_without_sections(self, music: Path) -> None:
        song = music / "one.wav"
        found = run("similar", song, "--section", "1", "--path", song, "--index", music / "l.tempo")
        assert found.exit_code == 2
