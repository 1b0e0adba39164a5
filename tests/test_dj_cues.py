"""Cue points of sections in the collections of DJ software."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from tempocli.cli import cli
from tempocli.decoding.beats.grid import fit_grid
from tempocli.decoding.segments.song import Section, SongForm
from tempocli.output.beats import BeatWriter
from tempocli.output.dj.collections import COLLECTIONS
from tempocli.output.dj.tracks import add_cues, read_tracks
from tempocli.output.form import FormWriter
from tempocli.output.formats import Layout
from tempocli.schema import Beat, BeatTrack, Estimate, FileResult

if TYPE_CHECKING:
    from pathlib import Path

ESTIMATE = Estimate(120.0, 0.9, 0.9, (), None, 32.0, "tempo", steady=True)
STARTS = {"A": 0.5, "B": 8.5, "C": 24.5}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["export", *map(str, arguments)], prog_name="tempo")


@pytest.fixture
def beats(tmp_path: Path) -> Path:
    found = tuple(Beat(0.5 + 0.5 * number, number % 4 + 1, 0.8) for number in range(60))
    track = BeatTrack(found, 4, 0.9, ESTIMATE, "beats", "1", fit_grid(found))
    with (tmp_path / "beats.jsonl").open("wb") as file:
        writer = BeatWriter(file.write, "jsonl", Layout())
        for name in ("one", "two"):
            writer.add(FileResult(f"/music/{name}.mp3", beats=track))
        writer.close()
    return tmp_path / "beats.jsonl"


@pytest.fixture(params=["jsonl", "json"])
def sections(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    edges = [*STARTS.values(), 32.0]
    found = tuple(
        Section(start, end, label, 4, 120.0, 0.9)
        for label, start, end in zip(STARTS, edges, edges[1:], strict=False)
    )
    path: Path = tmp_path / f"sections.{request.param}"
    with path.open("wb") as file:
        writer = FormWriter(file.write, request.param, Layout())
        form = SongForm(found, ESTIMATE, 4, None, 32.0, "music", "1")
        writer.add(FileResult("/music/one.mp3", form=form))
        writer.close()
    return path


def test_rekordbox_has_memory_cues_beside_the_grid(beats: Path, sections: Path, tmp_path: Path) -> None:
    out = tmp_path / "rekordbox.xml"
    done = run("--to", "rekordbox-xml", beats, "--sections", sections, "-o", out)
    assert done.exit_code == 0
    assert "1 tracks have no sections in it" in done.stderr
    one, two = ElementTree.parse(out).getroot().findall("COLLECTION/TRACK")
    assert [mark.attrib for mark in one.findall("POSITION_MARK")] == [
        {"Name": label, "Type": "0", "Start": f"{start:.3f}", "Num": "-1"} for label, start in STARTS.items()
    ]
    assert len(one.findall("TEMPO")) == len(two.findall("TEMPO")) == 1
    assert not two.findall("POSITION_MARK")


def test_pyrekordbox_reads_the_cues(beats: Path, sections: Path, tmp_path: Path) -> None:
    pyrekordbox = pytest.importorskip("pyrekordbox", reason="pyrekordbox is not installed")
    tracks, _ = add_cues(read_tracks(beats)[0], sections)
    path = tmp_path / "rekordbox.xml"
    path.write_bytes(COLLECTIONS["rekordbox-xml"](tracks, name="tempo"))
    marks = pyrekordbox.RekordboxXml(path).get_track(0).marks
    assert [(mark["Name"], mark["Start"], mark["Num"]) for mark in marks] == [
        (label, start, -1) for label, start in STARTS.items()
    ]


def test_traktor_has_cues_beside_the_grid(beats: Path, sections: Path, tmp_path: Path) -> None:
    out = tmp_path / "collection.nml"
    assert run("--to", "traktor-nml", beats, "--sections", sections, "-o", out).exit_code == 0
    one, two = ElementTree.parse(out).getroot().findall("COLLECTION/ENTRY")
    grid, *cues = one.findall("CUE_V2")
    assert (grid.get("TYPE"), grid.get("NAME")) == ("4", "AutoGrid")
    found = {str(cue.get("NAME")): float(str(cue.get("START"))) / 1000.0 for cue in cues}
    assert found == pytest.approx(STARTS)
    assert {(cue.get("TYPE"), cue.get("HOTCUE")) for cue in cues} == {("0", "-1")}
    assert len(two.findall("CUE_V2")) == 1


def test_a_result_file_of_segment_alone(sections: Path, tmp_path: Path) -> None:
    out = tmp_path / "rekordbox.xml"
    assert run("--to", "rekordbox-xml", sections, "-o", out).exit_code == 0
    (track,) = ElementTree.parse(out).getroot().findall("COLLECTION/TRACK")
    assert len(track.findall("POSITION_MARK")) == 3
    assert track.get("AverageBpm") == "120.00"


def test_what_is_refused(beats: Path, sections: Path, tmp_path: Path) -> None:
    playlist = run("--to", "m3u", beats, "--sections", sections, "-o", tmp_path / "x")
    assert playlist.exit_code == 2
    assert "--sections goes with --to rekordbox-xml and traktor-nml" in playlist.stderr
    without = run("--to", "rekordbox-xml", beats, "--sections", beats, "-o", tmp_path / "x")
    assert without.exit_code == 1
    assert "has no sections; write it with 'tempo segment" in without.stderr
    over = run("--to", "rekordbox-xml", beats, "--sections", sections, "-o", sections)
    assert over.exit_code == 2
    assert "would be overwritten" in over.stderr
    assert not (tmp_path / "x").exists()
