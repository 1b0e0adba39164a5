"""The search for tempi in a range, on distributions made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tempocli.axis import TempoAxis
from tempocli.decoding.search import Found, search

AXIS = TempoAxis()
BPMS = AXIS.bpms


def bump(*peaks: tuple[float, float], floor: float = 1e-6) -> np.ndarray:
    """A distribution with Gaussian peaks of one bin's width at (bpm, weight)."""
    places = np.arange(160)
    out = np.full(160, floor)
    for bpm, weight in peaks:
        out += weight * np.exp(-0.5 * (places - 48.0 * np.log2(bpm / 30.0)) ** 2)
    return out / out.sum()


def find(
    distribution: np.ndarray,
    low: float = 30.0,
    high: float = 300.0,
    *,
    exact: dict[float, float] | None = None,
) -> list[Found]:
    """Search; `exact` refines what is within 1 % of a key to its value."""

    def refined(bpm: float) -> float:
        for about, value in (exact or {}).items():
            if abs(bpm / about - 1.0) < 0.01:
                return value
        return bpm

    return search(distribution, AXIS, min_bpm=low, max_bpm=high, exact=refined)


distributions = st.lists(st.tuples(st.floats(31.0, 295.0), st.floats(0.02, 1.0)), min_size=1, max_size=5).map(
    lambda peaks: bump(*peaks)
)
ranges = st.tuples(st.floats(30.0, 250.0), st.floats(1.05, 6.0)).map(
    lambda pair: (pair[0], min(300.0, pair[0] * pair[1]))
)


@pytest.mark.slow
@given(distribution=distributions, bounds=ranges)
def test_every_answer_lies_within_the_range(distribution: np.ndarray, bounds: tuple[float, float]) -> None:
    assume(bounds[0] < bounds[1])
    assume(bounds[0] > 30.0)
    found = find(distribution, *bounds)
    assert all(bounds[0] <= each.bpm <= bounds[1] for each in found)
    mass = [each.mass for each in found]
    assert mass == sorted(mass, reverse=True)
    # Two tempi less than 8 % apart have part of their mass in common: no sum is tested.
    assert all(each.mass <= each.family + 1e-9 <= 1.0 + 2e-9 for each in found)


@pytest.mark.slow
@given(distribution=distributions)
def test_without_a_range_there_is_an_answer_and_the_largest_mass_is_first(distribution: np.ndarray) -> None:
    found = find(distribution)
    mass = [each.mass for each in found]
    assert mass
    assert mass == sorted(mass, reverse=True)
    assert all(each.mass <= each.family <= 1.0 for each in found)


@given(bpm=st.floats(31.0, 295.0), low=st.floats(30.5, 149.0))
def test_a_range_of_an_octave_always_answers_a_clear_tempo(bpm: float, low: float) -> None:
    (first, *_) = find(bump((bpm, 1.0)), low, 2.0 * low)
    octaves = np.log2(first.bpm / bpm)
    assert octaves == pytest.approx(round(octaves), abs=0.01)
    assert first.family > 0.9


@pytest.mark.slow
def test_a_range_of_an_octave_answers_whatever_is_said() -> None:
    # Of these, one has more of its mass between the peaks than any octave family has.
    rng = np.random.default_rng(0)
    places = np.arange(160)
    for _ in range(300):
        said = rng.random(160) ** rng.uniform(0.2, 8.0)
        said *= np.exp(-0.5 * ((places - 80) / rng.uniform(10.0, 100.0)) ** 2)
        assert find(said / said.sum(), 70.0, 140.0)


@pytest.mark.slow
@given(bpm=st.floats(62.0, 150.0), octave=st.sampled_from([0.5, 1.0, 2.0]), width=st.floats(1.1, 1.9))
def test_the_answer_moves_with_the_range_by_octaves(bpm: float, octave: float, width: float) -> None:
    low = bpm * octave / np.sqrt(width)
    high = bpm * octave * np.sqrt(width)
    assume(low > 30.0)
    assume(high < 300.0)
    (first, *_) = find(bump((bpm, 1.0)), low, high)
    assert first.bpm == pytest.approx(bpm * octave, rel=2e-3)


