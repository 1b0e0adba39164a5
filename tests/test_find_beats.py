"""The decoding of beats and bars against slow and obvious implementations."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempocli.decoding.beats import bars
from tempocli.decoding.beats.bars import find_bars
from tempocli.decoding.beats.metre import METRES, N_LAGS, _means, bar_novelty, bar_similarity
from tempocli.decoding.beats.sequence import _LONGEST, _SHORTEST, find_beats
from tempocli.inference.beats import N_FEATURES, MetreWeights

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTHING = MetreWeights(((0.0,) * N_FEATURES,) * len(METRES), (0.0,) * len(METRES))


def plain_beats(strength: NDArray[np.float64], period: float, transition: float) -> float:
    """Return the best score of any sequence of beats, by trying all predecessors of every frame."""
    low, high = max(1, math.floor(_SHORTEST * period)), math.ceil(_LONGEST * period)
    score: list[float] = []
    for frame, here in enumerate(strength):
        gains = [
            score[frame - lag] - transition * math.log(lag / period) ** 2
            for lag in range(low, high + 1)
            if frame >= lag
        ]
        score.append(here + max([0.0, *gains]))
    return max(score[max(0, len(score) - math.ceil(period)) :])


def score_of(frames: NDArray[np.int64], strength: NDArray[np.float64], period: float, cost: float) -> float:
    return float(strength[frames].sum() - cost * np.square(np.log(np.diff(frames) / period)).sum())


@given(
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=120),
    st.floats(2.0, 30.0),
    st.sampled_from([1.0, 30.0, 300.0]),
)
@settings(max_examples=80)
def test_the_best_sequence_is_found(values: list[float], period: float, transition: float) -> None:
    strength = np.array(values)
    frames = find_beats(strength, np.full(len(strength), period), transition=transition)
    assert (np.diff(frames) > 0).all()
    best = plain_beats(strength, period, transition)
    assert score_of(frames, strength, period, transition) == pytest.approx(best, abs=1e-6)


def test_nothing_has_no_beats() -> None:
    assert len(find_beats(np.zeros(0), np.zeros(0))) == 0


def test_beats_go_on_through_a_break() -> None:
    strength = np.zeros(1000)
    strength[::25] = 1.0
    strength[400:600] = 0.0
    frames = find_beats(strength, np.full(1000, 25.0))
    assert frames.tolist() == list(range(0, 1000, 25))


def test_beats_follow_the_period() -> None:
    strength = np.zeros(1200)
    places = [*range(0, 600, 20), *range(600, 1200, 30)]
    strength[places] = 1.0
    period = np.where(np.arange(1200) < 600, 20.0, 30.0)
    found = set(find_beats(strength, period).tolist())
    assert len(found & set(places)) > 0.95 * len(places)


def activations(
    metre: int, n_beats: int, *, first: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    beat = np.full(n_beats, 0.9)
    downbeat = np.where((np.arange(n_beats) - first) % metre == 0, 0.7, 0.05)
    return beat, downbeat


@pytest.mark.parametrize("metre", METRES)
@pytest.mark.parametrize("first", [0, 1])
def test_bars_by_activations(metre: int, first: int) -> None:
    beat, downbeat = activations(metre, 8 * metre, first=first)
    found = find_bars(beat, downbeat, np.zeros(N_LAGS), np.zeros(len(beat)), NOTHING, metre=metre)
    assert found.positions.tolist() == [(index - first) % metre + 1 for index in range(len(beat))]
    assert (found.downbeat[found.positions == 1] > 0.9).all()
    assert (found.downbeat[found.positions != 1] < 0.1).all()


def test_a_bar_that_is_cut_short() -> None:
    """After a beat is left out, the counting starts anew."""
    beat = np.full(40, 0.9)
    places = [*range(0, 20, 4), *range(19, 40, 4)]
    downbeat = np.full(40, 0.05)
    downbeat[places] = 0.7
    found = find_bars(beat, downbeat, np.zeros(N_LAGS), np.zeros(40), NOTHING, metre=4)
    assert np.nonzero(found.positions == 1)[0].tolist() == places


def test_the_metre_of_a_few_beats_is_that_of_most_music() -> None:
    beat, downbeat = activations(3, 6)
    found = find_bars(beat, downbeat, np.zeros(N_LAGS), np.zeros(6), NOTHING)
    assert found.metre == 4
    assert found.confidence == pytest.approx(0.8)


def test_probabilities_of_downbeats_are_those_of_all_paths() -> None:
    """By forward and backward passes as by adding up every path of five beats."""
    generator = np.random.default_rng(5)
    beat, downbeat = np.full(5, 0.8), generator.uniform(0.05, 0.8, 5)
    found = find_bars(beat, downbeat, np.zeros(N_LAGS), np.zeros(5), NOTHING, metre=3)
    observed = bars._observed(beat, downbeat)[:, 2:5]
    likelihoods = {}
    for path in itertools.product(range(3), repeat=5):
        value = observed[0, path[0]] / 3
        for index in range(1, 5):
            goes_on = path[index] == (path[index - 1] + 1) % 3
            step = bars._SLIP / 3 + (1.0 - bars._SLIP) * goes_on
            value *= step * observed[index, path[index]]
        likelihoods[path] = value
    total = sum(likelihoods.values())
    for index in range(5):
        expected = sum(value for path, value in likelihoods.items() if path[index] == 0) / total
        assert found.downbeat[index] == pytest.approx(expected, rel=1e-6)
    best = max(likelihoods, key=likelihoods.__getitem__)
    assert found.positions.tolist() == [position + 1 for position in best]


@pytest.mark.parametrize("metre", [3, 4, 5, 7])
def test_beats_of_the_same_place_are_alike(metre: int) -> None:
    generator = np.random.default_rng(3)
    patterns = generator.normal(0.0, 1.0, (metre, 20, 8))
    frames = 20.0 * np.arange(8 * metre + 1)
    log_mel = np.concatenate([patterns[index % metre] for index in range(8 * metre + 1)])
    similarity = bar_similarity(log_mel.astype(np.float16), frames)
    assert similarity[metre - 1] == pytest.approx(1.0, abs=0.01)
    others = [lag for lag in range(1, N_LAGS + 1) if lag % metre]
    assert similarity[np.array(others) - 1].max() < 0.6


def test_chords_that_change_are_new() -> None:
    chords = np.random.default_rng(4).normal(0.0, 1.0, (2, 10))
    log_mel = np.repeat(np.tile(chords, (3, 1)), 4 * 15, axis=0)
    novelty = bar_novelty(log_mel, 15.0 * np.arange(24))
    assert set(np.argsort(novelty)[-5:].tolist()) == {4, 8, 12, 16, 20}
    assert novelty.mean() == pytest.approx(0.0, abs=1e-9)


def test_many_beats_are_averaged_in_parts() -> None:
    generator = np.random.default_rng(6)
    log_mel = generator.normal(0.0, 1.0, (20_000, 3)).astype(np.float16)
    edges = np.sort(generator.uniform(0.0, 19_999.0, 9_000))
    places = np.round(edges).astype(int)
    expected = [
        log_mel[first : max(last, first + 1)].astype(np.float64).mean(axis=0)
        for first, last in itertools.pairwise(places)
    ]
    np.testing.assert_allclose(_means(log_mel, edges), expected, atol=1e-3)


@pytest.mark.parametrize("n_beats", [0, 1, 2, 11])
def test_a_few_beats_say_nothing(n_beats: int) -> None:
    log_mel, frames = np.ones((400, 5)), 30.0 * np.arange(n_beats)
    assert not bar_similarity(log_mel, frames).any()
    assert bar_novelty(log_mel, frames).tolist() == [0.0] * n_beats
