"""Parts of files: cut to the sample, estimated as files of their own, and known again by `--resume`."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from clicks import make_clicks
from commands import estimated, on_a_terminal, tempo
from fake_estimator import make_estimate
from hypothesis import given
from hypothesis import strategies as st

import tempocli
from tempocli.audio import load_audio
from tempocli.audio.parts import cut, moved, stream_part
from tempocli.batch import estimate_files, find_inputs
from tempocli.cli.inputs import Inputs
from tempocli.cli.terminal.progress import Total
from tempocli.estimator import Estimator
from tempocli.output.formats import Layout, write
from tempocli.schema import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 22050
TEMPI = (97.3, 123.4, 151.7)
LENGTHS = (20.0, 15.0, 25.0)

seconds = st.floats(0.0, 3.0).map(lambda value: round(value, 6))


@pytest.fixture(scope="module")
def estimator(model_path: Path) -> Estimator:
    return Estimator(device="cpu", method="classify")


@pytest.fixture(scope="module")
def mix() -> NDArray[np.float32]:
    """Three tempi one after the other, with a little noise."""
    tracks = [make_clicks(bpm, length, 44100) for bpm, length in zip(TEMPI, LENGTHS, strict=True)]
    samples = np.concatenate(tracks)
    noise = np.random.default_rng(0).standard_normal(len(samples), np.float32)
    return samples + np.float32(0.003) * noise


def write_image(path: Path, samples: NDArray[np.float32]) -> Path:
    # Whole numbers: of floats, libsndfile makes other ones for FLAC than for WAV.
    soundfile.write(path, np.round(samples * 32000.0).astype(np.int16), 44100, subtype="PCM_16")
    return path


class TestPart:
    def test_the_whole_file_is_no_part(self) -> None:
        assert Part.of(0.0, None) is None
        assert Part.of(0.0, 1.0) == Part(0.0, 1.0)
        assert Part.of(1.0, None) == Part(1.0)

    @given(st.floats(0.0, 1e7), st.none() | st.floats(1e-5, 1e7))
    def test_its_numbers_come_back_from_text(self, start: float, duration: float | None) -> None:
        part = Part(start, duration)
        again = Part(float(repr(part.start)), None if part.duration is None else float(repr(part.duration)))
        assert again == part
        assert part.start == pytest.approx(start, abs=1e-6)

    def test_a_part_of_a_part(self) -> None:
        track = Part(10.0, 20.0, "One")
        assert track.narrowed(Part(5.0, 3.0)) == Part(15.0, 3.0, "One")
        assert track.narrowed(Part(5.0)) == Part(15.0, 15.0, "One")
        assert track.narrowed(Part(5.0, 100.0)) == Part(15.0, 15.0, "One")
        assert Part(10.0).narrowed(Part(5.0, 100.0)) == Part(15.0, 100.0)
        with pytest.raises(ValueError, match="begin at 20 s, but lasts 20 s"):
            track.narrowed(Part(20.0))


def nearest(seconds: float, rate: int) -> int:
    """The nearest sample, the later of two; times count to the microsecond."""
    return math.floor(Fraction(round(seconds * 1e6), 10**6) * rate + Fraction(1, 2))


class TestCut:
    @pytest.mark.slow
    @given(
        st.lists(st.integers(0, 900), max_size=12),
        seconds,
        st.none() | seconds.filter(lambda value: value > 0.01),
        st.sampled_from([1000, 44100 // 64]),
    )
    def test_it_is_that_of_a_slice(
        self, sizes: list[int], start: float, duration: float | None, rate: int
    ) -> None:
        samples = np.arange(sum(sizes), dtype=np.float32)
        blocks = np.split(samples, np.cumsum(sizes)[:-1]) if sizes else []
        part = Part(start, duration)
        end = None if part.end is None else nearest(part.end, rate)
        wanted = samples[nearest(start, rate) : end]
        if not len(wanted):
            with pytest.raises(tempocli.AudioError, match="audio ends at"):
                list(cut(blocks, part, sample_rate=rate, name="a"))
            return
        got = list(cut(blocks, part, sample_rate=rate, name="a"))
        assert all(len(block) for block in got)
        np.testing.assert_array_equal(np.concatenate(got), wanted)

    @pytest.mark.slow
    @given(st.lists(seconds.filter(lambda value: value > 0.01), min_size=2, max_size=6))
    def test_parts_in_a_row_share_no_sample_and_miss_none(self, lengths: list[float]) -> None:
        rate, start, pieces = 44100, 0.0, []
        samples = np.arange(round((sum(lengths) + 1.0) * rate), dtype=np.float32)
        for length in lengths:
            part = Part(start, length)
            pieces += cut([samples], part, sample_rate=rate, name="a")
            assert part.end is not None
            start = round(part.end, 6)
        joined = np.concatenate(pieces)
        np.testing.assert_array_equal(joined, samples[: len(joined)])
        assert abs(len(joined) - start * rate) <= 0.5 + 1e-6 * rate

    def test_nothing_is_decoded_after_the_end(self) -> None:
        blocks = iter([np.ones(1000, np.float32)] * 5)
        assert sum(map(len, cut(blocks, Part(0.5, 1.5), sample_rate=1000, name="a"))) == 1500
        assert len(list(blocks)) == 3

    @pytest.mark.slow
    @pytest.mark.parametrize("suffix", [".wav", ".flac"])
    def test_a_file_that_holds_the_part_alone_has_the_same_samples(
        self, tmp_path: Path, mix: NDArray[np.float32], suffix: str
    ) -> None:
        image = write_image(tmp_path / f"image{suffix}", mix)
        alone = write_image(tmp_path / "alone.wav", mix[44100 * 20 : 44100 * 35])
        got = np.concatenate(list(stream_part(image, Part(20.0, 15.0), sample_rate=RATE)))
        np.testing.assert_array_equal(got, load_audio(alone, sample_rate=RATE))
        with image.open("rb") as stream:
            again = np.concatenate(list(stream_part(stream, Part(20.0, 15.0), sample_rate=44100)))
        assert len(again) == 15 * 44100


class TestEstimator:
    @pytest.mark.slow
    @pytest.mark.parametrize(("start", "duration"), [(0.0, 20.0), (20.0, 15.0), (35.0, None), (37.123, 9.9)])
    def test_a_part_is_estimated_as_a_file_of_its_own(
        self,
        tmp_path: Path,
        estimator: Estimator,
        mix: NDArray[np.float32],
        start: float,
        duration: float | None,
    ) -> None:
        image = write_image(tmp_path / "image.flac", mix)
        end = None if duration is None else round((start + duration) * 44100)
        alone = write_image(tmp_path / "alone.wav", mix[round(start * 44100) : end])
        part, whole = estimator.analyse(image, start=start, duration=duration), estimator.analyse(alone)
        assert part.estimate.bpm == pytest.approx(whole.estimate.bpm, rel=1e-9)
        assert part.estimate.confidence == pytest.approx(whole.estimate.confidence, rel=1e-5)
        assert part.estimate.duration == whole.estimate.duration
        times = [point.time + start for point in whole.estimate.curve]
        assert [point.time for point in part.estimate.curve] == pytest.approx(times)
        np.testing.assert_allclose(part.times, whole.times + start)
        assert part.start == start

    def test_a_loop_is_measured_by_its_length(self, tmp_path: Path, estimator: Estimator) -> None:
        """A part that sounds like a loop is one, as a file would be."""
        bar = make_clicks(120.5, 240.0 / 120.5, 44100, start=0.0)
        samples = np.concatenate([np.zeros(44100, np.float32), bar, bar, bar])
        image = write_image(tmp_path / "image.wav", samples)
        found = estimator.estimate(image, start=1.0, duration=2 * len(bar) / 44100)
        assert found.bpm == pytest.approx(120.5, rel=1e-4)
        assert found.bpm_error is not None
        assert found.bpm_error < 1e-2

    @pytest.mark.slow
    def test_times_are_those_of_the_file(self, tmp_path: Path, estimator: Estimator, mix: np.ndarray) -> None:
        image = write_image(tmp_path / "image.flac", mix)
        found = estimator.estimate(image, start=5.0, duration=50.0)
        assert found.duration == pytest.approx(50.0, abs=1e-3)
        assert found.tempo_sections[0].start == 5.0
        assert found.tempo_sections[-1].end == pytest.approx(55.0, abs=1e-3)
        assert 5.0 < found.curve[0].time < found.curve[-1].time < 55.0
        borders = [section.start for section in found.tempo_sections[1:]]
        assert borders == pytest.approx([20.0, 35.0], abs=3.0)

    def test_one_line_of_python(self, tmp_path: Path, model_path: Path, mix: np.ndarray) -> None:
        image = write_image(tmp_path / "image.flac", mix)
        found = tempocli.estimate(image, start=20.0, duration=15.0, method="classify", device="cpu")
        assert found.bpm == pytest.approx(TEMPI[1], abs=0.05)

    def test_a_batch_carries_parts(self, tmp_path: Path, estimator: Estimator, mix: np.ndarray) -> None:
        image = str(write_image(tmp_path / "image.flac", mix))
        inputs = [*find_inputs([image], part=Part(20.0, 15.0)), *find_inputs([image], part=Part(35.0))]
        results = list(estimate_files(estimator, inputs))
        assert [result.part for result in results] == [Part(20.0, 15.0), Part(35.0)]
        assert [result.path for result in results] == [image, image]
        for result, bpm in zip(results, TEMPI[1:], strict=True):
            assert result.estimate is not None
            assert result.estimate.bpm == pytest.approx(bpm, abs=0.05)


class TestCommand:
    """The fake estimator adds the start to the tempo."""

    def test_one_file(self, music: Path) -> None:
        assert estimated(tempo("128.wav", "--start", "10")) == "138.00\n"
        assert estimated(tempo("128.wav", "--start", "0:10.5", "--duration", "1:00")) == "138.50\n"
        assert estimated(tempo("128.wav", "--start", "0")) == "128.00\n"
        assert estimated(tempo("-", "--start", "10", stdin=b"99")) == "109.00\n"

    def test_it_holds_for_every_input(self, music: Path) -> None:
        (music / "list.txt").write_text("128.wav\n")
        result = tempo("music", "--files-from", "list.txt", "--start", "10", "--duration", "60")
        assert estimated(result) == (
            "music/100.wav\t110.00\t10.0\t60.0\nmusic/120.mp3\t130.00\t10.0\t60.0\n"
            "music/old/90.flac\t100.00\t10.0\t60.0\n128.wav\t138.00\t10.0\t60.0\n"
        )
        assert estimated(tempo("music/old", "--start", "10")) == "music/old/90.flac\t100.00\t10.0\t\n"

    def test_csv_has_the_part(self, music: Path) -> None:
        text = estimated(tempo("128.wav", "--start", "1:00", "--duration", "0.1", "--format", "csv"))
        (row,) = csv.DictReader(io.StringIO(text))
        assert (row["part_start"], row["part_duration"], row["part_title"]) == ("60.0", "0.1", "")
        (row,) = csv.DictReader(io.StringIO(estimated(tempo("128.wav", "--format", "csv"))))
        assert (row["part_start"], row["part_duration"], row["part_title"]) == ("", "", "")

    def test_json_of_a_whole_file_is_as_before(self, music: Path) -> None:
        (whole,) = json.loads(estimated(tempo("128.wav", "--format", "json")))["results"]
        assert not {"part_start", "part_duration", "part_title"} & set(whole)
        (part,) = json.loads(estimated(tempo("128.wav", "--start", "5", "--format", "json")))["results"]
        assert set(part) - set(whole) == {"part_start", "part_duration", "part_title"}
        assert (part["part_start"], part["part_duration"], part["part_title"]) == (5.0, None, None)

    def test_jams_is_on_the_time_line_of_the_file(self) -> None:
        result = tempocli.schema.FileResult("a.wav", make_estimate(100.0), part=Part(60.0, 180.06789))
        document = json.loads("".join(write("jams", [result], Layout())))
        (annotation,) = document["annotations"]
        assert (annotation["time"], annotation["duration"]) == (60.0, 180.068)
        assert annotation["data"][0]["time"] == 60.0
        assert document["file_metadata"]["duration"] == 240.068

    @pytest.mark.slow
    def test_messages_and_the_table_say_which_part(self, music: Path) -> None:
        silent = tempo("silent.wav", "--start", "65", "--duration", "5")
        assert silent.stderr == "tempo: silent.wav, 1:05 to 1:10: no tempo: silence\n"
        assert tempo("broken.wav", "--start", "65").stderr == "tempo: broken.wav, from 1:05: not audio\n"
        _, shown, _ = on_a_terminal("estimate", "128.wav", "--start", "60")
        assert shown.splitlines()[0] == "128.wav, from 1:00"
        _, shown, _ = on_a_terminal("estimate", "-q", "128.wav", "128.wav", "--start", "60")
        assert shown.count("128.wav, from 1:00") == 2

    def test_the_drawing_begins_where_the_part_does(
        self, music: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plot = pytest.importorskip("tempocli.output.plots.tempogram")
        seen = []

        def look(figure: object, *_: object, **__: object) -> None:
            (axes,) = figure.axes  # type: ignore[attr-defined]
            seen.append((*axes.get_xlim(), axes.get_title()))

        monkeypatch.setattr(plot.Figure, "savefig", look)
        analysis = tempocli.estimator.Estimator().analyse("128.wav")
        plot.draw_tempogram(replace(analysis, start=60.0), io.BytesIO(), title="x")
        assert seen[0][:2] == pytest.approx((60.0, 60.0 + 180.06789))
        assert tempo("128.wav", "--start", "60", "--plot", "a.png").exit_code == 0
        assert seen[1][2].startswith("128.wav, from 1:00 (")

    @pytest.mark.parametrize("option", ["--write-tags", "--skip-tagged"])
    def test_no_tags(self, music: Path, option: str) -> None:
        result = tempo("128.wav", "--start", "60", option)
        assert result.exit_code == 2
        assert "a part's tempo is not the file's" in result.stderr

    def test_evaluate_takes_no_estimates_of_parts(self, music: Path) -> None:
        from tempocli.errors import DataError
        from tempocli.evaluation.annotations import read_estimates

        assert tempo("128.wav", "--start", "60", "-o", "out.csv").exit_code == 0
        with pytest.raises(DataError, match="line 2: an estimate of a part of a file"):
            read_estimates("out.csv")

    def test_resume_knows_parts(self, music: Path) -> None:
        args = ["music", "-o", "out.csv", "--resume"]
        assert tempo(*args, "--start", "10").exit_code == 0
        again = tempo(*args, "--start", "10")
        assert again.stderr.startswith("tempo: 0 files, 3 more done earlier")
        longer = tempo(*args, "--start", "10", "--duration", "60")
        assert longer.stderr.startswith("tempo: 3 files, in ")
        assert tempo(*args).stderr.startswith("tempo: 3 files, in ")
        assert (music / "out.csv").read_text().count("\n") == 1 + 9


def test_progress_counts_parts(music: Path, caplog: pytest.LogCaptureFixture) -> None:
    sheet = 'FILE "128.wav" WAVE\n' + "".join(
        f"TRACK {number:02d} {kind}\nINDEX 01 {number:02d}:00:00\n"
        for number, kind in enumerate(["AUDIO", "AUDIO", "MODE1/2352"])
    )
    (music / "a.cue").write_text(sheet)
    total = Total(Inputs(("a.cue", "128.wav"), None, False))
    total._count(Inputs(("a.cue", "128.wav"), None, False))
    assert total.value == 3
    assert not caplog.records, "what is only counted is not told of"


def test_the_times_of_an_estimate_are_moved() -> None:
    estimate = make_estimate(100.0, steady=False)
    later = moved(estimate, 60.0)
    assert [section.start for section in later.tempo_sections] == [60.0, 180.0004]
    assert [point.time for point in later.curve] == [66.0, 72.0]
    assert later.duration == estimate.duration


@pytest.mark.parametrize(("start", "duration"), [(10.0, 14.0), (2.0, 9.0), (3.5, 12.25)])
def test_music_cut_at_any_place_is_no_loop(start: float, duration: float) -> None:
    """Its end goes on well enough at its beginning, but its length is no whole number of beats."""
    sample = Path(__file__).resolve().parents[1] / "docs" / "sample.ogg"
    if not sample.is_file():
        pytest.skip("needs docs/sample.ogg, which is not here")
    found = tempocli.Estimator(device="cpu").estimate(sample, start=start, duration=duration)
    assert found.bpm == pytest.approx(112.0, abs=0.06)
