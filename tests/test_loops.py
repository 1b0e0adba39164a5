"""Loops: files whose length is a whole number of beats."""

from __future__ import annotations

import numpy as np
import pytest
from drums import HOUSE, RATE, ROCK, STEPPER, Song, kick, play, snare, tone
from hypothesis import given
from hypothesis import strategies as st

from tempocli.decoding.loops import can_be_loop, tile, whole_beats
from tempocli.estimator import Estimator
from tempocli.features.front_end import FrontEnd
from tempocli.features.periodicity import rises

FRONT_END = FrontEnd()
WALTZ = {"kick": "x...........", "snare": "....x...x...", "hat": "..x...x...x."}


@pytest.fixture(scope="module")
def estimator(model_path: object, compare_path: object) -> Estimator:
    return Estimator(device="cpu")


def octaves_off(found: float, bpm: float) -> float:
    """How far a tempo is from another one or its octaves, in BPM of the latter."""
    return abs(found / 2.0 ** round(np.log2(found / bpm)) - bpm)


def loop(bpm: float, n_beats: int, steps: dict[str, str], rate: int = RATE) -> np.ndarray:
    return play(bpm, n_beats * 60.0 / bpm, steps, bass=False, rate=rate)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [HOUSE, ROCK, STEPPER], ids=["house", "rock", "stepper"])
@pytest.mark.parametrize("n_beats", [4, 8, 16])
@pytest.mark.parametrize("bpm", [71.3, 88.0, 103.7, 124.0, 139.1, 172.6])
def test_bars_are_exact(estimator: Estimator, bpm: float, n_beats: int, steps: dict[str, str]) -> None:
    estimate = estimator.estimate_array(loop(bpm, n_beats, steps), RATE)
    assert estimate.bpm is not None
    assert octaves_off(estimate.bpm, bpm) <= 0.02
    assert estimate.steady
    assert len(estimate.tempo_sections) == 1
    assert estimate.bpm_error < 0.02


@pytest.mark.parametrize("bpm", [84.0, 117.3, 150.5])
@pytest.mark.parametrize("n_beats", [3, 6])
def test_bars_of_three(estimator: Estimator, bpm: float, n_beats: int) -> None:
    estimate = estimator.estimate_array(loop(bpm, n_beats, WALTZ), RATE)
    assert estimate.bpm is not None
    assert octaves_off(estimate.bpm, bpm) <= 0.02


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("bpm", [95.2, 128.0])
def test_the_sample_rate_does_not_matter(estimator: Estimator, bpm: float, rate: int) -> None:
    estimate = estimator.estimate_array(loop(bpm, 8, HOUSE, rate), rate)
    assert octaves_off(estimate.bpm, bpm) <= 0.02


@pytest.mark.slow
def test_a_loop_in_a_range(model_path: object, compare_path: object) -> None:
    house = loop(124.0, 4, HOUSE)
    slow = Estimator(device="cpu", min_bpm=50.0, max_bpm=100.0).estimate_array(house, RATE)
    assert slow.bpm == pytest.approx(62.0, abs=0.01)
    outside = Estimator(device="cpu", min_bpm=130.0, max_bpm=150.0).estimate_array(house, RATE)
    assert (outside.bpm, outside.reason) == (None, "no tempo between 130 and 150 BPM")


def one_shot(sound: np.ndarray, seconds: float) -> np.ndarray:
    song = Song(seconds)
    song.add(0.0, sound)
    return song.mixed()


@pytest.mark.parametrize("seconds", [1.0, 2.0, 3.0, 6.0])
@pytest.mark.parametrize("sound", ["kick", "snare", "string", "noise"])
def test_a_single_hit_has_no_tempo(estimator: Estimator, sound: str, seconds: float) -> None:
    t = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(0).normal(0.0, 0.3, len(t)) * np.exp(-3.0 * t / seconds)
    made = {"kick": kick(), "snare": snare(), "string": tone(196.0, seconds), "noise": noise}[sound]
    assert estimator.estimate_array(one_shot(made, seconds), RATE).bpm is None


@pytest.mark.parametrize("seconds", [1.0, 2.0, 5.0, 10.0])
def test_silence_and_drones_have_no_tempo(estimator: Estimator, seconds: float) -> None:
    silence = np.zeros(round(seconds * RATE), np.float32)
    assert estimator.estimate_array(silence, RATE).reason == "silence"
    t = np.arange(len(silence)) / RATE
    drone = 0.2 * (np.sin(2 * np.pi * 110.0 * t) + np.sin(2 * np.pi * 165.0 * t))
    assert estimator.estimate_array(drone.astype(np.float32), RATE).bpm is None


