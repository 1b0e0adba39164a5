"""`tempo evaluate --dataset`: standard sets through mirdata, on made trees of the same layout."""

from __future__ import annotations

import shutil
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest
import soundfile
from clicks import make_clicks
from commands import evaluate, scores
from standard_sets import SETS, index_name, make_set

from tempocli.errors import DataError, MissingExtraError
from tempocli.evaluation.datasets import DATASETS, read_dataset

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mirdata(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library, without a network."""
    pytest.importorskip("mirdata", reason="mirdata is not installed (extra 'eval')")

    connect = socket.socket.connect

    def local_only(self: socket.socket, address: Any) -> None:
        assert isinstance(address, str | bytes), f"a connection to {address} was tried"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)


EXPECTED: dict[str, dict[str, float]] = {
    "ballroom": {
        "B_1.0/audio/BallroomData/Tango/Albums-1.wav": 128.0,
        "B_1.0/audio/BallroomData/Tango/Albums-2.wav": 90.0,
    },
    "beatles": {"audio/a.wav": 120.0},
    "brid": {"BRID_1.0/audio/0001.wav": 110.0},
    "candombe": {"candombe_audio/a.flac": 60 / 0.45},
    "cuidado": {"C_1.0/audio/0001.wav": 99.5},
    "giantsteps_tempo": {"audio/1.LOFI.mp3": 140.0, "audio/2.LOFI.mp3": 128.0},
    "groove_midi": {
        "drummer1/session1/1_rock_120_beat_4-4.wav": 120.0,
        "drummer1/session1/2_rock_95_beat_4-4.wav": 95.0,
    },
    "gtzan_genre": {
        "gtzan_genre/genres/blues/blues.00000.wav": 126.0,
        "gtzan_genre/genres/hiphop/hiphop.00001.wav": 94.5,
    },
    "guitarset": {"audio_mono-mic/00_Rock1-130-A_comp_mic.wav": 130.0},
    "hainsworth": {"H_1.0/audio/001.wav": 76.0},
    "rwc_popular": {"audio/rwc-p-m01/1.wav": 135.0},
}


def test_every_set_has_a_tree_to_test_on() -> None:
    assert set(DATASETS) == set(SETS) == set(EXPECTED)


@pytest.mark.slow
@pytest.mark.usefixtures("mirdata")
@pytest.mark.parametrize("name", list(DATASETS))
def test_the_tempi_of_a_set(name: str, tmp_path: Path) -> None:
    tracks = make_set(name, tmp_path)
    found = read_dataset(name, tmp_path)
    assert {row.path: row.bpm for row in found.references} == pytest.approx(EXPECTED[name], rel=1e-3)
    assert all(file.is_file() for file in found.files)
    assert found.n_tracks == len(tracks)
    assert found.n_tracks == len(found.references) + found.n_without_tempo
    assert (found.n_without_audio, found.n_without_annotation) == (0, 0)


@pytest.mark.usefixtures("mirdata")
def test_giantsteps_has_two_tempi_and_their_weights(tmp_path: Path) -> None:
    make_set("giantsteps_tempo", tmp_path)
    first, second = read_dataset("giantsteps_tempo", tmp_path).references
    assert (first.bpm, first.bpm2, first.salience) == (140.0, 70.0, 0.75)
    assert (second.bpm, second.bpm2) == (128.0, None)


@pytest.mark.usefixtures("mirdata")
def test_what_is_not_there_is_counted_and_said(tmp_path: Path) -> None:
    tracks = make_set("ballroom", tmp_path)
    one, two = tracks.values()
    (tmp_path / one["audio"]).unlink()
    found = read_dataset("ballroom", tmp_path)
    assert found.left_out == "ballroom: 1 of 2 tracks left out: 1 without audio"
    (tmp_path / one["tempo"]).unlink()
    assert read_dataset("ballroom", tmp_path).n_without_annotation == 1
    (tmp_path / two["audio"]).unlink()
    with pytest.raises(
        DataError, match=r"2 of 2 tracks left out: 1 without audio, 1 without annotation file"
    ):
        read_dataset("ballroom", tmp_path)


@pytest.mark.usefixtures("mirdata")
def test_audio_in_another_format_is_found(tmp_path: Path) -> None:
    tracks = make_set("giantsteps_tempo", tmp_path)
    mp3 = tmp_path / tracks["1"]["audio"]
    mp3.rename(mp3.with_suffix(".wav"))
    found = read_dataset("giantsteps_tempo", tmp_path)
    assert [file.name for file in found.files] == ["1.LOFI.wav", "2.LOFI.mp3"]
    # What estimates are matched by stays the same.
    assert found.references[0].path == "audio/1.LOFI.mp3"


@pytest.mark.usefixtures("mirdata")
@pytest.mark.parametrize(
    ("name", "way"),
    [
        (
            "ballroom",
            r"download it with python -c \"import mirdata; .*download\(\['index'\]\)\", or save https://",
        ),
        ("hainsworth", r"copy tests/indexes/hainsworth_full_index_1.0.json of mirdata's source code to "),
    ],
)
def test_a_missing_index_says_how_to_get_it(name: str, way: str, tmp_path: Path) -> None:
    make_set(name, tmp_path, index=False)
    with pytest.raises(DataError, match=f"{name}: the index of mirdata is missing: {way}") as raised:
        read_dataset(name, tmp_path)
    assert "\n" not in str(raised.value)
    assert str(tmp_path / index_name(name)) in str(raised.value)


@pytest.mark.usefixtures("mirdata")
def test_a_version_of_the_index(tmp_path: Path) -> None:
    make_set("gtzan_genre", tmp_path)
    shutil.move(tmp_path / index_name("gtzan_genre"), tmp_path / "gtzan_genre_1.0_mini_index.json")
    assert read_dataset("gtzan_genre:mini", tmp_path).version == "mini"
    with pytest.raises(DataError, match="mirdata has no version 7 of it"):
        read_dataset("gtzan_genre:7", tmp_path)


@pytest.mark.usefixtures("mirdata")
@pytest.mark.parametrize("text", ["fast\n", ""])
def test_a_broken_annotation_is_named(text: str, tmp_path: Path) -> None:
    tracks = make_set("ballroom", tmp_path)
    (tmp_path / tracks["Albums-2"]["tempo"]).write_text(text)
    with pytest.raises(DataError, match="ballroom: the annotation of Albums-2 cannot be read: ") as raised:
        read_dataset("ballroom", tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("mirdata")
def test_a_broken_index_and_a_missing_folder(tmp_path: Path) -> None:
    (tmp_path / index_name("ballroom")).write_text("{}")
    with pytest.raises(DataError, match="is not an index of mirdata"):
        read_dataset("ballroom", tmp_path)
    with pytest.raises(DataError, match="no such folder; --data-home names the folder of ballroom"):
        read_dataset("ballroom", tmp_path / "elsewhere")


def test_an_unknown_set_lists_those_there_are() -> None:
    with pytest.raises(DataError, match="salsa: no such standard set; there are ballroom, beatles, brid"):
        read_dataset("salsa")


def test_without_mirdata(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mirdata", None)
    with pytest.raises(MissingExtraError, match=r"a standard set needs the extra 'eval'"):
        read_dataset("ballroom", tmp_path)


@pytest.mark.usefixtures("mirdata")
def test_estimates_are_scored_without_audio(tmp_path: Path) -> None:
    make_set("groove_midi", tmp_path, audio=False)
    table = tmp_path / "theirs.csv"
    table.write_text("path,bpm\n1_rock_120_beat_4-4.wav,120\n2_rock_95_beat_4-4.wav,190\n")
    arguments = (
        "--dataset",
        "groove_midi",
        "--data-home",
        tmp_path,
        "--estimates",
        table,
        "--by",
        "beat_type",
    )
    report = scores(*arguments)
    assert report["reference"] is None
    assert report["dataset"] == {
        "name": "groove_midi",
        "version": "1.0.0",
        "annotation": "info.csv",
        "data_home": str(tmp_path),
        "n_tracks": 2,
        "n_without_annotation": 0,
        "n_without_tempo": 0,
        "n_without_audio": 0,
    }
    assert report["accuracy1"]["value"] == 50.0
    assert report["by"]["groups"]["fill"]["accuracy2"]["value"] == 100.0
    shown = evaluate(*arguments).stdout
    assert "standard set" in shown
    assert "groove_midi" in shown
    assert "2 of 2" in shown


@pytest.mark.slow
@pytest.mark.usefixtures("mirdata")
def test_the_files_of_a_set_are_estimated(tmp_path: Path) -> None:
    tracks = make_set("ballroom", tmp_path)
    audio = tmp_path / tracks["Albums-1"]["audio"]
    soundfile.write(audio, make_clicks(128.0), 22050)
    (tmp_path / tracks["Albums-2"]["audio"]).unlink()
    result = evaluate("--dataset", "ballroom", "--data-home", tmp_path, "--method", "periodicity")
    assert result.exit_code == 0, result.output
    assert result.stderr == "tempo: ballroom: 1 of 2 tracks left out: 1 without audio\n"
    assert "1 of 2" in result.stdout
    assert "Accuracy 2, 4 %" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'REFERENCE...'"),
        (("ref.csv", "--dataset", "ballroom"), "give either --dataset or REFERENCE"),
        (("ref.csv", "--data-home", "."), "--data-home has no use without --dataset"),
        (("--dataset", "ballroom", "--task", "beats"), "--dataset has no use with --task beats"),
    ],
)
def test_wrong_uses(arguments: tuple[str, ...], message: str) -> None:
    result = evaluate(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
