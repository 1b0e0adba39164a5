"""Refinement: exact tempi from the onset strength of a whole track, over cuts, breaks and human timing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from drums import ROCK, play
from hypothesis import given, settings
from hypothesis import strategies as st

from tempocli.decoding.refinement import refine_tempo
from tempocli.features.front_end import FrontEnd, onset_strength

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRONT_END = FrontEnd()
RATE = FRONT_END.frame_rate


def pulses(times: NDArray[np.float64], seconds: float, *, seed: int = 0) -> NDArray[np.float32]:
    """An onset curve with a pulse two frames wide at every time, over a little noise."""
    frames = np.arange(round(seconds * RATE))
    curve = np.abs(np.random.default_rng(seed).normal(0.0, 0.03, len(frames)))
    for time in times:
        near = slice(max(0, int(time * RATE) - 8), int(time * RATE) + 9)
        curve[near] += np.exp(-0.5 * ((frames[near] - time * RATE) / 1.0) ** 2)
    return curve.astype(np.float32)


def beats(bpm: float, seconds: float, *, start: float = 0.2) -> NDArray[np.float64]:
    return np.arange(start, seconds, 60.0 / bpm)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(bpm=st.floats(40.0, 240.0), off=st.floats(0.988, 1.012))
def test_clicks_come_out_within_two_hundredths(click_track, bpm: float, off: float) -> None:
    onset = onset_strength(FRONT_END.log_mel(click_track(bpm, 60.0)))
    refined = refine_tempo(onset, frame_rate=RATE, bpm=bpm * off)
    assert refined.bpm == pytest.approx(bpm, abs=0.02)
    # Where a beat is nearly a whole number of frames, the phase wobbles slowly.
    assert refined.error < 0.15


@pytest.mark.parametrize("place", [0.3, 0.5, 0.65])
@pytest.mark.parametrize("lost", [0.1, 0.25, 0.4, 0.5, 0.75, 0.9])
def test_a_cut_of_any_size_at_any_place(lost: float, place: float) -> None:
    bpm, seconds = 131.7, 60.0
    times = beats(bpm, seconds)
    after = times > place * seconds
    times[after] -= lost * 60.0 / bpm
    refined = refine_tempo(pulses(times, seconds), frame_rate=RATE, bpm=bpm * 1.004)
    assert refined.bpm == pytest.approx(bpm, abs=0.02)


def test_several_cuts() -> None:
    bpm, seconds = 97.3, 120.0
    times = beats(bpm, seconds)
    for place, lost in ((0.25, 0.3), (0.5, 0.6), (0.75, 0.25)):
        times[times > place * seconds] -= lost * 60.0 / bpm
    refined = refine_tempo(pulses(times, seconds), frame_rate=RATE, bpm=98.0)
    assert refined.bpm == pytest.approx(bpm, abs=0.02)


@pytest.mark.parametrize("noisy", [False, True], ids=["silence", "noise"])
@pytest.mark.parametrize("bpm", [88.4, 126.0, 171.2])
def test_a_break_in_the_middle(bpm: float, *, noisy: bool) -> None:
    seconds = 80.0
    times = beats(bpm, seconds)
    first, last = 28.0, 52.0
    curve = pulses(times[(times < first) | (times > last)], seconds)
    if noisy:
        rng = np.random.default_rng(1)
        middle = slice(int(first * RATE), int(last * RATE))
        curve[middle] = np.abs(rng.normal(0.0, 0.2, middle.stop - middle.start))
    refined = refine_tempo(curve, frame_rate=RATE, bpm=bpm * 0.995)
    assert refined.bpm == pytest.approx(bpm, abs=0.02)


def test_another_pulse_in_the_break_is_not_followed() -> None:
    bpm, seconds = 126.0, 72.0
    times = beats(bpm, seconds)
    times = times[(times < 24.0) | (times > 48.0)]
    slower = np.arange(24.3, 47.8, 60.0 / (bpm * 4 / 3))
    curve = pulses(times, seconds) + 0.3 * pulses(slower, seconds, seed=3)
    refined = refine_tempo(curve, frame_rate=RATE, bpm=126.4)
    assert refined.bpm == pytest.approx(bpm, abs=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_live_jitter_averages_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bpm, seconds = 112.6, 90.0
    times = beats(bpm, seconds)
    times += rng.normal(0.0, 0.012, len(times))
    refined = refine_tempo(pulses(times, seconds), frame_rate=RATE, bpm=bpm * 1.006)
    assert refined.bpm == pytest.approx(bpm, abs=0.08)
    assert refined.error < 0.2


def played(bpm: float, seconds: float, *, wander: float, jitter: float, seed: int) -> NDArray[np.float32]:
    """Pulses whose single intervals vary by `wander`, so that errors add up, and whose times by `jitter`."""
    rng = np.random.default_rng(seed)
    times = beats(bpm, seconds)
    times = times + np.cumsum(rng.normal(0.0, wander, len(times))) + rng.normal(0.0, jitter, len(times))
    return pulses(times, seconds, seed=seed)


def mean_error(*, seconds: float = 60.0, wander: float = 0.0, jitter: float = 0.0) -> float:
    curves = [played(110.0, seconds, wander=wander, jitter=jitter, seed=seed) for seed in range(6)]
    return float(np.mean([refine_tempo(curve, frame_rate=RATE, bpm=110.3).error for curve in curves]))


def test_the_error_grows_with_jitter() -> None:
    errors = [mean_error(jitter=jitter) for jitter in (0.0, 0.01, 0.03)]
    assert errors[0] < errors[1] < errors[2]


def test_the_error_grows_with_wander() -> None:
    errors = [mean_error(wander=wander) for wander in (0.0, 0.003, 0.009)]
    assert errors[0] < errors[1] < errors[2]


def test_the_error_shrinks_with_length() -> None:
    errors = [mean_error(seconds=seconds, jitter=0.015) for seconds in (20.0, 60.0, 180.0)]
    assert errors[0] > errors[1] > errors[2]


def test_the_error_tells_how_far_the_tempo_is_off() -> None:
    rng = np.random.default_rng(7)
    within = []
    for seed in range(40):
        bpm, seconds = rng.uniform(60.0, 180.0), rng.uniform(25.0, 100.0)
        jitter, wander = rng.uniform(0.0, 0.015), rng.choice([0.0, 0.002])
        # The tempo that was played, not the one aimed at.
        curve = played(bpm, seconds, wander=wander, jitter=jitter, seed=seed)
        refined = refine_tempo(curve, frame_rate=RATE, bpm=bpm * rng.uniform(0.993, 1.007))
        within.append(abs(refined.bpm - bpm) <= 2.0 * refined.error)
    assert np.mean(within) >= 0.75


@settings(max_examples=20, deadline=None)
@given(bpm=st.floats(50.0, 220.0), rate=st.floats(0.8, 1.25), seed=st.integers(0, 3))
def test_a_faster_track_is_faster_by_the_rate_and_so_is_its_error(bpm: float, rate: float, seed: int) -> None:
    curve = played(bpm, 40.0, wander=0.0, jitter=0.01, seed=seed)
    slow = refine_tempo(curve, frame_rate=RATE, bpm=bpm)
    # The same frames, each of them shorter.
    fast = refine_tempo(curve, frame_rate=RATE * rate, bpm=bpm * rate)
    # The lengths of windows and the highest frequency are in seconds, so that it is no exact law.
    assert fast.bpm / rate == pytest.approx(slow.bpm, abs=max(0.03, 3.0 * (slow.error + fast.error / rate)))
    # What a blunt peak adds depends on how many beats a segment of 16 s has.
    blunt = 0.002 * bpm
    assert fast.error / rate < 10.0 * slow.error + blunt
    assert slow.error < 10.0 * fast.error / rate + blunt


def test_the_search_is_bounded(click_track) -> None:
    onset = onset_strength(FRONT_END.log_mel(click_track(120.0, 30.0)))
    for start in (110.0, 114.0, 127.0):
        for search in (0.005, 0.02):
            refined = refine_tempo(onset, frame_rate=RATE, bpm=start, search=search)
            assert abs(refined.bpm / start - 1.0) <= 1.5 * search + 1e-9


@pytest.mark.slow
def test_a_long_track_is_taken_in_segments(click_track) -> None:
    onset = onset_strength(FRONT_END.log_mel(click_track(97.3, 400.0)))
    # Half a beat is lost in the middle: two segments bear it, one phase would not.
    onset = np.delete(onset, slice(17_000, 17_027))
    refined = refine_tempo(onset, frame_rate=RATE, bpm=98.0)
    assert refined.bpm == pytest.approx(97.3, abs=0.01)


@pytest.mark.parametrize("n_frames", [0, 1, 2, 50, 100, 200, 2000])
def test_no_onset_gives_a_finite_answer(n_frames: int) -> None:
    refined = refine_tempo(np.zeros(n_frames, np.float32), frame_rate=RATE, bpm=100.0)
    assert 97.0 <= refined.bpm <= 103.0
    assert math.isfinite(refined.error)
    assert refined.error >= 0.0


@pytest.mark.parametrize("seconds", [1.0, 2.0, 3.0, 5.0])
def test_a_short_piece_has_a_large_error(seconds: float) -> None:
    refined = refine_tempo(pulses(beats(140.0, seconds), seconds), frame_rate=RATE, bpm=140.5)
    assert refined.bpm == pytest.approx(140.0, rel=0.02)
    assert refined.error > 0.01


@pytest.mark.parametrize("seconds", [16.0, 24.0])
@pytest.mark.parametrize("lost", [0.2, 1 / 3, 0.45, 0.55, 0.8])
def test_a_cut_in_a_short_piece(lost: float, seconds: float) -> None:
    song = play(123.0, seconds, ROCK, seed=2)
    middle = len(song) // 2
    cut = np.delete(song, slice(middle, middle + round(lost * 60.0 / 123.0 * 22050)))
    refined = refine_tempo(onset_strength(FRONT_END.log_mel(cut)), frame_rate=RATE, bpm=123.3)
    assert refined.bpm == pytest.approx(123.0, abs=0.02)
