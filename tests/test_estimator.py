"""The whole path, from samples to an Estimate, with the model that ships."""

from __future__ import annotations

import ast
import csv
import math
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tempocli
from tempocli.audio import load_audio
from tempocli.errors import AudioError, ModelError
from tempocli.estimator import Estimator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SAMPLE = Path(__file__).resolve().parents[1] / "docs" / "sample.ogg"
SAMPLE_BPM = 112.0


@pytest.fixture(scope="module")
def estimator(model_path: Path) -> Estimator:
    return Estimator(model_path, device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("bpm", [41.7, 77.3, 128.0, 174.0, 231.3])
def test_clicks_within_two_hundredths(
    estimator: Estimator, click_track: Callable[..., np.ndarray], bpm: float
) -> None:
    assert estimator.estimate_array(click_track(bpm, 60.0), 22050).bpm == pytest.approx(bpm, abs=0.02)


def test_the_sample_song(estimator: Estimator) -> None:
    estimate = estimator.estimate(SAMPLE)
    assert estimate.bpm == pytest.approx(SAMPLE_BPM, abs=0.05)
    assert estimate.confidence > 0.5
    assert estimate.reason is None
    assert estimate.candidates[0].bpm == estimate.bpm
    assert len(estimate.curve) >= 2
    assert all(point.bpm == pytest.approx(SAMPLE_BPM, rel=0.02) for point in estimate.curve)


def test_one_line_of_python(model_path: Path) -> None:
    assert tempocli.estimate(SAMPLE).bpm == pytest.approx(SAMPLE_BPM, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.8, 0.9, 1.1, 1.25])
def test_stretching_moves_the_tempo_by_the_rate(estimator: Estimator, rate: float) -> None:
    samples = load_audio(SAMPLE, sample_rate=round(22050 / rate))  # played at 22,050 Hz it runs at `rate`
    ratio = estimator.estimate_array(samples, 22050).bpm / SAMPLE_BPM / rate
    assert abs(math.log2(ratio) - round(math.log2(ratio))) < math.log2(1.01)


@pytest.mark.slow
def test_the_sample_rate_does_not_matter(
    estimator: Estimator, click_track: Callable[..., np.ndarray]
) -> None:
    for sample_rate in (8000, 44100, 96000):
        bpm = estimator.estimate_array(click_track(100.0, 30.0, sample_rate), sample_rate).bpm
        assert bpm == pytest.approx(100.0, abs=0.03)


def test_channels_and_integers(estimator: Estimator, click_track: Callable[..., np.ndarray]) -> None:
    mono = click_track(100.0, 20.0)
    stereo = np.stack([mono, mono], axis=1)
    expected = estimator.estimate_array(mono, 22050)
    assert estimator.estimate_array(stereo, 22050) == expected
    assert estimator.estimate_array((mono * 32767).astype(np.int16), 22050).bpm == pytest.approx(
        expected.bpm, abs=0.01
    )


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(22050 * 20), "silence"),
        (np.zeros(100), "too short"),
        (np.random.default_rng(0).normal(0, 0.1, 19_000), "too short"),
        (np.random.default_rng(0).normal(0, 0.1, 22050 * 2), "no steady pulse"),
        (np.random.default_rng(0).normal(0, 0.1, 22050 * 30), "no steady pulse"),
        (np.sin(np.arange(22050 * 30) * 0.06) * 0.5, "no steady pulse"),
    ],
    ids=["silence", "nothing", "less than a second", "two seconds", "noise", "hum"],
)
def test_without_a_tempo_there_is_a_reason(estimator: Estimator, samples: np.ndarray, reason: str) -> None:
    estimate = estimator.estimate_array(samples.astype(np.float32), 22050)
    assert (estimate.bpm, estimate.reason) == (None, reason)
    assert (estimate.candidates, estimate.tempo_sections, estimate.curve) == ((), (), ())
    assert (estimate.bpm_error, estimate.steady) == (None, None)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs the program espeak-ng")
def test_speech_has_no_tempo(estimator: Estimator, tmp_path: Path) -> None:
    words = (
        "On Tuesday the committee will decide, at last, whether anybody may borrow the large "
        "umbrella. Nobody had asked for this, and the weather, as so often in those years, was dry. "
        "Still they came, one after another, with papers under their arms, and sat down without a "
        "word. When the clock struck nine the oldest of them rose and began to read from a list "
        "that nobody else could see, slowly at first, then faster. It was a very long list."
    )
    path = tmp_path / "speech.wav"
    subprocess.run(["espeak-ng", "-v", "en-gb", "-w", str(path), words], check=True, timeout=60)
    estimate = estimator.estimate(path)
    assert (estimate.bpm, estimate.reason) == (None, "no steady pulse")


@pytest.mark.slow
def test_a_tempo_outside_the_range_stands_for_its_octave_inside(
    model_path: Path, click_track: Callable[..., np.ndarray]
) -> None:
    clicks = click_track(140.0, 30.0)
    bpm = Estimator(model_path, min_bpm=50, max_bpm=90).estimate_array(clicks, 22050).bpm
    assert bpm is not None
    assert 50 <= bpm <= 90
    assert bpm == pytest.approx(70.0, abs=0.02)


def test_a_range_without_the_tempo_and_its_octaves_holds_none(
    model_path: Path, click_track: Callable[..., np.ndarray]
) -> None:
    clicks = click_track(140.0, 30.0)
    estimate = Estimator(model_path, min_bpm=90, max_bpm=115).estimate_array(clicks, 22050)
    assert (estimate.bpm, estimate.reason) == (None, "no tempo between 90 and 115 BPM")
    assert estimate.duration == pytest.approx(30.0, abs=0.02)


