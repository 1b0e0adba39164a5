"""The beat network as a model file: what its metadata may say, and what its outputs are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from bars import bars

from tempocli.errors import DeviceError, ModelError
from tempocli.features.front_end import FrontEnd
from tempocli.inference import registry
from tempocli.inference.beats import N_FEATURES, N_METRES, BeatActivations, read_beats

if TYPE_CHECKING:
    from pathlib import Path

METRE = {"weights": [[0.0] * N_FEATURES] * N_METRES, "bias": [0.0] * N_METRES}
GOOD = {
    "version": "beats-1",
    "name": "mine",
    "model_version": "3",
    "front_end": FrontEnd().to_json(),
    "n_frames": "1536",
    "frame_step": "4",
    "margin": "260",
    "metre": json.dumps(METRE),
}


def test_good_metadata() -> None:
    spec = read_beats(GOOD, checksum="ab" * 32)
    assert (spec.name, spec.version, spec.n_frames, spec.margin) == ("mine", "3", 1536, 260)
    assert spec.activation_rate == pytest.approx(21.53, abs=0.01)
    assert spec.record() == {"kind": "beats", "name": "mine", "version": "3", "sha256": "ab" * 8}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", "music-1"),
        ("name", ""),
        ("name", "a\nb"),
        ("front_end", "{}x"),
        ("n_frames", "1537"),
        ("n_frames", "1e9"),
        ("n_frames", "-4"),
        ("frame_step", "0"),
        ("frame_step", "64"),
        ("margin", "700"),
        ("margin", "261"),
        ("metre", "[]"),
        ("metre", json.dumps(METRE | {"bias": [0.0]})),
        ("metre", json.dumps(METRE | {"weights": [[0.0]] * N_METRES})),
        ("metre", json.dumps(METRE | {"bias": ["x"] * N_METRES})),
        ("metre", json.dumps(METRE | {"bias": [1e300] * N_METRES})),
        ("metre", "[" * 100_000),
    ],
)
def test_bad_metadata(key: str, value: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, RecursionError)):
        read_beats(GOOD | {key: value}, checksum="ab" * 32)


@pytest.mark.parametrize("key", [key for key in GOOD if key != "model_version"])
def test_missing_metadata(key: str) -> None:
    with pytest.raises(KeyError):
        read_beats({name: value for name, value in GOOD.items() if name != key}, checksum="ab" * 32)


def test_other_models_are_refused(model_path: Path) -> None:
    with pytest.raises(ModelError, match="not a beat network"):
        BeatActivations(model_path)
    with pytest.raises(ModelError, match="a model for the method classify, not for beats"):
        BeatActivations("tempo")
    with pytest.raises(ModelError, match="no such model"):
        BeatActivations("none")


def test_devices() -> None:
    with pytest.raises(DeviceError, match="the devices are"):
        BeatActivations(device="tpu")


def test_silence_and_noise_have_few_beats() -> None:
    model = BeatActivations(device="cpu")
    noise = np.random.default_rng(0).normal(0.0, 0.1, 22050 * 20).astype(np.float32)
    for samples in (np.zeros_like(noise), noise):
        collector = model.collector()
        collector.push(FrontEnd().log_mel(samples))
        assert collector.finish().mean() < 0.15
    assert len(model.collector().finish()) == 0


@pytest.mark.parametrize("n_frames", [1, 3, 4, 5, 1535, 1536, 1537, 3000])
def test_any_length(n_frames: int) -> None:
    model = BeatActivations(device="cpu")
    collector = model.collector()
    collector.push(np.ones((n_frames, 40), np.float32))
    activations = collector.finish()
    assert activations.shape == (-(-n_frames // 4), 2)
    assert ((activations >= 0.0) & (activations <= 1.0)).all()


def test_it_ships() -> None:
    entry = next(entry for entry in registry.list_models() if entry.method == "beats")
    assert entry.size < 3_000_000
    model = BeatActivations(device="cpu")
    log_mel = FrontEnd().log_mel(bars(120.0, seconds=20.0))
    collector = model.collector()
    collector.push(log_mel)
    beat = collector.finish()[:, 0]
    at_beats = beat[np.round((0.3 + 0.5 * np.arange(4, 36)) * model.spec.activation_rate).astype(int)]
    assert at_beats.mean() > 2.0 * beat.mean()
