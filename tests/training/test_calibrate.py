"""Calibration: what is fitted, on what, and that exported models can be calibrated again."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.axis import TempoAxis  # noqa: E402
from tempocli.cli import cli  # noqa: E402
from tempocli.decoding.pooling import TrackTempo  # noqa: E402
from tempocli.inference.calibration import Calibration  # noqa: E402
from tempocli.inference.classifier import Encoder  # noqa: E402
from tempocli.inference.comparator import Comparator  # noqa: E402
from tempocli.inference.references.bank import references_path  # noqa: E402
from tempocli.training import calibrate as calibration_module  # noqa: E402
from tempocli.training.calibrate import calibrate, fit_logistic, fit_pulse, held_tones  # noqa: E402
from tempocli.training.recalibrate import WITHOUT_FILE, recalibrate, write_calibrations  # noqa: E402
from tempocli.training.tempo.sampler import TempoSampler  # noqa: E402

AXIS = TempoAxis()


@pytest.fixture(autouse=True)
def _few_clips_without_a_pulse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration_module, "_BEATLESS", 12)
    monkeypatch.setattr(calibration_module, "_TONES", 4)


def test_the_threshold_of_the_pulse_lies_between_noise_and_music_near_the_noise() -> None:
    rng = np.random.default_rng(0)
    noise, music = rng.normal(-4.0, 0.5, (300, 2)), rng.normal(3.0, 1.0, (300, 2))
    calibration = Calibration((0.0, 1.0), (0.0, 1.0), fit_pulse(music, noise))
    assert 0.0 < np.mean([calibration.has_pulse((a, b)) for a, b in noise]) < 0.05
    assert all(calibration.has_pulse((a, b)) for a, b in music)
    assert not calibration.has_pulse((-3.5, -3.5))


def test_confidence_of_a_method_that_is_right_as_often_as_it_says(recipe, data_folder: Path) -> None:
    """A method whose octaves are a coin's is told so; its families, always right, are trusted."""
    sampler = TempoSampler(data_folder, recipe)
    rng = np.random.default_rng(1)
    tempi = iter(_tempi(sampler))

    def track(frames: np.ndarray) -> TrackTempo:
        bpm = next(tempi, 120.0)
        heard = bpm * (1.0 if rng.random() < 0.5 else 0.5)
        distribution = np.exp(-0.5 * (48.0 * np.log2(AXIS.bpms / heard)) ** 2) + 1e-6
        return TrackTempo(distribution / distribution.sum(), {}, (5.0, -0.5))

    fitted = calibrate(track, AXIS, sampler)
    assert fitted.family[1] > 0.0
    # Log-odds of a share near 1, mapped to about a half.
    probability = 1.0 / (1.0 + np.exp(-(fitted.octave[0] + fitted.octave[1] * 5.0)))
    assert 0.2 < probability < 0.8


def _tempi(sampler: TempoSampler) -> list[float]:
    from tempocli.training.calibrate import _known_clips

    return [bpm for _, bpm in _known_clips(sampler, np.random.default_rng(0))]


def test_held_tones_are_loud_enough_and_bounded() -> None:
    rng = np.random.default_rng(2)
    for _ in range(10):
        samples = held_tones(rng, sample_rate=22050)
        assert samples.dtype == np.float32
        assert 0.005 < np.abs(samples).max() <= 1.0
        assert len(samples) >= 12 * 22050


@pytest.mark.slow
def test_an_exported_model_gets_a_calibration_and_keeps_its_weights(
    recipe, data_folder: Path, tmp_path: Path, model_path: Path
) -> None:
    path = tmp_path / "tempo.onnx"
    shutil.copy(model_path, path)
    before = Encoder(path, device="cpu")
    recalibrate(path, TempoSampler(data_folder, recipe))
    after = Encoder(path, device="cpu")
    assert after.spec.version == before.spec.version
    windows = np.random.default_rng(0).random((2, after.spec.n_frames, 40), np.float32)
    np.testing.assert_array_equal(before.encode(windows)[0], after.encode(windows)[0])
    assert after.spec.calibration != before.spec.calibration
    np.testing.assert_array_equal(after.spec.prior_weights, before.spec.prior_weights)


@pytest.mark.slow
def test_a_comparator_keeps_its_references(
    recipe, data_folder: Path, tmp_path: Path, compare_path: Path
) -> None:
    from tempocli.inference.references.bank import load_bank

    path = tmp_path / "compare.onnx"
    shutil.copy(compare_path, path)
    shutil.copy(references_path(compare_path), references_path(path))
    before = load_bank(Comparator(path, device="cpu"), tmp_path / "no cache").embeddings
    recalibrate(path, TempoSampler(data_folder, recipe))
    after = load_bank(Comparator(path, device="cpu"), tmp_path / "no cache")
    np.testing.assert_array_equal(before, after.embeddings)
    assert not (tmp_path / "no cache").exists()


@pytest.mark.slow
def test_the_methods_without_a_file(
    recipe, data_folder: Path, tmp_path: Path, model_path: Path, compare_path: Path
) -> None:
    write_calibrations(TempoSampler(data_folder, recipe), tmp_path / "calibration.json")
    written = json.loads((tmp_path / "calibration.json").read_text())
    assert written.keys() == set(WITHOUT_FILE)
    for fitted in written.values():
        assert np.isfinite(np.concatenate([np.ravel(values) for values in fitted.values()])).all()


@pytest.mark.parametrize("options", [[], ["-o", "x.json", "--model", "MODEL"]])
def test_the_command_wants_one_thing(options: list[str], data_folder: Path, model_path: Path) -> None:
    options = [str(model_path) if option == "MODEL" else option for option in options]
    result = CliRunner().invoke(cli, ["train", "calibrate", "--data", str(data_folder), *options])
    assert result.exit_code == 2
    assert "either --output or --model" in result.stderr


def test_logistic_calibration_recovers_its_coefficients() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(0, 2, 20_000)
    right = rng.random(20_000) < 1 / (1 + np.exp(-(0.5 + 0.7 * score)))
    bias, slope = fit_logistic(score, right)
    assert bias == pytest.approx(0.5, abs=0.05)
    assert slope == pytest.approx(0.7, abs=0.05)


def test_logistic_calibration_does_not_run_away_where_nearly_all_is_certain() -> None:
    score = np.concatenate([np.full(300, 9.2), np.full(20, 0.0)])
    right = np.arange(320) % 16 != 0
    bias, slope = fit_logistic(score, right)
    expected = 1 / (1 + np.exp(-(bias + slope * score)))
    assert expected[:300].mean() == pytest.approx(right[:300].mean(), abs=0.02)
    assert 0.0 <= slope < 1.0
