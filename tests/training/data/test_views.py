"""Views: a stretch by a known rate, without padding that would give the rate away."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempocli.decoding.refinement import refine_tempo
from tempocli.features.front_end import FrontEnd, onset_strength
from tempocli.training.data.views import (
    ViewConfig,
    augment,
    beatless,
    draw_excerpt,
    overlay,
    produce,
    stretch,
)

FRONT_END = FrontEnd()


@pytest.mark.slow
@given(rate=st.floats(0.75, 1.3))
def test_stretching_frames_moves_the_tempo_by_the_rate(click_track, rate: float) -> None:
    frames = FRONT_END.log_mel(click_track(100.0, 30.0)).astype(np.float16)
    view = stretch(frames, start=0.0, rate=rate, n_frames=int(len(frames) / rate) - 2)
    refined = refine_tempo(onset_strength(view), frame_rate=FRONT_END.frame_rate, bpm=100.0 * rate).bpm
    assert refined == pytest.approx(100.0 * rate, rel=2e-3)


def test_rate_one_changes_nothing_and_outside_is_silence() -> None:
    frames = np.random.default_rng(0).random((50, 40)).astype(np.float16)
    np.testing.assert_array_equal(stretch(frames, start=10, rate=1.0, n_frames=20), frames[10:30])
    around = stretch(frames, start=-5.0, rate=1.0, n_frames=60)
    assert not around[:5].any()
    assert not around[55:].any()
    assert around[5:55].any()


@given(rate=st.floats(0.8, 1.25), length=st.integers(1300, 5000), seed=st.integers(0, 100))
def test_excerpts_have_no_padding_when_the_clip_allows_it(rate: float, length: int, seed: int) -> None:
    start = draw_excerpt(length, rate=rate, n_frames=1024, rng=np.random.default_rng(seed))
    assert start >= 0.0
    assert start + rate * 1024 < length


def test_augmentation_keeps_the_tempo_and_stays_finite(click_track) -> None:
    frames = FRONT_END.log_mel(click_track(130.0, 12.0))
    for seed in range(20):
        view = augment(frames, ViewConfig(band_drop=0.0), FRONT_END, np.random.default_rng(seed))
        assert np.isfinite(view).all()
        assert view.min() >= 0.0
        refined = refine_tempo(onset_strength(view), frame_rate=FRONT_END.frame_rate, bpm=131.0).bpm
        assert refined == pytest.approx(130.0, rel=3e-3)


def test_a_part_may_be_heard_alone(click_track) -> None:
    frames = FRONT_END.log_mel(click_track(130.0, 12.0)) + 1.0
    config = ViewConfig(band_drop=0.0, noise=0.0, band_keep=1.0)
    for seed in range(20):
        view = augment(frames, config, FRONT_END, np.random.default_rng(seed))
        sounding = np.flatnonzero(view.max(axis=0) > 0.0)
        assert 8 <= len(sounding) < 20
        assert sounding[-1] - sounding[0] == len(sounding) - 1


def test_beatless_windows_are_finite_and_vary() -> None:
    rng = np.random.default_rng(0)
    windows = [beatless(1024, FRONT_END, rng) for _ in range(30)]
    assert all(np.isfinite(window).all() and window.min() >= 0.0 for window in windows)
    assert any(not window.any() for window in windows)
    assert sum(window.any() for window in windows) > 20


@pytest.mark.parametrize(
    "config", [ViewConfig(echo=1.0), ViewConfig(compression=1.0)], ids=["echo", "compression"]
)
def test_production_makes_music_denser_and_keeps_the_tempo(click_track, config: ViewConfig) -> None:
    frames = FRONT_END.log_mel(click_track(110.0, 12.0))
    beat = 60.0 / 110.0 * FRONT_END.frame_rate
    for seed in range(12):
        view = produce(frames, beat, config, np.random.default_rng(seed))
        assert view.shape == frames.shape
        assert np.isfinite(view).all()
        assert view.mean() >= frames.mean()
        refined = refine_tempo(onset_strength(view), frame_rate=FRONT_END.frame_rate, bpm=111.0).bpm
        assert refined == pytest.approx(110.0, rel=5e-3)


def test_other_music_lies_under_and_not_over() -> None:
    rng = np.random.default_rng(0)
    main, under = rng.random((2, 500, 40), np.float32)
    mixed = overlay(main, under, rng)
    added = np.expm1(mixed) - np.expm1(main)
    assert (added >= -1e-6).all()
    assert np.sqrt(np.mean(added**2)) < 0.8 * np.sqrt(np.mean(np.expm1(main) ** 2))


def test_a_stretch_never_extrapolates() -> None:
    frames = np.random.default_rng(0).random((50, 40)).astype(np.float16)
    for start in (-7.3, -0.4, 20.6):
        view = stretch(frames, start=start, rate=0.93, n_frames=60)
        assert view.min() >= 0.0
        assert view.max() <= frames.max()
