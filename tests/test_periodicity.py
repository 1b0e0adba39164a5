"""The periodicity of a whole track, measured without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempocli.axis import TempoAxis
from tempocli.features.front_end import FrontEnd
from tempocli.features.periodicity import fold, measure, rises

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRONT_END = FrontEnd()
RATE = FRONT_END.frame_rate
AXIS = TempoAxis()
BPMS = AXIS.bpms

HEIGHT = 60.0


def train(bpm: float, seconds: float, *, offset: float = 0.3) -> NDArray[np.float32]:
    """An onset curve with one pulse a beat, as high as the rises of music."""
    frames = np.arange(round(seconds * RATE)) / RATE
    distance = np.abs((frames - offset + 30.0 / bpm) % (60.0 / bpm) - 30.0 / bpm)
    return (HEIGHT * np.exp(-0.5 * (distance * RATE / 1.2) ** 2)).astype(np.float32)


def bar(hits: str, bpm: float, seconds: float, *, division: int) -> NDArray[np.float32]:
    """An onset curve of a pattern that repeats: a digit is a hit's height, one character a division."""
    step = 60.0 / bpm / division
    period = step * len(hits)
    frames = np.arange(round(seconds * RATE)) / RATE
    curve = np.zeros(len(frames))
    for place, height in enumerate(hits):
        distance = np.abs((frames - place * step + period / 2) % period - period / 2)
        curve += int(height) * np.exp(-0.5 * (distance * RATE / 1.2) ** 2)
    return (HEIGHT / 9.0 * curve).astype(np.float32)


def weight_at(curve: NDArray[np.float32], bpm: float) -> float:
    found = measure(curve, frame_rate=RATE, axis=AXIS).division
    return float(np.interp(bpm, BPMS, found))


def in_family(found: float, bpm: float) -> bool:
    ratios = np.array([1 / 4, 1 / 3, 1 / 2, 1.0, 2.0, 3.0, 4.0])
    return bool(np.abs(np.log(found / (ratios * bpm))).min() < 0.02)


@settings(max_examples=40)
@given(bpm=st.floats(40.0, 250.0), offset=st.floats(0.0, 1.0))
def test_the_peak_of_a_pulse_train_is_its_tempo_or_a_relative(bpm: float, offset: float) -> None:
    found = measure(train(bpm, 40.0, offset=offset), frame_rate=RATE, axis=AXIS)
    assert in_family(float(BPMS[found.distribution.argmax()]), bpm)
    assert found.distribution.sum() == pytest.approx(1.0)
    assert found.distribution.min() >= 0.0


@pytest.mark.slow
@settings(max_examples=10)
@given(bpm=st.floats(50.0, 180.0))
def test_clicks_through_the_front_end(click_track, bpm: float) -> None:
    curve = rises(FRONT_END.log_mel(click_track(bpm, 30.0)), FRONT_END)
    found = measure(curve, frame_rate=RATE, axis=AXIS)
    assert in_family(float(BPMS[found.distribution.argmax()]), bpm)
    # Bare clicks are two frames wide, and most periods are no whole number of frames.
    assert found.strength > 0.2


@pytest.mark.slow
@settings(max_examples=25)
@given(bpm=st.floats(60.0, 150.0), shift=st.integers(-9, 12))
def test_a_faster_curve_moves_the_distribution(bpm: float, shift: int) -> None:
    curve = train(bpm, 60.0)
    ratio = 2.0 ** (shift / 48.0)
    slow = measure(curve, frame_rate=RATE, axis=AXIS).distribution
    fast = measure(curve, frame_rate=RATE * ratio, axis=AXIS).distribution
    inside = slice(20, 140)
    moved = fast[20 + shift : 140 + shift]
    # The curve that is played faster has another mean over two seconds: nearly, not exactly, the same.
    correlation = np.corrcoef(slow[inside], moved)[0, 1]
    assert correlation > 0.98


