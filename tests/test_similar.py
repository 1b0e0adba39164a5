"""Search in an index: what is nearest, at which tempo, and playlists."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from libraries import AXIS, PARTS, layout, make_library, result, vector
from songs import song

from tempocli.cli import cli
from tempocli.cli.terminal.matches import fader
from tempocli.embedding.index.library import Library, Query
from tempocli.embedding.index.writer import IndexWriter
from tempocli.embedding.playlist import lead
from tempocli.embedding.similarity import WEIGHTS, check_weights, weighted
from tempocli.embedding.track import unit
from tempocli.embedding.translation import shift_rhythm
from tempocli.errors import DataError
from tempocli.output.matches import Row, as_m3u8, text


def similar(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["similar", *map(str, arguments)], prog_name="tempo")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(str(make_library(tmp_path, [120.0, 60.0, 126.0, 200.0, None, 90.0])))


def test_similarity_is_the_weighted_mean_of_cosines(library: Library) -> None:
    scores = library.similarities(Query(vector(50), {"timbre": 2.0, "chroma": 1.0}))
    for number, score in enumerate(scores):
        cosines = {name: float(vector(50)[name] @ vector(number)[name]) for name in ("timbre", "chroma")}
        assert score == pytest.approx((2.0 * cosines["timbre"] + cosines["chroma"]) / 3.0, abs=1e-6)


def test_similarity_is_symmetric() -> None:
    a, b = vector(1), vector(2)
    plain = [np.concatenate(list(each.values())) for each in (a, b)]
    assert weighted(a, WEIGHTS) @ plain[1] == pytest.approx(weighted(b, WEIGHTS) @ plain[0], abs=1e-6)


def test_a_shifted_rhythm_is_found_at_its_rate(tmp_path: Path) -> None:
    track = result(tmp_path / "fast.wav", 3)
    assert track.embedding is not None
    peaks = np.zeros(60, np.float32)
    peaks[[20, 27, 32]] = 1.0
    slow = vector(3) | {"rhythm": unit(peaks)}
    fast = dict(track.embedding.parts) | {"rhythm": shift_rhythm(slow["rhythm"], 2.0 ** (1 / 3), AXIS)}
    with IndexWriter(str(tmp_path / "l.tempo"), layout()) as writer:
        for seed in range(20):
            writer.add(result(tmp_path / f"{seed}.wav", 100 + seed))
        object.__setattr__(track.embedding, "parts", fast)
        writer.add(track)
    library = Library(str(tmp_path / "l.tempo"))
    rhythm = {"rhythm": 1.0}
    exact = library.similar(Query(slow, rhythm, rate=2.0 ** (1 / 3)), number=1, copies=True)[0]
    assert (Path(exact.entry.path).name, exact.similarity) == ("fast.wav", pytest.approx(1.0, abs=1e-5))
    blind = library.similar(Query(slow, rhythm, any_tempo=True), number=1, copies=True)[0]
    assert Path(blind.entry.path).name == "fast.wav"
    unshifted = library.similarities(Query(slow, rhythm))[-1]
    assert unshifted < 0.1


def test_copies_are_left_out_unless_asked_for(library: Library) -> None:
    query = Query(vector(2), WEIGHTS)
    assert "2.wav" not in {Path(match.entry.path).name for match in library.similar(query)}
    first = library.similar(query, copies=True)[0]
    assert (Path(first.entry.path).name, first.similarity) == ("2.wav", pytest.approx(1.0, abs=1e-5))


def test_more_than_there_are_and_none_at_all(library: Library) -> None:
    query = Query(vector(50), WEIGHTS)
    assert len(library.similar(query, number=99)) == 6
    assert library.similar(query, allowed=np.zeros(6, bool)) == []
    found = library.similar(query, number=3)
    assert [match.similarity for match in found] == sorted((m.similarity for m in found), reverse=True)


def test_mixable_is_within_six_percent_or_an_octave(library: Library) -> None:
    assert library.mixable(120.0).tolist() == [True, True, True, False, False, False]
    assert library.mixable(100.0).tolist() == [False, False, False, True, False, False]


def test_weights_are_checked() -> None:
    for weights, message in (
        ({"colour": 1.0}, "no part 'colour'"),
        ({"timbre": -1.0}, "negative"),
        ({"timbre": float("nan")}, "negative or not finite"),
        ({"timbre": 0.0}, "all weights are zero"),
    ):
        with pytest.raises(ValueError, match=message):
            check_weights(weights, PARTS)


def test_a_playlist_has_no_repeats_and_small_steps(tmp_path: Path) -> None:
    start, end = vector(1000), vector(1001)
    with IndexWriter(str(tmp_path / "l.tempo"), layout()) as writer:
        for number in range(30):  # tracks on the way, and others
            track = result(tmp_path / f"{number}.wav", number)
            assert track.embedding is not None
            if number < 10:
                share = (number + 1) / 11
                between = {name: unit((1 - share) * start[name] + share * end[name]) for name in start}
                object.__setattr__(track.embedding, "parts", between)
            writer.add(track)
    library = Library(str(tmp_path / "l.tempo"))
    allowed = np.ones(30, bool)
    found = lead(library, start, end, weights=WEIGHTS, length=7, allowed=allowed)
    numbers = [int(Path(match.entry.path).stem) for match in found]
    assert len(set(numbers)) == 5
    assert numbers == sorted(numbers)
    assert max(numbers) < 10
    assert lead(library, start, end, weights=WEIGHTS, length=2, allowed=allowed) == []
    assert lead(library, start, end, weights=WEIGHTS, length=7, allowed=np.zeros(30, bool)) == []


def test_the_pitch_fader() -> None:
    assert fader(126.0, 120.0) == "-4.8 %"
    assert fader(60.0, 120.0) == "+0.0 %"
    assert fader(None, 120.0) == ""


def test_playlists_and_text_hold_odd_names() -> None:
    rows = [Row("#1.mp3", 0.9, 120.0, None, 61.4), Row("ü\udcff.mp3", 0.8, None)]
    assert as_m3u8(rows) == b"#EXTM3U\n#EXTINF:61,\n./#1.mp3\n\xc3\xbc\xff.mp3\n"
    with pytest.raises(DataError, match="line break"):
        as_m3u8([Row("a\nb.mp3", 0.9, 120.0)])
    assert text([Row("a\nb.mp3", 0.9, 120.0)]) == b"\\a\\nb.mp3\n"


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("indexed")
    tracks = {
        "slow-house": song(100.0, 45),
        "house": song(125.0, 45),
        "house-again": song(126.0, 47, seconds=20.0),
        "rock": song(125.0, 40, pattern="rock", decay=0.05),
        "fast-rock": song(165.0, 40, pattern="rock", decay=0.05),
    }
    for name, samples in tracks.items():
        soundfile.write(folder / f"{name}.wav", samples, 22050)
    made = CliRunner().invoke(cli, ["index", str(folder), "-o", str(folder / "l.tempo")])
    assert made.exit_code == 0, made.output
    return folder


@pytest.mark.slow
def test_the_command_finds_what_is_alike(indexed: Path) -> None:
    result = similar(indexed / "house.wav", "--index", indexed / "l.tempo")
    assert result.exit_code == 0
    names = [Path(line).stem for line in result.stdout.splitlines()]
    assert "house" not in names
    assert len(names) == 4
    assert names[0] == "house-again"


@pytest.mark.slow
def test_a_song_outside_of_the_index_is_read(indexed: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "new.wav", song(124.0, 46, seconds=16.0), 22050)
    result = similar(tmp_path / "new.wav", "--index", indexed / "l.tempo", "-n", 1, "--format", "json")
    (found,) = json.loads(result.stdout)
    assert Path(found["path"]).stem in {"house", "house-again"}
    assert found["bpm"] == pytest.approx(125.5, abs=1.0)


@pytest.mark.slow
def test_faster_prefers_the_faster_performance(indexed: Path) -> None:
    rhythm = ("--weights", "rhythm=1", "--format", "csv", "--index", indexed / "l.tempo")
    plain = similar(indexed / "slow-house.wav", *rhythm)
    rows = {
        Path(row["path"]).stem: float(row["similarity"]) for row in csv.DictReader(io.StringIO(plain.stdout))
    }
    faster = similar(indexed / "slow-house.wav", *rhythm, "--faster", "25%")
    moved = {
        Path(row["path"]).stem: float(row["similarity"]) for row in csv.DictReader(io.StringIO(faster.stdout))
    }
    assert moved["house"] > 0.9
    assert moved["house"] > rows["house"] + 0.2
    same = similar(indexed / "slow-house.wav", *rhythm, "--faster", "0%")
    assert same.stdout == plain.stdout
    by_tempo = similar(indexed / "slow-house.wav", *rhythm, "--bpm", 125)
    assert by_tempo.stdout.splitlines()[1].split(",")[0].endswith(("house.wav", "house-again.wav"))


@pytest.mark.slow
def test_tempo_filters(indexed: Path) -> None:
    index = ("--index", indexed / "l.tempo")
    mixable = similar(indexed / "house.wav", *index, "--mixable")
    assert {Path(line).stem for line in mixable.stdout.splitlines()} == {"house-again", "rock"}
    ranged = similar(indexed / "house.wav", *index, "--bpm-range", "160-170")
    assert [Path(line).stem for line in ranged.stdout.splitlines()] == ["fast-rock"]
    none = similar(indexed / "house.wav", *index, "--bpm-range", "30-40")
    assert (none.exit_code, none.stdout) == (1, "")
    assert "nothing found" in none.stderr


@pytest.mark.slow
def test_a_playlist_from_song_to_song(indexed: Path, tmp_path: Path) -> None:
    out = tmp_path / "way.m3u8"
    arguments = ("--path", indexed / "fast-rock.wav", "--index", indexed / "l.tempo", "-o", out)
    result = similar(indexed / "slow-house.wav", *arguments, "--length", 4)
    assert (result.exit_code, result.stdout) == (0, "")
    names = [Path(line).stem for line in out.read_text().splitlines() if not line.startswith("#")]
    assert (names[0], names[-1], len(set(names))) == ("slow-house", "fast-rock", 4)
    short = similar(indexed / "slow-house.wav", *arguments, "--length", 9)
    assert "only 5 tracks" in short.stderr


@pytest.mark.slow
def test_another_version_of_the_index_is_refused_in_one_line(indexed: Path, tmp_path: Path) -> None:
    index = make_library(tmp_path, [120.0])
    result = similar(indexed / "house.wav", "--index", index)
    assert result.exit_code == 1
    assert "make it again with --rebuild" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--faster", "10%", "--bpm", "120"], "contradict each other"),
        (["--faster", "ten"], "no percentage"),
        (["--slower", "99%"], "4 times faster or slower"),
        (["--bpm-range", "130-120"], "no range"),
        (["--weights", "timbre"], "no weight"),
        (["--weights", "colour=1"], "no part 'colour'"),
        (["--weights", "timbre=0"], "all weights are zero"),
        (["--length", "5"], "--length needs --path"),
        (["--path", "0.wav", "--any-tempo"], "--path goes without --any-tempo"),
        (["--path", "0.wav"], "both songs are the same"),
        (["-o", "list.xyz"], "No format is known by the suffix"),
        (["-o", "0.wav", "--format", "csv"], "is an input"),
    ],
)
def test_usage_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    make_library(tmp_path, [120.0, 121.0])
    monkeypatch.chdir(tmp_path)
    result = similar("0.wav", "--index", "library.tempo", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr.replace("\n", " ")


def test_an_index_or_song_that_is_missing(tmp_path: Path) -> None:
    assert similar("a.wav", "--index", tmp_path / "no.tempo").exit_code == 1
    assert similar("a.wav").exit_code == 2