@pytest.mark.slow
@given(bpm=st.floats(70.0, 120.0), shift=st.integers(-12, 12), low=st.floats(50.0, 110.0))
def test_a_faster_distribution_in_a_faster_range(bpm: float, shift: int, low: float) -> None:
    ratio = 2.0 ** (shift / 48.0)
    # At the very edges the grid decides.
    assume(min(abs(low * edge * octave / bpm - 1.0) for edge in (1.0, 1.6) for octave in (0.5, 1, 2)) > 0.01)
    slow = find(bump((bpm, 0.7), (1.31 * bpm, 0.3)), low, 1.6 * low)
    fast = find(bump((bpm * ratio, 0.7), (1.31 * bpm * ratio, 0.3)), low * ratio, 1.6 * low * ratio)
    assert [each.bpm * ratio for each in slow] == pytest.approx([each.bpm for each in fast], rel=5e-3)
    assert [each.mass for each in slow] == pytest.approx([each.mass for each in fast], abs=0.05)


def test_drum_and_bass_counted_slowly() -> None:
    (first, *rest) = find(bump((174.0, 0.98), (116.0, 0.02)), 60.0, 120.0)
    assert first.bpm == pytest.approx(87.0, rel=1e-3)
    assert first.mass > 0.9
    assert all(each.mass < 0.1 for each in rest)
    (first,) = find(bump((280.0, 1.0)), 60.0, 120.0)
    assert first.bpm == pytest.approx(70.0, rel=1e-3)
    assert first.mass > 0.9


@pytest.mark.parametrize("bounds", [(130.0, 150.0), (140.0, 160.0), (70.0, 110.0), (260.0, 290.0)])
def test_house_in_a_range_without_it(bounds: tuple[float, float]) -> None:
    house = bump((126.0, 0.96), (63.0, 0.02), (84.0, 0.02))
    assert find(house, *bounds) == []


def test_what_is_unlikely_stays_so_where_the_likely_one_is_outside() -> None:
    assert find(bump((126.0, 0.8), (140.0, 0.2)), 132.0, 150.0) == []
    (first, *_) = find(bump((126.0, 0.2), (140.0, 0.8)), 132.0, 150.0)
    assert first.bpm == pytest.approx(140.0, rel=2e-3)
    assert first.mass < 0.85


def test_a_triple_needs_a_peak_of_its_own() -> None:
    assert find(bump((60.0, 1.0)), 170.0, 190.0) == []
    assert find(bump((180.0, 1.0)), 55.0, 65.0) == []
    (first, *_) = find(bump((60.0, 0.3), (180.0, 0.7)), 170.0, 190.0)
    assert first.bpm == pytest.approx(180.0, rel=2e-3)
    assert first.mass == pytest.approx(0.7, abs=0.03)
    # The family holds the third of it.
    assert first.family > 0.95


def test_a_tempo_at_the_very_edge_is_inside() -> None:
    house = bump((126.0, 1.0))
    (first, *_) = find(house, 126.0, 150.0, exact={126.0: 125.97})
    assert first.bpm == 126.0
    (first, *_) = find(house, 100.0, 126.0, exact={126.0: 126.03})
    assert first.bpm == 126.0
    (first, *_) = find(house, 63.0, 80.0, exact={126.0: 125.97})
    assert first.bpm == 63.0
    assert find(house, 127.0, 150.0, exact={126.0: 125.97}) == []
    assert find(house, 126.0, 150.0, exact={126.0: 125.5}) == []


def test_the_exact_tempo_decides_not_the_bin() -> None:
    blurred = bump((119.7, 1.0))
    assert find(blurred, 120.0, 150.0, exact={119.7: 119.0}) == []
    (first, *_) = find(blurred, 120.0, 150.0, exact={119.7: 120.4})
    assert first.bpm == 120.4


def test_of_two_octaves_in_the_range_the_one_that_was_heard_is_first() -> None:
    slow = find(bump((70.0, 0.7), (140.0, 0.3)), 60.0, 160.0)
    assert [each.bpm for each in slow] == pytest.approx([70.0, 140.0], rel=2e-3)
    fast = find(bump((70.0, 0.3), (140.0, 0.7)), 60.0, 160.0)
    assert [each.bpm for each in fast] == pytest.approx([140.0, 70.0], rel=2e-3)
    # Neither of them was heard, but their double.
    both = find(bump((280.0, 1.0)), 60.0, 160.0)
    assert sorted(each.bpm for each in both) == pytest.approx([70.0, 140.0], rel=2e-3)


def test_a_range_that_holds_the_whole_axis_is_no_range() -> None:
    distribution = bump((100.0, 0.6), (50.0, 0.3), (75.0, 0.1))
    assert [each.bpm for each in find(distribution)] == pytest.approx([100.0, 50.0, 75.0], rel=2e-3)


def test_what_is_found_can_be_given_another_tempo() -> None:
    assert Found(100.0, 0.5, 0.7).at(101.0) == Found(101.0, 0.5, 0.7)