def test_strength_is_near_one_for_a_machine_and_near_nothing_for_noise() -> None:
    machine = measure(train(120.0, 60.0), frame_rate=RATE, axis=AXIS)
    noise = HEIGHT * np.random.default_rng(0).random(round(60.0 * RATE)).astype(np.float32)
    assert 0.8 < machine.strength <= 1.01
    assert 0.0 <= measure(noise, frame_rate=RATE, axis=AXIS).strength < 0.15


def test_a_ripple_is_no_onset_however_regular() -> None:
    machine = train(120.0, 60.0)
    ripple = measure(machine * np.float32(3.0 / HEIGHT), frame_rate=RATE, axis=AXIS)
    assert ripple.strength < 0.15
    assert ripple.distribution.argmax() == measure(machine, frame_rate=RATE, axis=AXIS).distribution.argmax()


def test_jitter_lowers_the_strength() -> None:
    rng = np.random.default_rng(0)
    values = []
    for jitter in (0.0, 0.02, 0.08):
        frames = np.arange(round(60.0 * RATE))
        times = np.arange(0.2, 60.0, 0.5) + rng.normal(0.0, jitter, 120)
        pulses = np.exp(-0.5 * (frames[:, None] - times * RATE) ** 2)
        curve = HEIGHT * pulses.sum(axis=1).astype(np.float32)
        values.append(measure(curve, frame_rate=RATE, axis=AXIS).strength)
    assert values[0] > values[1] > values[2]


def test_strength_is_of_parts_so_that_a_change_of_tempo_hardly_lowers_it() -> None:
    joined = np.concatenate([train(100.0, 40.0), train(131.0, 40.0)])
    assert measure(joined, frame_rate=RATE, axis=AXIS).strength > 0.7


@pytest.mark.parametrize("n_frames", [0, 1, 2, 3, 10, 86, 200, 3000])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_curve_in_which_nothing_happens_says_nothing(n_frames: int, value: float) -> None:
    found = measure(np.full(n_frames, value, np.float32), frame_rate=RATE, axis=AXIS)
    assert np.isfinite(found.distribution).all()
    assert found.distribution.sum() == pytest.approx(1.0)
    assert 0.0 <= found.strength < 0.05
    if not value:
        np.testing.assert_allclose(found.distribution, 1.0 / len(BPMS))


@pytest.mark.slow
@given(n_frames=st.integers(0, 400), seed=st.integers(0, 20))
def test_short_curves_give_a_distribution(n_frames: int, seed: int) -> None:
    curve = np.random.default_rng(seed).random(n_frames).astype(np.float32)
    found = measure(curve, frame_rate=RATE, axis=AXIS)
    assert np.isfinite(found.distribution).all()
    assert found.distribution.min() >= 0.0
    assert found.distribution.sum() == pytest.approx(1.0)


def test_of_a_long_curve_the_middle_counts() -> None:
    middle = train(120.0, 180.0)
    ends = np.random.default_rng(0).random(round(100.0 * RATE)).astype(np.float32)
    alone = measure(middle, frame_rate=RATE, axis=AXIS).distribution
    framed = measure(np.concatenate([ends, middle, ends]), frame_rate=RATE, axis=AXIS).distribution
    np.testing.assert_allclose(framed, alone, atol=0.01)


def test_level_does_not_matter() -> None:
    curve = train(97.0, 30.0)
    loud = measure(1000.0 * curve, frame_rate=RATE, axis=AXIS)
    soft = measure(0.01 * curve, frame_rate=RATE, axis=AXIS)
    np.testing.assert_allclose(loud.distribution, soft.distribution, rtol=1e-3, atol=1e-6)


@given(place=st.integers(52, 107), seed=st.integers(0, 20))
def test_what_is_folded_says_nothing_of_the_octave(place: int, seed: int) -> None:
    sharp = np.full(160, 1e-6)
    sharp[place] = np.random.default_rng(seed).uniform(0.1, 1.0)
    folded = fold(sharp, AXIS)
    # The tempo, its half and its double have the same.
    assert folded[place] == folded[place - 48] == folded[place + 48] == sharp[place]


