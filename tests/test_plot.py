"""The drawing shows what was measured, leaves nothing global behind, and survives the corner cases."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from fake_estimator import make_estimate

pytest.importorskip("matplotlib")

from tempocli.axis import TempoAxis
from tempocli.estimator import Analysis
from tempocli.output.plots import tempogram
from tempocli.schema import CurvePoint, Estimate

BPMS = TempoAxis().bpms


def analysis(times: list[float], bpm: float | None = 120.0) -> Analysis:
    tempogram = np.full((len(times), len(BPMS)), 1e-4, np.float32)
    tempogram[:, 96] = 1.0
    tempogram /= tempogram.sum(axis=1, keepdims=True)
    curve = tuple(CurvePoint(time, 120.0, 0.9) for time in times)
    reference = make_estimate(bpm)
    estimate = Estimate(
        bpm, 0.9, 0.8, reference.candidates, reference.reason, 60.0, "fake", curve if bpm is not None else ()
    )
    return Analysis(estimate, tempogram, np.array(times), BPMS, np.zeros(4, np.float32))


def draw(drawn: Analysis, **options: str) -> bytes:
    file = io.BytesIO()
    tempogram.draw_tempogram(drawn, file, title="song.wav", **options)
    return file.getvalue()


def pixels(data: bytes) -> np.ndarray:
    image = pytest.importorskip("PIL.Image")
    return np.asarray(image.open(io.BytesIO(data)).convert("L"), np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("image_format", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_formats(image_format: str, start: bytes) -> None:
    assert draw(analysis([6.0, 12.0, 18.0]), image_format=image_format).startswith(start)


@pytest.mark.slow
@pytest.mark.parametrize("times", [[], [6.0], [6.0, 12.0], [6.0, 12.0, 18.0, 42.0, 48.0]])
@pytest.mark.parametrize("bpm", [120.0, None])
def test_any_number_of_windows(times: list[float], bpm: float | None) -> None:
    assert draw(analysis(times, bpm)).startswith(b"\x89PNG")


@pytest.mark.slow
def test_audio_of_no_length() -> None:
    nothing = analysis([], None)
    lone_sample = replace(nothing.estimate, duration=0.0)
    assert draw(replace(nothing, estimate=lone_sample)).startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_tempo_is_drawn_where_it_is() -> None:
    # Without curve and line, only the tempogram is left to make one row of the axes bright.
    image = pixels(draw(analysis([float(time) for time in range(6, 55, 6)], None)))
    inside = image[80:-80, 250:-250]
    brightest = 80 + int(inside.mean(axis=1).argmax())
    # The axis is logarithmic, so 120 lies 2 octaves above 30 of log2(max / 30).
    axes = np.flatnonzero((image < 40).mean(axis=1) > 0.5)
    height = (axes[-1] - brightest) / (axes[-1] - axes[0])
    assert height == pytest.approx(2.0 / np.log2(BPMS[-1] / 30.0), abs=0.03)


@pytest.mark.slow
def test_silence_between_windows_stays_empty() -> None:
    steady = pixels(draw(analysis([float(time) for time in range(6, 55, 6)], None)))
    broken = pixels(draw(analysis([6.0, 12.0, 18.0, 48.0, 54.0], None)))
    middle = slice(int(steady.shape[1] * 0.5), int(steady.shape[1] * 0.6))
    row = int(steady[:, middle][80:-80].mean(axis=1).argmax()) + 80
    assert steady[row, middle].min() > 100
    assert broken[row, middle].max() < 40


@pytest.mark.slow
@pytest.mark.parametrize("title", ["$\\frac{$ and a $x^2$", "\u97f3\u697d.wav"])
def test_any_title(title: str) -> None:
    file = io.BytesIO()
    tempogram.draw_tempogram(analysis([6.0]), file, title=title)
    assert file.getvalue()


@pytest.mark.slow
def test_leaves_pyplot_alone() -> None:
    code = (
        "import sys, tempocli.output.plots.tempogram, tempocli.output.plots.form\n"
        "assert not {'matplotlib.pyplot', 'tkinter'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