@pytest.mark.slow
def test_a_tempo_at_the_edge_of_the_range_is_inside(
    model_path: Path, click_track: Callable[..., np.ndarray]
) -> None:
    clicks = click_track(140.0, 30.0)
    for low, high in ((140, 180), (100, 140), (70, 90), (50, 70)):
        bpm = Estimator(model_path, min_bpm=low, max_bpm=high).estimate_array(clicks, 22050).bpm
        assert bpm is not None
        assert low <= bpm <= high
        assert min(abs(bpm - 140.0), abs(bpm - 70.0)) < 0.02


@pytest.mark.parametrize(
    "options", [{"min_bpm": 10}, {"max_bpm": 500}, {"min_bpm": 120, "max_bpm": 90}, {"top": 0}]
)
def test_options_that_make_no_sense(model_path: Path, options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"min_bpm|top"):
        Estimator(model_path, **options)


@pytest.mark.slow
def test_top_limits_the_candidates(model_path: Path) -> None:
    one, five = (Estimator(model_path, top=top).estimate(SAMPLE) for top in (1, 5))
    assert len(one.candidates) == 1
    assert len(five.candidates) > 1
    # The candidates alone depend on how many of them are wanted.
    assert replace(five, candidates=one.candidates) == one
    probabilities = [candidate.probability for candidate in five.candidates]
    assert probabilities == sorted(probabilities, reverse=True)


@pytest.mark.parametrize(
    ("samples", "sample_rate", "message"),
    [
        (np.zeros((2, 2, 2)), 22050, "shape"),
        (np.zeros((2, 50_000)), 22050, "transpose"),
        (np.full(50_000, 128, np.uint8), 22050, "uint8"),
        (np.zeros(50_000, np.bool_), 22050, "bool"),
        (np.zeros(50_000, np.complex64), 22050, "complex64"),
        (np.zeros(50_000, np.object_), 22050, "object"),
        (np.full(50_000, np.nan, np.float32), 22050, "NaN"),
        (np.full(50_000, 1e30), 22050, "full scale"),
        (np.zeros(50_000), 0, "sample rate"),
        (np.zeros(50_000), 1, "sample rate"),
        (np.zeros(50_000), -44100, "sample rate"),
        (np.zeros(50_000), 10**9, "sample rate"),
        (np.zeros(50_000), math.nan, "sample rate"),
    ],
)
def test_bad_arrays(estimator: Estimator, samples: NDArray[Any], sample_rate: float, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        estimator.estimate_array(samples, sample_rate)


def test_an_unknown_model() -> None:
    with pytest.raises(ModelError):
        Estimator("no-such-model")


@pytest.mark.slow
def test_threads_share_one_estimator(estimator: Estimator, click_track: Callable[..., np.ndarray]) -> None:
    tracks = [click_track(bpm, 20.0) for bpm in (70.0, 90.0, 110.0, 130.0)] * 2
    alone = [estimator.estimate_array(track, 22050) for track in tracks]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda track: estimator.estimate_array(track, 22050), tracks)) == alone


@pytest.mark.slow
def test_the_service_of_the_documentation(model_path: Path) -> None:
    root = SAMPLE.parents[1]
    blocks = (root / "docs" / "python.md").read_text(encoding="utf-8").split("```python\n")
    (code,) = [block.split("```")[0] for block in blocks if "asyncio" in block]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120, check=True
    )
    one, other, failed = map(ast.literal_eval, done.stdout.splitlines())
    assert one == other
    assert one["bpm"] == pytest.approx(SAMPLE_BPM, abs=0.05)
    assert failed["error"] == "format not recognised"


@pytest.mark.slow
def test_a_change_of_tempo_shows_in_the_curve(
    estimator: Estimator, click_track: Callable[..., np.ndarray]
) -> None:
    joined = np.concatenate([click_track(100.0, 40.0), click_track(125.0, 40.0)])
    curve = estimator.estimate_array(joined, 22050).curve
    assert [point.time for point in curve] == sorted(point.time for point in curve)
    assert curve[0].bpm == pytest.approx(100.0, rel=0.015)
    assert curve[-1].bpm == pytest.approx(125.0, rel=0.015)


@pytest.mark.slow
def test_a_change_of_tempo_shows_in_the_sections(
    estimator: Estimator, click_track: Callable[..., np.ndarray]
) -> None:
    joined = np.concatenate([click_track(100.0, 40.0), click_track(125.0, 60.0)])
    estimate = estimator.estimate_array(joined, 22050)
    assert estimate.steady is False
    first, second = estimate.tempo_sections
    assert (first.bpm, second.bpm) == (pytest.approx(100.0, rel=0.005), pytest.approx(125.0, rel=0.005))
    assert (first.start, second.end) == (0.0, pytest.approx(100.0, abs=0.05))
    assert first.end == second.start == pytest.approx(40.0, abs=6.0)
    # The longest section is the answer, and right for a part of the track only.
    assert estimate.bpm == pytest.approx(second.bpm, abs=0.02)
    alone = estimator.estimate_array(click_track(125.0, 60.0), 22050)
    assert (alone.steady, len(alone.tempo_sections)) == (True, 1)
    assert estimate.confidence < 0.9 * second.confidence


@pytest.mark.slow
def test_steady_tracks_of_the_charts(estimator: Estimator, shared_data: Path) -> None:
    with (shared_data / "dev.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["steady"] == "1"][::6]
    errors = []
    for row in rows:
        bpm, truth = estimator.estimate(shared_data / row["path"]).bpm, float(row["bpm"])
        if bpm is not None and abs(bpm / truth - 1.0) < 0.04:
            errors.append(abs(bpm - truth))
    assert len(errors) >= len(rows) / 2
    assert np.median(errors) <= 0.05
