"""Exports for DJ software, read by other programs' readers or by the formats' descriptions."""

from __future__ import annotations

import json
import os
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from tempocli.audio import tags
from tempocli.cli import cli
from tempocli.decoding.beats.grid import fit_grid
from tempocli.errors import DataError, OutputError
from tempocli.output.beats import BeatWriter
from tempocli.output.dj.collections import COLLECTIONS
from tempocli.output.dj.mixxx import beats_blob, update_library
from tempocli.output.dj.serato import grid_bytes
from tempocli.output.dj.tracks import DjTrack, read_tracks
from tempocli.output.formats import Layout
from tempocli.schema import Beat, BeatTrack, Estimate, FileResult

# The parts of Mixxx's library that matter, as its schema of version 27 and later has them.
MIXXX = """
CREATE TABLE track_locations (id INTEGER PRIMARY KEY AUTOINCREMENT, location varchar(512) UNIQUE,
    filename varchar(512), directory varchar(512), filesize INTEGER, fs_deleted INTEGER,
    needs_verification INTEGER);
CREATE TABLE library (id INTEGER PRIMARY KEY AUTOINCREMENT, artist varchar(64), title varchar(64),
    location INTEGER REFERENCES track_locations(location), duration FLOAT, samplerate INTEGER, bpm FLOAT,
    beats BLOB, beats_version TEXT, bpm_lock INTEGER DEFAULT 0, beats_sub_version TEXT);
"""


def track(path: str = "/music/a song.mp3", *, bpm: float = 128.0, offset: float = 0.2, metre: int = 4) -> Any:
    beats = tuple(
        Beat(round(offset + 60.0 / bpm * index, 4), (index + 2) % metre + 1, 0.8) for index in range(64)
    )
    estimate = Estimate(bpm, 0.9, 0.9, (), None, 31.5, "tempo", steady=True)
    return FileResult(path, beats=BeatTrack(beats, metre, 0.9, estimate, "beats", "1", fit_grid(beats)))


def two_tempi(path: str = "/music/live.flac") -> FileResult:
    times = np.concatenate([0.5 * np.arange(32), 15.5 + 0.6 * np.arange(1, 33)])
    beats = tuple(Beat(round(float(time), 4), index % 4 + 1, 0.8) for index, time in enumerate(times))
    estimate = Estimate(120.0, 0.5, 0.9, (), None, 36.0, "tempo", steady=False)
    return FileResult(path, beats=BeatTrack(beats, 4, 0.9, estimate, "beats", "1", fit_grid(beats)))


def results(tmp_path: Path, *found: FileResult) -> Path:
    path = tmp_path / "beats.jsonl"
    with path.open("wb") as file:
        writer = BeatWriter(file.write, "jsonl", Layout())
        for each in found:
            writer.add(each)
        writer.close()
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["export", *map(str, arguments)], prog_name="tempo")


def loaded(tmp_path: Path, *found: FileResult) -> list[DjTrack]:
    return read_tracks(results(tmp_path, *found))[0]


def test_result_files_are_read(tmp_path: Path) -> None:
    silent = Estimate(None, 0.0, 0.0, (), "silence", 3.0, "tempo")
    nothing = FileResult("/x.wav", beats=BeatTrack((), None, 0.0, silent, "beats", "1"))
    path = results(tmp_path, track(), FileResult("/bad.wav", error="no audio"), nothing)
    tracks, n_without = read_tracks(path)
    assert n_without == 2
    (found,) = tracks
    assert (found.path, found.bpm, found.metre, len(found.beats)) == ("/music/a song.mp3", 128.0, 4, 64)
    assert found.grid[0].bpm == 128.0


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl"])
def test_tempi_without_beats_are_read(tmp_path: Path, suffix: str) -> None:
    from tempocli.output import formats

    estimate = Estimate(99.5, 0.9, 0.9, (), None, 31.5, "tempo", bpm_error=0.1, steady=True)
    pieces = formats.write(suffix, [FileResult("song.mp3", estimate=estimate)], Layout())
    path = tmp_path / f"tempi.{suffix}"
    path.write_text("".join(pieces))
    (found,) = read_tracks(path)[0]
    assert (found.bpm, found.beats, found.grid) == (99.5, (), ())
    assert found.path == os.path.abspath("song.mp3")


@pytest.mark.parametrize(
    "text", ["", "nothing", "{}", '{"path": 3, "bpm": 1}', "[1]", '{"path": "x", "bpm": "nan"}', "null"]
)
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    if not text:
        assert read_tracks(path) == ([], 0)
        return
    with pytest.raises(DataError, match="not a result file"):
        read_tracks(path)


