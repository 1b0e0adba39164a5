"""Mono from several channels: their mean, or the stronger one where they cancel each other out."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from clicks import make_clicks

from tempocli.audio import load_audio, open_audio
from tempocli.audio.channels import Downmixer

if TYPE_CHECKING:
    from pathlib import Path

RATE = 44100
BLOCK = 65_536


def clicks(seconds: float = 20.0) -> np.ndarray:
    return make_clicks(126.0, seconds, RATE)


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.1, n_samples).astype(np.float32)


def mixed(samples: np.ndarray) -> np.ndarray:
    """Mix `samples`, shape=(n_samples, channels), block by block."""
    downmixer = Downmixer(samples.shape[1], RATE)
    blocks = [downmixer.mix(samples[i : i + BLOCK], 1.0) for i in range(0, len(samples), BLOCK)]
    return np.concatenate(blocks)


def plain_mean(samples: np.ndarray) -> np.ndarray:
    """Average as version 0.1.0 did."""
    scale = np.float32(1.0 / samples.shape[1])
    mono = samples[:, 0] * scale
    for channel in samples.T[1:]:
        mono += channel * scale
    return mono


def wide(n_samples: int) -> list[np.ndarray]:
    """Stereo and more that is as wide as records are."""
    a, b, c = (noise(n_samples, seed) for seed in (1, 2, 3))
    silence = np.zeros_like(a)
    return [
        np.stack([a, b], 1),  # nothing in common
        np.stack([a, silence], 1),  # all on one side
        np.stack([silence, 0.001 * a], 1),
        np.stack([a + 0.8 * b, -0.5 * a + 0.8 * b], 1),  # a widener of stereo
        np.stack([a + c, a - c], 1),  # mid and side of the same strength
        np.stack([silence, silence, a, silence, silence, silence], 1),  # the centre of 5.1 alone
        np.stack([a, b, c, a, b, c], 1),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(7))
def test_healthy_channels_are_averaged_to_the_bit(number: int) -> None:
    samples = wide(10 * RATE)[number]
    np.testing.assert_array_equal(mixed(samples), plain_mean(samples))


def assert_is(result: np.ndarray, music: np.ndarray, tolerance: float = 1e-4) -> None:
    """Assert that `result` is `music`, one way up or the other; PCM has no room beyond full scale."""
    sign = np.sign(np.dot(result, music))
    np.testing.assert_allclose(sign * result, np.clip(music, -1, 1), atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
@pytest.mark.parametrize("gain", [-1.0, -0.9, -1.1])
def test_an_inverted_channel(tmp_path: Path, gain: float, subtype: str) -> None:
    music = clicks()
    soundfile.write(tmp_path / "a.wav", np.stack([music, gain * music], 1), RATE, subtype=subtype)
    assert_is(load_audio(tmp_path / "a.wav", sample_rate=RATE), max(abs(gain), 1.0) * music)


def test_an_inverted_channel_and_noise() -> None:
    music = clicks()
    hiss = 0.01 * noise(len(music))
    result = mixed(np.stack([music + hiss, -music], 1))
    assert np.corrcoef(result, music)[0, 1] > 0.99


def test_an_inverted_channel_by_ffmpeg(tmp_path: Path) -> None:
    pytest.importorskip("av")
    from hostile import encode_av

    music = clicks(6.0)
    (tmp_path / "a.m4a").write_bytes(encode_av(np.stack([music, -music], 1), RATE, "mp4", "alac"))
    with open_audio(tmp_path / "a.m4a") as opened:
        assert opened.channels == 2
    result = load_audio(tmp_path / "a.m4a", sample_rate=RATE)
    assert_is(result[: len(music)], music, tolerance=1e-3)


def test_six_channels_that_cancel_out() -> None:
    music = noise(10 * RATE)
    samples = np.stack([music, -music, 0.5 * music, -0.5 * music, 2 * music, -2 * music], 1)
    np.testing.assert_allclose(np.abs(mixed(samples)), np.abs(2 * music), atol=1e-6)


def steps(signal: np.ndarray) -> np.ndarray:
    return np.abs(np.diff(signal))


@pytest.mark.slow
def test_a_change_on_the_way_makes_no_click() -> None:
    """Inverted for a while in the middle: one signal fades into the other, and back."""
    tone = 0.5 * np.sin(2 * np.pi * 220 * np.arange(70 * RATE) / RATE).astype(np.float32)
    right = tone.copy()
    right[20 * RATE : 50 * RATE] *= -1
    result = mixed(np.stack([tone, right], 1))
    edges = [20 * RATE - 1, 50 * RATE - 1]  # there the recording itself jumps
    smooth = np.delete(steps(result), edges)
    assert smooth.max() < 1.2 * steps(tone).max()
    np.testing.assert_array_equal(result[: 19 * RATE], tone[: 19 * RATE])
    assert np.abs(result[40 * RATE : 48 * RATE]).max() == pytest.approx(0.5, rel=0.01)
    np.testing.assert_array_equal(result[60 * RATE :], tone[60 * RATE :])


def test_the_decision_does_not_flip() -> None:
    """Channels that now add up and now cancel out, block by block: the mean or one of them, for long."""
    left = noise(60 * RATE)
    right = left.copy()
    for start in range(0, len(right), 2 * BLOCK):
        right[start : start + BLOCK] *= -1
    downmixer = Downmixer(2, RATE)
    samples = np.stack([left, right], 1)
    decisions = []
    for start in range(0, len(left), BLOCK):
        downmixer.mix(samples[start : start + BLOCK], 1.0)
        decisions.append(downmixer._chosen)
    assert sum(a != b for a, b in pairwise(decisions)) <= 1


def test_of_two_that_are_as_strong_the_same_one_is_kept() -> None:
    """Or the signal would change its sign again and again."""
    music = noise(30 * RATE)
    gains = 1.0 + 0.1 * np.sin(np.arange(len(music)) / RATE).astype(np.float32)
    result = mixed(np.stack([music * gains, -music * (2 - gains)], 1))
    assert np.all(result * music >= 0) or np.all(result * music <= 0)


def test_silence_before_the_music_decides_nothing() -> None:
    music = clicks(10.0)
    music[: 3 * BLOCK] = 0
    result = mixed(np.stack([music, -music], 1))
    np.testing.assert_array_equal(np.abs(result), np.abs(music))


@pytest.mark.slow
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_samples_that_are_no_numbers_pass_through(value: float) -> None:
    """They are found later on, and told."""
    samples = np.stack([noise(BLOCK), noise(BLOCK, 1)], 1)
    samples[5] = value
    result = Downmixer(2, RATE).mix(samples, 1.0)
    assert not np.isfinite(result[5]) or result[5] > 1e29


@pytest.mark.parametrize("length", [0, 1, 100, 2047, 2048, 5000])
def test_short_blocks(length: int) -> None:
    samples = np.stack([noise(length), -noise(length)], 1)
    np.testing.assert_array_equal(Downmixer(2, RATE).mix(samples, 1.0), samples[:, 0])
