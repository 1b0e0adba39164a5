"""Results in Python: dictionaries, JAMS, data frames, and what a notebook shows."""

from __future__ import annotations

import json
import struct
import sys
import zlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fake_estimator import make_estimate

import tempocli
from tempocli.analyser import Analysis
from tempocli.errors import TempoError
from tempocli.output import formats as writers
from tempocli.output import frames
from tempocli.output.notebook import tempogram_png
from tempocli.schema import FileResult, Part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tempocli.schema import Estimate

BPMS = np.geomspace(30.0, 300.0, 5)


def analysis(estimate: Estimate, n_windows: int = 3, **more: Any) -> Analysis:
    tempogram = np.full((n_windows, 5), 0.2, np.float32)
    return Analysis(estimate, tempogram, np.arange(n_windows) * 6.0, BPMS, np.zeros(4, np.float32), **more)


def written(name: str, result: FileResult, **options: Any) -> Any:
    return json.loads("".join(writers.write(name, [result], writers.Layout(**options))))


def pixels(png: bytes) -> NDArray[np.uint8]:
    """Read a grey PNG whose rows are not filtered; checks every checksum."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    chunks = dict(_chunks(png[8:]))
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, colour) == (8, 0)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:]


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    while data:
        (length,) = struct.unpack(">I", data[:4])
        body = data[4 : 8 + length]
        assert struct.unpack(">I", data[8 + length : 12 + length]) == (zlib.crc32(body),)
        yield body[:4], body[4:]
        data = data[12 + length :]


@pytest.mark.parametrize("bpm", [120.25, None])
def test_a_dictionary_has_what_json_has(bpm: float | None) -> None:
    estimate = make_estimate(bpm, steady=False)
    values = json.loads(json.dumps(estimate.to_dict()))
    record = written("json", FileResult("one.wav", estimate), curve=True, precision=9)["results"][0]
    assert {"by_method", *record} == {"path", "error", *values}
    assert values["bpm"] == record["bpm"]
    assert values["confidence"] == estimate.confidence
    assert len(values["candidates"]) == len(record["candidates"])
    assert [each["bpm"] for each in values["tempo_sections"]] == [
        each["bpm"] for each in record["tempo_sections"]
    ]


def test_an_analysis_as_a_dictionary() -> None:
    found = analysis(make_estimate(120.0), tempograms={"classify": np.ones((3, 5), np.float32)})
    values = json.loads(json.dumps(found.to_dict()))
    assert values["bpm"] == 120.0
    assert np.shape(values["tempogram"]) == np.shape(values["tempograms"]["classify"]) == (3, 5)
    assert values["times"] == [0.0, 6.0, 12.0]


def test_jams_is_that_of_the_command() -> None:
    estimate = make_estimate(120.0)
    assert analysis(estimate).to_jams("one.wav") == written("jams", FileResult("one.wav", estimate))
    part = FileResult("one.wav", estimate, part=Part(30.0, estimate.duration))
    assert analysis(estimate, start=30.0).to_jams("one.wav") == written("jams", part)
    assert tempocli.estimate_to_jams(estimate, "one.wav") == analysis(estimate).to_jams("one.wav")
    assert tempocli.estimate_to_jams(estimate, "one.wav", start=30.0) == written("jams", part)


def test_a_representation_fits_a_line() -> None:
    assert repr(make_estimate(120.0)) == (
        "Estimate(bpm=120.00, confidence=0.88, octave_confidence=0.65, steady=True, "
        "candidates=[120.0, 60.0], duration=180.1, model='fake')"
    )
    assert repr(make_estimate(None)) == ("Estimate(bpm=None, reason='silence', duration=12.5, model='fake')")
    assert repr(analysis(make_estimate(None))).endswith("model='fake'), 3 windows, 5 tempi)")


def test_html_is_escaped() -> None:
    html = make_estimate(None, reason="<b>&")._repr_html_()
    assert "<td>'&lt;b&gt;&amp;'</td>" in html
    assert "<b>" not in html


def test_a_notebook_shows_the_tempogram() -> None:
    html = analysis(make_estimate(120.0))._repr_html_()
    assert "<td>120.00</td>" in html
    assert 'src="data:image/png;base64,iVBOR' in html
    assert "0 to 12 s, 30 (bottom) to 300 BPM (top)" in html
    assert "<img" not in analysis(make_estimate(None), 0)._repr_html_()


def test_dark_is_probable_and_fast_is_on_top() -> None:
    tempogram = np.array([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]], np.float32)
    np.testing.assert_array_equal(
        pixels(tempogram_png(tempogram)), [[128, 0, 255], [128, 255, 255], [0, 255, 255]]
    )


def test_the_picture_of_a_long_recording_stays_small() -> None:
    tempogram = np.zeros((5000, 4), np.float32)
    tempogram[:2500, 0] = tempogram[2500:, 3] = 1.0
    picture = pixels(tempogram_png(tempogram))
    assert picture.shape == (4, 1200)
    assert (picture[3, :600] == 0).all()
    assert (picture[0, 600:] == 0).all()


def test_columns_of_a_batch() -> None:
    results = [
        FileResult("one.wav", make_estimate(120.0), part=Part(30.0)),
        FileResult("two.wav", error="no audio"),
    ]
    columns = frames.estimate_columns(results)
    assert columns["path"] == ["one.wav", "two.wav"]
    assert columns["start"] == [30.0, 0.0]
    assert columns["bpm"] == [120.0, None]
    assert columns["error"] == [None, "no audio"]
    assert {len(column) for column in columns.values()} == {2}


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_the_library_that_is_there_is_used(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    monkeypatch.setattr(frames, "find_spec", lambda name: name if name == library else None)
    monkeypatch.setitem(sys.modules, library, SimpleNamespace(DataFrame=lambda columns: (library, columns)))
    name, columns = frames.estimates_to_dataframe([FileResult("one.wav", make_estimate(120.0))])
    assert (name, columns["bpm"]) == (library, [120.0])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_real_data_frame(library: str) -> None:
    pytest.importorskip(library)
    results = [FileResult("one.wav", make_estimate(120.0)), FileResult("two.wav", error="no audio")]
    frame = frames.estimates_to_dataframe(results, library=library)
    assert frame.shape == (2, 12)
    assert next(iter(frame["bpm"])) == 120.0


def test_without_a_library_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "find_spec", lambda name: None)
    with pytest.raises(TempoError, match="needs pandas or polars"):
        frames.estimates_to_dataframe([])
    with pytest.raises(ValueError, match="dask"):
        frames.estimates_to_dataframe([], library="dask")