def test_rekordbox(tmp_path: Path) -> None:
    found = loaded(tmp_path, track(), two_tempi(), track("/müsik/ö&<>.wav", metre=3))
    root = ElementTree.fromstring(COLLECTIONS["rekordbox-xml"](found, name="List & more"))
    assert (root.tag, root.get("Version")) == ("DJ_PLAYLISTS", "1.0.0")
    collection = root.find("COLLECTION")
    assert collection is not None
    assert collection.get("Entries") == "3"
    first, live, other = collection
    assert first.get("Location") == "file://localhost/music/a%20song.mp3"
    assert first.get("AverageBpm") == "128.00"
    (tempo,) = first
    # The first beat is the third of its bar.
    assert tempo.attrib == {"Inizio": "0.200", "Bpm": "128.00", "Metro": "4/4", "Battito": "3"}
    assert [(each.get("Bpm"), each.get("Battito")) for each in live] == [("120.00", "1"), ("100.00", "1")]
    location = str(other.get("Location")).removeprefix("file://localhost/")
    assert unquote_to_bytes(location).decode() == "müsik/ö&<>.wav"
    assert other[0].get("Metro") == "3/4"
    node = root.find("PLAYLISTS/NODE/NODE")
    assert node is not None
    assert (node.get("Name"), node.get("Entries")) == ("List & more", "3")
    assert [each.get("Key") for each in node] == ["1", "2", "3"]


def test_pyrekordbox_reads_it(tmp_path: Path) -> None:
    pyrekordbox = pytest.importorskip("pyrekordbox", reason="pyrekordbox is not installed")
    path = tmp_path / "rekordbox.xml"
    path.write_bytes(COLLECTIONS["rekordbox-xml"](loaded(tmp_path, track(), two_tempi()), name="tempo"))
    xml = pyrekordbox.RekordboxXml(path)
    assert xml.num_tracks == 2
    assert [each["Bpm"] for each in xml.get_track(1).tempos] == [120.0, 100.0]