@given(seed=st.integers(0, 50))
def test_fold_is_monotone_and_keeps_what_is_there(seed: int) -> None:
    rng = np.random.default_rng(seed)
    distribution = rng.dirichlet(np.full(160, 0.2))
    folded = fold(distribution, AXIS)
    assert (folded >= distribution).all()
    assert folded.max() == distribution.max()
    assert (fold(2.0 * distribution, AXIS) == 2.0 * folded).all()
    assert (fold(distribution + 0.1, AXIS) >= folded).all()


@given(place=st.integers(60, 99))
def test_fold_reaches_triples_and_thirds_and_no_other_ratio(place: int) -> None:
    sharp = np.zeros(160)
    sharp[place] = 1.0
    folded = fold(sharp, AXIS)
    relatives = [round(48.0 * np.log2(factor)) for factor in (1 / 3, 1 / 2, 1.0, 2.0, 3.0)]
    reached = [index for index in range(160) if folded[index] > 0.0]
    assert all(min(abs(index - place - each) for each in relatives) <= 3 for index in reached)
    for each in relatives:
        if 0 <= place + each < 160:
            assert folded[place + each] == 1.0
    # A tempo in a ratio of 3 to 2 or 4 to 3 gets nothing.
    assert folded[place + 28] == folded[place + 20] == 0.0


def test_rises_count_up_not_down() -> None:
    log_mel = np.zeros((20, FRONT_END.n_mels), np.float32)
    log_mel[10:15] = 1.0
    curve = rises(log_mel, FRONT_END)
    assert curve.shape == (20,)
    assert (curve > 0.0).nonzero()[0].tolist() == [10, 11]


def test_a_soft_onset_counts_nearly_as_much_as_a_loud_one() -> None:
    log_mel = np.zeros((20, FRONT_END.n_mels), np.float32)
    log_mel[5] = np.log1p(FRONT_END.log_gain * 0.5)
    log_mel[15] = np.log1p(FRONT_END.log_gain * 0.05)
    curve = rises(log_mel, FRONT_END)
    assert 0.6 < curve[15] / curve[5] < 1.0


@pytest.mark.parametrize("n_frames", [0, 1, 2, 3])
def test_few_frames_rise(n_frames: int) -> None:
    log_mel = np.ones((n_frames, FRONT_END.n_mels), np.float32)
    assert rises(log_mel, FRONT_END).tolist() == [0.0] * n_frames


@pytest.mark.slow
@settings(max_examples=25)
@given(bpm=st.floats(80.0, 200.0))
def test_half_a_bar_of_five_or_seven_is_no_beat(bpm: float) -> None:
    five = bar("9252722922", bpm, 30.0, division=2)
    five_alike = bar("92272", bpm, 30.0, division=2)
    seven_alike = bar("9222722", bpm, 30.0, division=2)
    for curve in (five, five_alike, seven_alike):
        assert weight_at(curve, bpm) == 1.0
    # Two beats in the time of two and a half, or of three and a half, and the bar halves themselves.
    for curve, part in ((five_alike, 2.5), (seven_alike, 3.5)):
        for wrong in (2.0 * bpm / part, bpm / part):
            if BPMS[0] < wrong < BPMS[-1]:
                assert weight_at(curve, wrong) < 0.5


@settings(max_examples=25)
@given(
    bpm=st.floats(60.0, 180.0),
    hits=st.sampled_from(
        ["9020602090206020", "9222622292226222", "9007009000700900", "920620920620", "9060"]
    ),
)
def test_beats_in_two_three_and_four_weigh_nothing(bpm: float, hits: str) -> None:
    assert weight_at(bar(hits, bpm, 30.0, division=3 if len(hits) == 12 else 4), bpm) == 1.0


@pytest.mark.parametrize("seconds", [0.0, 0.05, 1.0, 2.0])
def test_what_is_too_short_to_tell_weighs_nothing(seconds: float) -> None:
    weights = measure(bar("92272", 150.0, seconds, division=2), frame_rate=RATE, axis=AXIS).division
    assert weights[BPMS < 120.0] == pytest.approx(1.0)
    assert np.isfinite(weights).all()
