"""The formats of beats: what they say, and that other programs' readers understand them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempocli.decoding.beats.grid import fit_grid
from tempocli.errors import OutputError
from tempocli.output.beats import FORMATS, BeatWriter
from tempocli.output.beats.midi import tempo_map
from tempocli.output.formats import Layout
from tempocli.schema import Beat, BeatTrack, Estimate, FileResult, Part

SCHEMA = Path(__file__).resolve().parents[1] / "docs" / "beats.schema.json"


def track(times: Any = None, *, metre: int = 4, first: int = 1) -> BeatTrack:
    times = np.round(0.3 + 0.5 * np.arange(13), 4) if times is None else times
    beats = tuple(
        Beat(float(time), (index - first) % metre + 1, 0.75, 0.5) for index, time in enumerate(times)
    )
    estimate = Estimate(120.0, 0.9, 0.8, (), None, 7.0, "tempo", model_version="2", steady=True)
    return BeatTrack(beats, metre, 0.95, estimate, "beats", "1", fit_grid(beats))


def nothing() -> BeatTrack:
    estimate = Estimate(None, 0.0, 0.0, (), "silence", 7.0, "tempo", model_version="2")
    return BeatTrack((), None, 0.0, estimate, "beats", "1")


def written(name: str, *results: FileResult, grid: bool = False, named: bool = False) -> bytes:
    out = io.BytesIO()
    writer = BeatWriter(out.write, name, Layout(named=named), grid=grid)
    for result in results:
        writer.add(result)
    writer.close()
    return out.getvalue()


RESULT = FileResult("a b.wav", beats=track())
PART = FileResult("mix.wav", beats=track(100.3 + 0.5 * np.arange(12)), part=Part(100.0, 7.0, "Title"))
FAILED = FileResult("bad.wav", error="no audio")


def test_text() -> None:
    lines = written("text", RESULT).decode().splitlines()
    assert lines[:3] == ["0.3000\t4", "0.8000\t1", "1.3000\t2"]
    assert written("text", RESULT, named=True).decode().startswith("a b.wav\t0.3000\t4\n")
    assert written("beats", RESULT) == written("text", RESULT)


def test_text_of_the_grid() -> None:
    (line,) = written("text", RESULT, grid=True).decode().splitlines()
    assert line.split("\t") == ["0.3000", "6.3000", "0.8000", "120.00", "13", "0.0"]


def test_audacity_labels() -> None:
    first = written("audacity", RESULT).decode().splitlines()[0]
    assert first == "0.3000\t0.3000\t4"


def test_csv() -> None:
    text = written("csv", RESULT, FAILED, PART).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 25
    assert rows[0] == {
        "path": "a b.wav",
        "part_start": "",
        "part_duration": "",
        "time": "0.3000",
        "position": "4",
        "confidence": "0.7500",
        "downbeat_confidence": "0.5000",
    }
    assert rows[-1]["part_start"] == "100.0"
    assert text.count("path,") == 1
    (row,) = csv.DictReader(io.StringIO(written("csv", RESULT, grid=True).decode()))
    assert (row["bpm"], row["anchor"], row["beats"]) == ("120.00", "0.8000", "13")


@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_json_is_as_the_schema_says(name: str) -> None:
    if not SCHEMA.is_file():
        pytest.skip("needs docs/beats.schema.json, which is not here")
    schema = json.loads(SCHEMA.read_text())
    text = written(name, RESULT, FAILED, PART, FileResult("quiet.wav", beats=nothing())).decode()
    documents = [json.loads(text)] if name == "json" else [json.loads(line) for line in text.splitlines()]
    for document in documents:
        jsonschema.validate(document, schema)
    records = documents[0]["results"] if name == "json" else documents
    assert records[0]["beats"][:2] == [0.3, 0.8]
    assert records[0]["first_downbeat"] == 0.8
    assert records[0]["grid"] == [
        {"start": 0.3, "end": 6.3, "anchor": 0.8, "bpm": 120.0, "n_beats": 13, "residual_ms": 0.0}
    ]
    assert records[1]["error"] == "no audio"
    assert records[2]["part_title"] == "Title"
    assert (records[3]["reason"], records[3]["beats"], records[3]["metre"]) == ("silence", [], None)


def test_jams() -> None:
    document = json.loads(written("jams", RESULT))
    (annotation,) = document["annotations"]
    assert annotation["namespace"] == "beat"
    assert annotation["data"][1] == {"time": 0.8, "duration": 0.0, "value": 1, "confidence": 0.75}
    assert annotation["sandbox"]["metre"] == 4


@pytest.mark.parametrize("name", FORMATS)
def test_what_failed_has_no_beats(name: str) -> None:
    data = written(name, FAILED)
    if name == "json":
        assert json.loads(data)["results"][0]["error"] == "no audio"
    elif name == "jsonl":
        assert json.loads(data)["error"] == "no audio"
    else:
        assert data == b""


def times_in(data: bytes) -> tuple[list[float], list[tuple[float, int]]]:
    """Return the times of the quarter notes of a MIDI file, and its time signatures; by reading its bytes."""
    assert data[:4] == b"MThd"
    assert int.from_bytes(data[8:10], "big") == 0
    division, track, place = int.from_bytes(data[12:14], "big"), data[22:], 0
    assert len(track) == int.from_bytes(data[18:22], "big")
    tick, changes, metres = 0, [], []
    while True:
        delta = 0
        while True:
            byte = track[place]
            place += 1
            delta = delta << 7 | byte & 0x7F
            if byte < 0x80:
                break
        tick += delta
        kind, length = track[place + 1], track[place + 2]
        value = track[place + 3 : place + 3 + length]
        place += 3 + length
        if kind == 0x51:
            changes.append((tick, int.from_bytes(value, "big")))
        elif kind == 0x58:
            assert value[1] == 2
            metres.append((tick / division, value[0]))
        elif kind == 0x2F:
            break
    assert place == len(track)
    seconds, times = 0.0, []
    for number in range(tick // division + 1):
        times.append(seconds)
        tempo = [each for at, each in changes if at <= number * division][-1]
        seconds += tempo / 1e6
    return times, metres


@pytest.mark.parametrize("grid", [False, True])
def test_a_tempo_map_has_the_beats(grid: bool) -> None:
    times, metres = times_in(written("midi", RESULT, grid=grid))
    beats = [beat.time for beat in track().beats]
    lead = times.index(min(times, key=lambda time: abs(time - beats[0])))
    np.testing.assert_allclose(times[lead : lead + len(beats)], beats, atol=1e-4)
    # One beat of lead and the one before the first downbeat are a bar of two.
    assert metres == [(0.0, 2), (2.0, 4)]


@given(
    st.lists(st.floats(0.2, 1.4), min_size=2, max_size=60),
    st.floats(0.0, 4.0),
    st.integers(2, 7),
    st.integers(0, 6),
)
@settings(max_examples=60)
def test_any_beats_have_a_map(steps: list[float], start: float, metre: int, first: int) -> None:
    beats = np.round(start + np.concatenate([[0.0], np.cumsum(steps)]), 4)
    if beats[0] < 0.06:
        beats[0] = 0.0
    times, _ = times_in(written("midi", FileResult("x", beats=track(beats, metre=metre, first=first))))
    lead = int(np.abs(np.array(times) - beats[0]).argmin())
    np.testing.assert_allclose(times[lead : lead + len(beats)], beats, atol=1e-3)


def test_a_map_needs_beats() -> None:
    with pytest.raises(OutputError, match="needs two beats"):
        written("midi", FileResult("x", beats=nothing()))


def test_a_bar_that_is_cut_short_has_its_time_signature() -> None:
    events = tempo_map([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0], [1, 2, 3, 4, 1, 2, 1, 2, 3])
    signatures = [(tick // 960, event[3]) for tick, event in events if event[1] == 0x58]
    assert signatures == [(0, 4), (4, 2)]


def test_mido_reads_it() -> None:
    mido = pytest.importorskip("mido", reason="needs mido, of the extra 'train'")
    midi = mido.MidiFile(file=io.BytesIO(written("midi", RESULT)))
    kinds = {message.type for message in midi.tracks[0]}
    assert {"set_tempo", "time_signature", "end_of_track"} <= kinds