def test_traktor(tmp_path: Path) -> None:
    found = loaded(tmp_path, track(), two_tempi("/mu:sic/live.flac"))
    root = ElementTree.fromstring(COLLECTIONS["traktor-nml"](found, name="tempo"))
    first, live = root.findall("COLLECTION/ENTRY")
    location = first.find("LOCATION")
    assert location is not None
    assert location.attrib == {"DIR": "/:music/:", "FILE": "a song.mp3", "VOLUME": "", "VOLUMEID": ""}
    cue = first.find("CUE_V2")
    assert cue is not None
    # The first downbeat is the third beat.
    assert float(str(cue.get("START"))) == pytest.approx(200.0 + 2 * 60_000 / 128.0, abs=0.1)
    assert cue.get("TYPE") == "4"
    grid = cue.find("GRID")
    assert grid is not None
    assert float(str(grid.get("BPM"))) == 128.0
    assert len(live.findall("CUE_V2")) == 2
    second = live.find("LOCATION")
    assert second is not None
    assert second.get("DIR") == "/:mu::sic/:"
    keys = [each.get("KEY") for each in root.iter("PRIMARYKEY")]
    assert keys == ["/:music/:a song.mp3", "/:mu::sic/:live.flac"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves its file open
def test_traktor_utilities_read_it(tmp_path: Path) -> None:
    utilities = pytest.importorskip("traktor_nml_utils", reason="traktor-nml-utils is not installed")
    path = tmp_path / "collection.nml"
    path.write_bytes(COLLECTIONS["traktor-nml"](loaded(tmp_path, track()), name="tempo"))
    (entry,) = utilities.TraktorCollection(path).nml.collection.entry
    assert entry.tempo.bpm == 128.0
    assert entry.cue_v2[0].grid.bpm == 128.0


def test_paths_of_windows(tmp_path: Path) -> None:
    found = [DjTrack("C:\\Music\\a b.mp3", 120.0, 60.0)]
    assert b"file://localhost/C:/Music/a%20b.mp3" in COLLECTIONS["rekordbox-xml"](found, name="x")
    nml = COLLECTIONS["traktor-nml"](found, name="x")
    assert b'DIR="/:Music/:" FILE="a b.mp3" VOLUME="C:"' in nml


def test_names_that_xml_cannot_hold(tmp_path: Path) -> None:
    odd = [DjTrack(os.fsdecode(b"/m/\x01\xff.mp3"), 120.0, 60.0)]
    root = ElementTree.fromstring(COLLECTIONS["rekordbox-xml"](odd, name="x"))
    location = str(root.find("COLLECTION/TRACK").get("Location"))  # type: ignore[union-attr]
    assert unquote_to_bytes(location.removeprefix("file://localhost/")) == b"m/\x01\xff.mp3"
    with pytest.raises(OutputError, match="XML cannot hold"):
        COLLECTIONS["traktor-nml"](odd, name="x")
    with pytest.raises(OutputError, match="line break"):
        COLLECTIONS["m3u"]([DjTrack("/a\nb.mp3", 120.0, 60.0)], name="x")


def test_a_playlist(tmp_path: Path) -> None:
    lines = COLLECTIONS["m3u"](loaded(tmp_path, track()), name="tempo").decode().splitlines()
    assert lines == ["#EXTM3U", "#PLAYLIST:tempo", "#EXTINF:32,a song", "#BPM:128.00", "/music/a song.mp3"]


def test_serato_bytes(tmp_path: Path) -> None:
    one, live = loaded(tmp_path, track(), two_tempi())
    version, zero, count, time, bpm = struct.unpack(">BBIff", grid_bytes(one)[:-1])
    assert (version, zero, count, bpm) == (1, 0, 1, 128.0)
    assert time == pytest.approx(0.2 + 2 * 60.0 / 128.0, abs=1e-4)
    data = grid_bytes(live)
    assert struct.unpack(">I", data[2:6]) == (2,)
    start, n_beats, second, bpm = struct.unpack(">fIff", data[6:-1])
    assert (start, n_beats, bpm) == (0.0, 32, pytest.approx(100.0))
    assert second == pytest.approx(16.1, abs=0.01)
    assert data[-1] == 0


def test_serato_tools_read_it(tmp_path: Path) -> None:
    module = pytest.importorskip("serato_tools.track_beatgrid", reason="serato-tools is not installed")
    music = tmp_path / "song.mp3"
    soundfile.write(music, np.zeros(22050), 22050)
    path = results(tmp_path, two_tempi(str(music)))
    assert run("--to", "serato-tags", path, "-o", tmp_path / "before.json").exit_code == 0
    first, last, _ = module.TrackBeatgrid(str(music)).entries
    assert (first.position, first.beats_till_next_marker) == (0.0, 32)
    assert last.bpm == pytest.approx(100.0)


@pytest.mark.parametrize("suffix", ["mp3", "flac", "wav", "aiff"])
def test_serato_tags_and_back(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("mutagen", reason="needs the extra 'tags'")
    music = tmp_path / f"song.{suffix}"
    soundfile.write(music, np.zeros(22050), 22050)
    backup = tmp_path / "before.json"
    path = results(tmp_path, track(str(music)))
    assert run("--to", "serato-tags", path, "-o", backup).exit_code == 0
    expected = grid_bytes(read_tracks(path)[0][0])
    assert tags.read_serato(str(music)) == expected
    assert soundfile.info(music).frames == 22050
    assert json.loads(backup.read_text())["grids"] == {str(music): None}
    # A second export keeps what the first one wrote in its own backup.
    assert run("--to", "serato-tags", path, "-o", backup).exit_code == 1
    assert run("--to", "serato-tags", path, "-o", tmp_path / "second.json").exit_code == 0
    assert json.loads((tmp_path / "second.json").read_text())["grids"][str(music)]
    assert run("--restore", backup).exit_code == 0
    assert tags.read_serato(str(music)) is None
    assert soundfile.read(music)[0].tolist() == [0.0] * 22050


def test_serato_tags_of_mp4(tmp_path: Path) -> None:
    pytest.importorskip("mutagen", reason="needs the extra 'tags'")
    av = pytest.importorskip("av", reason="needs the extra 'av'")
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    tags.write_serato(str(path), b"\x01\x00grid")
    assert tags.read_serato(str(path)) == b"\x01\x00grid"
    tags.write_serato(str(path), None)
    assert tags.read_serato(str(path)) is None


def test_a_file_that_fails_leaves_the_others(tmp_path: Path) -> None:
    pytest.importorskip("mutagen", reason="needs the extra 'tags'")
    music = tmp_path / "song.flac"
    soundfile.write(music, np.zeros(22050), 22050)
    path = results(tmp_path, track(str(tmp_path / "gone.mp3")), track(str(music)))
    result = run("--to", "serato-tags", path, "-o", tmp_path / "before.json")
    assert result.exit_code == 3
    assert "gone.mp3" in result.stderr
    assert tags.read_serato(str(music))


@pytest.mark.parametrize("text", ["", "{}", '{"format": "x", "grids": {}}', "[]", "null"])
def test_other_backups_are_refused(tmp_path: Path, text: str) -> None:
    pytest.importorskip("mutagen", reason="needs the extra 'tags'")
    path = tmp_path / "x.json"
    path.write_text(text)
    result = run("--restore", path)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "not a backup" in result.stderr


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "mixxxdb.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(MIXXX)
        rows = [("/music/a song.mp3", 0), ("/music/live.flac", 0), ("/music/locked.mp3", 1)]
        for number, (location, locked) in enumerate(rows, 1):
            database.execute("INSERT INTO track_locations (id, location) VALUES (?, ?)", (number, location))
            database.execute(
                "INSERT INTO library (location, samplerate, bpm, bpm_lock) VALUES (?, 44100, 1.0, ?)",
                (number, locked),
            )
        database.commit()
    return path


def rows_of(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT bpm, beats, beats_version FROM library ORDER BY id").fetchall()


def test_mixxx(tmp_path: Path, library: Path) -> None:
    path = results(tmp_path, track(), two_tempi(), track("/music/locked.mp3"), track("/music/other.mp3"))
    result = run("--to", "mixxx", path, "-o", library)
    assert result.exit_code == 0, result.output
    assert "2 tracks updated, 1 locked, 1 not in the library; as it was before: " in result.stderr
    backup = Path(result.stderr.strip().rpartition(": ")[2])
    assert [row[0] for row in rows_of(backup)] == [1.0, 1.0, 1.0]
    first, live, locked = rows_of(library)
    assert (first[0], first[2]) == (128.0, "BeatGrid-2.0")
    assert (live[0], live[2]) == (120.0, "BeatMap-1.0")
    assert locked == (1.0, None, None)


def test_mixxx_blobs_are_protocol_buffers(tmp_path: Path) -> None:
    pytest.importorskip("google.protobuf", reason="needs protobuf")
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="beats.proto", package="beats", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in {
        "Beat": [("frame_position", 1, kinds.TYPE_INT32, "")],
        "Bpm": [("bpm", 1, kinds.TYPE_DOUBLE, "")],
        "BeatMap": [("beat", 1, kinds.TYPE_MESSAGE, ".beats.Beat")],
        "BeatGrid": [
            ("bpm", 1, kinds.TYPE_MESSAGE, ".beats.Bpm"),
            ("first_beat", 2, kinds.TYPE_MESSAGE, ".beats.Beat"),
        ],
    }.items():
        message = file.message_type.add(name=name)
        for field, number, kind, type_name in fields:
            label = kinds.LABEL_REPEATED if name == "BeatMap" else kinds.LABEL_OPTIONAL
            message.field.add(name=field, number=number, type=kind, label=label, type_name=type_name or None)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    grid_type, map_type = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"beats.{name}"))
        for name in ("BeatGrid", "BeatMap")
    )
    one, live = loaded(tmp_path, track(), two_tempi())
    blob, _ = beats_blob(one, 44100)
    grid = grid_type.FromString(blob)
    assert grid.bpm.bpm == 128.0
    assert grid.first_beat.frame_position == round(0.2 * 44100)
    assert grid.SerializeToString() == blob
    blob, _ = beats_blob(live, 48000)
    beats = map_type.FromString(blob).beat
    assert [each.frame_position for each in beats] == [round(beat.time * 48000) for beat in live.beats]


