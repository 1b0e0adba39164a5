"""The ONNX session: metadata, shapes, devices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tempocli.audio import load_audio
from tempocli.errors import DeviceError, ModelError
from tempocli.inference.calibration import Calibration
from tempocli.inference.classifier import Encoder
from tempocli.inference.priors import PowerPrior
from tempocli.inference.session.runtime import onnxruntime

SAMPLE = Path(__file__).resolve().parents[1] / "docs" / "sample.ogg"


@pytest.fixture(scope="module")
def encoder(model_path: Path) -> Encoder:
    return Encoder(model_path, device="cpu")


def random_windows(encoder: Encoder, n_windows: int) -> np.ndarray:
    shape = (n_windows, encoder.spec.n_frames, encoder.spec.front_end.n_mels)
    return np.random.default_rng(0).random(shape, np.float32)


def test_the_model_says_what_it_is(encoder: Encoder) -> None:
    assert encoder.spec.name == "tempo"
    assert encoder.device == "cpu"
    assert encoder.spec.axis.bins_per_octave >= 48
    assert encoder.spec.axis.bpms[0] == 30.0
    assert 295.0 < encoder.spec.axis.bpms[-1] < 305.0


@pytest.mark.parametrize("batch", [1, 2, 32])
def test_shapes(encoder: Encoder, batch: int) -> None:
    windows = np.random.default_rng(0).random(
        (batch, encoder.spec.n_frames, encoder.spec.front_end.n_mels), np.float32
    )
    logits, embedding = encoder.encode(windows)
    assert logits.shape == (batch, encoder.spec.axis.n_bins)
    assert embedding.shape == (batch, encoder.spec.embedding_dim)
    assert np.isfinite(logits).all()
    assert np.isfinite(embedding).all()


def test_the_embedding_tells_music_apart(encoder: Encoder, click_track) -> None:
    """One that is the same for everything is of no use, and nothing else would show it."""
    music = [
        load_audio(SAMPLE, sample_rate=rate) for rate in (22050, 15750)
    ]  # the second is faster and higher
    frames = [
        encoder.spec.front_end.log_mel(samples)[: encoder.spec.n_frames]
        for samples in [*music, click_track(90.0)]
    ]
    _, embedding = encoder.encode(np.stack(frames))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.linalg.norm(embedding[one] - embedding[other]) > 0.1


def test_a_window_does_not_depend_on_its_batch(encoder: Encoder) -> None:
    windows = np.random.default_rng(1).random(
        (9, encoder.spec.n_frames, encoder.spec.front_end.n_mels), np.float32
    )
    together, _ = encoder.encode(windows)
    alone = np.concatenate([encoder.encode(window[None])[0] for window in windows])
    np.testing.assert_allclose(together, alone, atol=1e-3)


def test_level_hardly_matters(encoder: Encoder) -> None:
    rng = np.random.default_rng(2)
    window = np.tile(
        rng.random((32, encoder.spec.front_end.n_mels), np.float32) * 0.05, (encoder.spec.n_frames // 32, 1)
    )[None]
    loud, _ = encoder.encode(np.log1p(1000.0 * window))
    soft, _ = encoder.encode(np.log1p(250.0 * window))
    assert loud.argmax() == soft.argmax()


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers() and Path("/proc/driver/nvidia").exists(),
    reason="there is a GPU here",
)
def test_cuda_that_is_not_there_is_an_error_and_auto_goes_on(model_path: Path) -> None:
    with pytest.raises(DeviceError, match="cuda"):
        Encoder(model_path, device="cuda")
    assert Encoder(model_path, device="auto").device == "cpu"


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"this is no model")
    with pytest.raises(ModelError, match="not an ONNX model"):
        Encoder(path)


def test_a_model_of_somebody_else(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs onnx to make a foreign model")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [value],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])],
    )
    path = tmp_path / "foreign.onnx"
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9), path
    )
    with pytest.raises(ModelError, match="not a model of tempo"):
        Encoder(path)


def test_calibration_survives_json() -> None:
    calibration = Calibration((0.1, 0.9), (-0.2, 1.1), (0.5, 1.5, 0.25))
    assert Calibration.from_json(calibration.to_json()) == calibration


@pytest.mark.parametrize(
    "text", ["{}", "[]", "1", '{"family": [1], "octave": [0, 1], "pulse": [0, 1, 1]}', "no"]
)
def test_calibration_from_something_else(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Calibration.from_json(text)


def test_a_pulse_needs_a_clear_peak_or_a_strong_periodicity() -> None:
    calibration = Calibration((0.0, 1.0), (0.0, 1.0), (1.0, 2.0, 0.5))
    assert calibration.has_pulse((0.0, 0.0))
    assert not calibration.has_pulse((-1.0, 0.0))
    assert not calibration.has_pulse((0.0, -3.0))
    assert calibration.has_pulse((-1.0, 2.0))


def test_the_prior_rises_and_falls_again() -> None:
    bpms = np.array([50.0, 100.0, 170.0, 289.0])
    np.testing.assert_array_equal(PowerPrior(0.0).of(bpms), np.ones(4))
    prior = PowerPrior(1.5).of(bpms)
    assert prior[0] < prior[1] < prior[2]
    # 289 BPM is to 170 as 170 is to 100.
    assert prior[3] == pytest.approx(prior[1])
