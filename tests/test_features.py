"""The front end: shapes, streaming, levels, and where an onset lands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempocli.features.front_end import FrontEnd, mel_filters, onset_strength

FRONT_END = FrontEnd()


@pytest.mark.parametrize("n_samples", [0, 1, 255, 256, 257, 1024, 22050, 100_001])
def test_one_frame_a_hop(n_samples: int) -> None:
    log_mel = FRONT_END.log_mel(np.ones(n_samples, np.float32))
    assert log_mel.shape == (-(-n_samples // FRONT_END.hop_length), FRONT_END.n_mels)
    assert log_mel.dtype == np.float32


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(0, 9000), min_size=1, max_size=12))
def test_blocks_of_any_length_give_the_same_frames(lengths: list[int]) -> None:
    samples = np.random.default_rng(0).normal(0.0, 0.1, sum(lengths)).astype(np.float32)
    blocks = np.split(samples, np.cumsum(lengths)[:-1])
    streamed = [*FRONT_END.stream(blocks), np.zeros((0, FRONT_END.n_mels), np.float32)]
    np.testing.assert_allclose(np.concatenate(streamed), FRONT_END.log_mel(samples), atol=2e-5)


def test_a_sine_lights_the_band_at_its_frequency() -> None:
    time = np.arange(22050) / 22050
    filters = mel_filters(FRONT_END)
    centres = filters.argmax(axis=0) * FRONT_END.sample_rate / FRONT_END.n_fft
    for frequency in (200.0, 1000.0, 5000.0):
        log_mel = FRONT_END.log_mel(np.sin(2 * np.pi * frequency * time).astype(np.float32))
        assert centres[log_mel[40].argmax()] == pytest.approx(frequency, rel=0.12)


def test_a_full_scale_sine_has_magnitude_one_in_its_bin() -> None:
    front_end = FrontEnd(n_mels=200)  # bands of one bin each at the bottom
    frequency = 10 * front_end.sample_rate / front_end.n_fft
    samples = np.sin(2 * np.pi * frequency * np.arange(22050) / 22050).astype(np.float32)
    magnitude = np.expm1(front_end.log_mel(samples)[40]) / front_end.log_gain
    assert magnitude.max() == pytest.approx(1.0, rel=0.02)


def test_filters_have_unit_sum_and_none_is_empty() -> None:
    np.testing.assert_allclose(mel_filters(FRONT_END).sum(axis=0), 1.0)


def test_an_onset_lands_on_its_frame() -> None:
    samples = np.zeros(22050, np.float32)
    samples[40 * FRONT_END.hop_length :] = np.random.default_rng(0).normal(0, 0.3, 22050 - 40 * 256)
    strongest = int(onset_strength(FRONT_END.log_mel(samples)).argmax())
    assert abs(strongest - 40) <= 2


def test_steady_sound_and_falling_sound_have_no_onset() -> None:
    falling = np.linspace(5.0, 0.0, 50, dtype=np.float32)[:, None].repeat(40, axis=1)
    assert onset_strength(falling).max() == 0.0
    assert onset_strength(np.ones((50, 40), np.float32)).max() == 0.0


def test_settings_survive_json() -> None:
    front_end = FrontEnd(n_mels=64, log_gain=10.0)
    assert FrontEnd.from_json(front_end.to_json()) == front_end
    with pytest.raises(TypeError):
        FrontEnd.from_json('{"mels": 3}')