def test_a_library_in_use_is_left_alone(tmp_path: Path, library: Path) -> None:
    with closing(sqlite3.connect(library, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OutputError, match="is Mixxx running"):
            update_library(library, loaded(tmp_path, track()))
        other.execute("ROLLBACK")
    assert rows_of(library)[0][0] == 1.0


def test_another_database_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE library (id INTEGER)")
    (tmp_path / "text.sqlite").write_text("nothing at all, and more of it")
    for path, reason in (
        (other, "not a library of Mixxx"),
        (tmp_path / "text.sqlite", "not a database"),
        (tmp_path / "none.sqlite", "no such file"),
    ):
        with pytest.raises(OutputError, match=reason):
            update_library(path, loaded(tmp_path, track()))
    assert not [name for name in os.listdir(tmp_path) if "before-tempo" in name]


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ([], 2, "Give --to FORMAT and a result file"),
        (["--to", "m3u", "RESULTS"], 2, "--to m3u needs --output"),
        (["--to", "m3u", "RESULTS", "-o", "RESULTS"], 2, "it would be overwritten"),
        (["--to", "m3u", "--restore", "RESULTS"], 2, "--restore takes no other file"),
        (["--to", "cdj", "RESULTS"], 2, "is not one of"),
        (["--to", "m3u", "none.jsonl", "-o", "x"], 2, "does not exist"),
    ],
)
def test_what_is_refused(tmp_path: Path, arguments: list[str], code: int, reason: str) -> None:
    path = results(tmp_path, track())
    result = run(*[str(path) if each == "RESULTS" else each for each in arguments])
    assert result.exit_code == code
    assert reason in result.stderr


def test_nothing_to_export(tmp_path: Path) -> None:
    path = results(tmp_path, FileResult("/bad.wav", error="no audio"))
    result = run("--to", "m3u", path, "-o", tmp_path / "x.m3u8")
    assert result.exit_code == 1
    assert "has no tracks to export" in result.stderr
    assert not (tmp_path / "x.m3u8").exists()