@pytest.mark.slow
def test_excerpts_that_are_no_loops_are_not_measured_by_their_length(estimator: Estimator) -> None:
    rng = np.random.default_rng(5)
    by_length = near = answered = 0
    n = 24
    for index in range(n):
        bpm, n_beats = rng.uniform(75.0, 175.0), rng.choice([4.3, 5.4, 6.6, 8.35, 10.5])
        steps = (HOUSE, ROCK, STEPPER)[index % 3]
        song = play(bpm, (n_beats + 8.0) * 60.0 / bpm, steps, seed=index)
        first = round(rng.uniform(0.0, 7.0) * 60.0 / bpm * RATE)
        excerpt = song[first : first + round(n_beats * 60.0 / bpm * RATE)]
        found = estimator.estimate_array(excerpt, RATE).bpm
        if found is None:
            continue
        answered += 1
        per_beat = 60.0 * RATE / len(excerpt)
        by_length += abs(found / per_beat - round(found / per_beat)) < 1e-4
        near += octaves_off(found, bpm) <= 0.04 * bpm
    assert answered >= 0.5 * n
    assert near >= 0.8 * answered
    assert by_length <= 0.1 * n


@given(
    n_frames=st.integers(1, 60), lost=st.floats(0.0, 0.9), wanted=st.integers(1, 300), seed=st.integers(0, 9)
)
def test_tiles_repeat(n_frames: int, lost: float, wanted: int, seed: int) -> None:
    frames = np.random.default_rng(seed).random((n_frames, 4)).astype(np.float32)
    tiled = tile(frames, period=n_frames - lost, n_frames=wanted)
    assert tiled.shape == (wanted, 4)
    assert np.isfinite(tiled).all()
    assert tiled.min() >= frames.min() - 1e-6
    assert tiled.max() <= frames.max() + 1e-6
    whole = tile(frames, period=float(n_frames), n_frames=wanted)
    np.testing.assert_array_equal(whole, frames[np.arange(wanted) % n_frames])


@pytest.mark.slow
@given(bpm=st.floats(40.0, 250.0), n_beats=st.integers(2, 32), off=st.floats(-0.4, 0.4))
def test_whole_beats(bpm: float, n_beats: int, off: float) -> None:
    duration = n_beats * 60.0 / bpm
    found = whole_beats(duration, bpm * (1.0 + off / n_beats))
    assert found is not None
    assert found.n_beats == n_beats
    assert found.bpm == pytest.approx(bpm)


@pytest.mark.parametrize("n_beats", [0, 1, 33, 200])
def test_too_few_or_too_many_beats(n_beats: int) -> None:
    assert whole_beats(n_beats * 0.5 + 1e-9, 120.0) is None


def test_the_next_exact_tempo() -> None:
    found = whole_beats(2.0, 119.0)
    assert (found.n_beats, found.bpm) == (4, 120.0)
    assert found.nearest(61.0) == 60.0
    assert found.nearest(238.0) == 240.0
    # No octave: another whole number of beats in the same time.
    assert found.nearest(178.0) == 180.0
    assert found.nearest(91.0) == 90.0
    # Neither: 160 and 80 BPM are five and a third, and two and two thirds of a beat.
    assert found.nearest(160.0) == 160.0
    assert found.nearest(80.0) == 80.0


def test_two_beats_have_no_rival_at_their_own_tempo() -> None:
    found = whole_beats(1.0, 119.0)
    assert [found.nearest(bpm) for bpm in (119.0, 90.0, 61.0)] == [120.0, 90.0, 60.0]


def edges(samples: np.ndarray) -> bool:
    frames = FRONT_END.log_mel(samples)
    return can_be_loop(frames, frames, rises(frames, FRONT_END), FRONT_END)


def test_a_loop_begins_with_an_onset_when_it_follows_itself() -> None:
    assert edges(loop(120.0, 8, HOUSE))
    assert not edges(one_shot(kick(), 4.0))
    t = np.arange(4 * RATE) / RATE
    assert not edges((0.3 * np.sin(2 * np.pi * 220.0 * t)).astype(np.float32))
    assert not edges(np.zeros(4 * RATE, np.float32))
    # The first beat is a quarter of a beat late.
    assert not edges(np.roll(loop(120.0, 8, {"kick": "x...x...x...x..."}), RATE // 8))


def test_nothing_is_no_loop() -> None:
    empty = np.zeros((0, FRONT_END.n_mels), np.float32)
    assert not can_be_loop(empty, empty, np.zeros(0, np.float32), FRONT_END)
