"""Grids of constant tempo: one, or several where the beats need them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempocli.decoding.beats.grid import fit_grid
from tempocli.schema import Beat


def beats(times: object, *, metre: int = 4, first: int = 0) -> list[Beat]:
    return [
        Beat(float(time), (index - first) % metre + 1, 0.9) for index, time in enumerate(np.asarray(times))
    ]


@given(
    st.floats(40.0, 250.0),
    st.floats(0.0, 5.0),
    st.integers(8, 300),
    st.floats(0.0, 0.008),
    st.integers(0, 3),
)
@settings(max_examples=60)
def test_beats_of_one_tempo(bpm: float, start: float, n_beats: int, jitter: float, first: int) -> None:
    exact = start + 60.0 / bpm * np.arange(n_beats)
    times = exact + np.random.default_rng(n_beats).normal(0.0, jitter, n_beats)
    (section,) = fit_grid(beats(np.maximum.accumulate(times), first=first))
    assert section.n_beats == n_beats
    # A few milliseconds at the ends, and whole numbers within twice that.
    length = 60.0 / bpm * n_beats
    assert section.bpm == pytest.approx(bpm, abs=0.001 + bpm * (0.008 + 5.0 * jitter) / length)
    place = next(index for index in range(n_beats) if (index - first) % 4 == 0)
    assert section.anchor == pytest.approx(exact[place], abs=0.006 + 4.0 * jitter)
    assert section.residual <= 0.005 + 2.0 * jitter


def test_a_whole_tempo_is_said_as_such() -> None:
    times = 0.2 + 60.0 / 128.0 * np.arange(120) + np.random.default_rng(1).normal(0.0, 0.004, 120)
    (section,) = fit_grid(beats(times))
    assert section.bpm == 128.0


def test_a_tempo_with_a_fraction_stays() -> None:
    (section,) = fit_grid(beats(60.0 / 127.6 * np.arange(400)))
    assert section.bpm == pytest.approx(127.6, abs=0.001)


def test_two_tempi_are_two_sections() -> None:
    first = 60.0 / 100.0 * np.arange(60)
    second = first[-1] + 60.0 / 130.0 * np.arange(1, 90)
    sections = fit_grid(beats(np.concatenate([first, second])))
    assert [round(section.bpm) for section in sections] == [100, 130]
    assert sum(section.n_beats for section in sections) == 149
    assert sections[0].end <= sections[1].start


def test_a_drifting_drummer_has_several_sections() -> None:
    periods = 0.5 * (1.0 + 0.03 * np.sin(np.arange(300) / 40.0))
    times = np.cumsum(periods)
    sections = fit_grid(beats(times))
    assert 3 <= len(sections) <= 60
    for section in sections:
        assert section.residual < 0.03
    assert sum(section.n_beats for section in sections) == 300


def test_a_beat_far_off_moves_nothing() -> None:
    times = 0.5 * np.arange(80)
    times[40] += 0.12
    (section,) = fit_grid(beats(times))
    assert section.bpm == 120.0
    assert section.anchor == pytest.approx(0.0, abs=0.001)


@pytest.mark.parametrize("n_beats", [0, 1])
def test_too_few_beats_have_no_grid(n_beats: int) -> None:
    assert fit_grid(beats(np.arange(n_beats))) == ()


def test_two_beats_have_one() -> None:
    (section,) = fit_grid(beats([1.0, 1.5]))
    assert (section.bpm, section.anchor, section.n_beats) == (120.0, 1.0, 2)
