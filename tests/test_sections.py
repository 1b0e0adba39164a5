"""Tempo sections and steadiness, from the tempi of windows made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempocli.decoding.sections import DRIFT, find_sections

if TYPE_CHECKING:
    from tempocli.decoding.sections import Course

STEP = 3.0


def course(tempi: np.ndarray, *, share: float = 0.9, noise: float = 0.003, seed: int = 0) -> Course:
    """Find the sections of windows every three seconds, whose tempi are a little off."""
    rng = np.random.default_rng(seed)
    heard = np.asarray(tempi, np.float64) * np.exp(rng.normal(0.0, noise, len(tempi)))
    return find_sections(np.arange(len(tempi)) * STEP + 6.0, heard, np.full(len(tempi), share))


def tempi_of(found: Course) -> list[float]:
    return [section.bpm for section in found.sections]


@pytest.mark.parametrize("n_windows", [1, 2, 3, 4, 10, 60, 300])
@pytest.mark.parametrize("bpm", [47.0, 120.0, 233.0])
def test_one_tempo_is_one_section(n_windows: int, bpm: float) -> None:
    found = course(np.full(n_windows, bpm))
    assert found.steady
    assert tempi_of(found) == [pytest.approx(bpm, rel=0.01)]
    assert (found.sections[0].first, found.sections[0].stop) == (0, n_windows)
    assert not found.sections[0].is_ramp


@pytest.mark.parametrize("percent", [-2.5, -1.5, 1.5, 2.5])
def test_the_drift_of_a_live_band_is_steady(percent: float) -> None:
    found = course(np.geomspace(120.0, 120.0 * (1.0 + percent / 100.0), 60))
    assert found.steady
    assert len(found.sections) == 1


@pytest.mark.parametrize("seed", range(4))
def test_a_tempo_that_wanders_within_the_drift_is_steady(seed: int) -> None:
    phase = np.random.default_rng(seed).uniform(0.0, 6.0)
    waves = 0.4 * DRIFT * np.sin(np.arange(80) / 12.0 + phase)
    assert course(110.0 * (1.0 + waves), seed=seed).steady


@pytest.mark.parametrize(("start", "end"), [(100.0, 160.0), (140.0, 90.0), (120.0, 135.0)])
def test_a_ramp_is_not_steady_and_one_section(start: float, end: float) -> None:
    found = course(np.geomspace(start, end, 30))
    assert not found.steady
    assert len(found.sections) == 1
    (ramp,) = found.sections
    assert ramp.is_ramp
    assert ramp.start_bpm == pytest.approx(start, rel=0.02)
    assert ramp.end_bpm == pytest.approx(end, rel=0.02)
    assert ramp.bpm == pytest.approx(np.sqrt(start * end), rel=0.02)


@pytest.mark.parametrize(("first", "second"), [(100.0, 140.0), (128.0, 110.0), (90.0, 97.0), (174.0, 160.0)])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_two_tempi(first: float, second: float, share: float) -> None:
    n_first = round(40 * share)
    found = course(np.repeat([first, second], [n_first, 40 - n_first]))
    assert not found.steady
    assert tempi_of(found) == [pytest.approx(first, rel=0.015), pytest.approx(second, rel=0.015)]
    assert abs(found.sections[1].first - n_first) <= 1


def test_three_tempi() -> None:
    found = course(np.repeat([96.0, 124.0, 107.0], 20))
    assert not found.steady
    assert tempi_of(found) == [pytest.approx(bpm, rel=0.015) for bpm in (96.0, 124.0, 107.0)]


def test_a_tempo_a_ramp_and_another_tempo() -> None:
    found = course(np.concatenate([np.full(20, 90.0), np.geomspace(90.0, 130.0, 20), np.full(20, 130.0)]))
    assert not found.steady
    assert tempi_of(found)[0] == pytest.approx(90.0, rel=0.02)
    assert tempi_of(found)[-1] == pytest.approx(130.0, rel=0.02)
    assert any(section.is_ramp for section in found.sections[1:-1])


@pytest.mark.parametrize("ratio", [4 / 3, 3 / 4, 3 / 2, 2 / 3])
def test_a_break_in_a_ratio_of_the_beat_is_no_change_of_tempo(ratio: float) -> None:
    parts = [np.full(20, 126.0), np.full(12, 126.0 * ratio), np.full(20, 126.0)]
    assert course(np.concatenate(parts)).steady


def test_a_middle_part_in_another_ratio_is_a_change_of_tempo() -> None:
    parts = [np.full(20, 126.0), np.full(12, 126.0 * 1.15), np.full(20, 126.0)]
    found = course(np.concatenate(parts))
    assert not found.steady
    assert len(found.sections) == 3


@pytest.mark.parametrize("ratio", [2.0, 0.5, 3.0, 1 / 3])
def test_octaves_and_triples_are_no_change_of_tempo(ratio: float) -> None:
    tempi = np.full(50, 84.0)
    tempi[10:14] *= ratio
    tempi[33:45] *= ratio
    found = course(tempi)
    assert found.steady
    assert len(found.sections) == 1


def test_a_single_window_is_no_section() -> None:
    tempi = np.full(40, 120.0)
    tempi[17] = 143.0
    assert course(tempi).steady
    assert len(course(tempi).sections) == 1


def test_windows_that_are_uncertain_are_no_evidence() -> None:
    rng = np.random.default_rng(0)
    tempi, shares = np.full(60, 120.0), np.full(60, 0.9)
    tempi[20:35] = rng.uniform(60.0, 200.0, 15)
    shares[20:35] = 0.1
    assert find_sections(np.arange(60) * STEP, tempi, shares).steady


@pytest.mark.parametrize("bpms", [(100.0, 140.0), (90.0, 91.0)])
def test_two_windows(bpms: tuple[float, float]) -> None:
    found = course(np.array(bpms), noise=0.0)
    assert (found.sections[0].first, found.sections[-1].stop) == (0, 2)


@pytest.mark.slow
def test_a_long_recording_has_the_sections_of_a_short_one() -> None:
    found = course(np.repeat([100.0, 130.0, 110.0], 1000))
    assert tempi_of(found) == [pytest.approx(bpm, rel=0.01) for bpm in (100.0, 130.0, 110.0)]
    assert course(np.full(3000, 100.0)).steady


def test_a_section_longer_than_the_search_looks_back_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempocli.decoding.sections._MAX_WINDOWS", 40)
    assert len(course(np.full(300, 100.0)).sections) == 1
    assert tempi_of(course(np.repeat([100.0, 130.0], 150))) == pytest.approx([100.0, 130.0], rel=0.01)
    assert len(course(np.geomspace(80.0, 160.0, 100)).sections) == 1


def test_the_middle_of_a_ramp_that_is_not_even() -> None:
    tempi = np.concatenate([np.geomspace(100.0, 110.0, 15), np.geomspace(110.0, 150.0, 16)])
    found = course(tempi, noise=0.0)
    whole = replace(found.sections[0], stop=len(tempi))
    for index in (4, 15, 23):
        assert found.bpm_at(whole, found.times[index]) == pytest.approx(tempi[index], rel=0.01)
    assert found.bpm_at(whole, found.times[-1] + 100.0) == pytest.approx(150.0, rel=0.02)
    short = course(np.full(2, 100.0), noise=0.0)
    assert short.bpm_at(short.sections[0], 0.0) == pytest.approx(100.0)


def test_windows_are_clear_where_they_are_certain() -> None:
    assert course(np.full(20, 100.0), share=0.9).clear
    assert not course(np.full(20, 100.0), share=0.4).clear


@settings(max_examples=60)
@given(
    tempi=st.lists(st.floats(30.0, 300.0), min_size=1, max_size=60),
    seed=st.integers(0, 100),
    gap=st.floats(0.5, 8.0),
)
def test_sections_tile_the_windows(tempi: list[float], seed: int, gap: float) -> None:
    shares = np.random.default_rng(seed).uniform(0.01, 1.0, len(tempi))
    found = find_sections(np.arange(len(tempi)) * gap, np.array(tempi), shares)
    assert found.sections[0].first == 0
    assert found.sections[-1].stop == len(tempi)
    for one, other in zip(found.sections, found.sections[1:], strict=False):
        assert one.stop == other.first
    shortest = min(3, len(tempi))
    assert all(section.stop - section.first >= shortest for section in found.sections)
    assert all(15.0 <= section.bpm <= 2000.0 for section in found.sections)
    octaves = np.log2(found.tempi / np.array(tempi))
    allowed = np.array([0.0, 1.0, -1.0, 2.0, -2.0, np.log2(3.0), -np.log2(3.0)])
    assert np.abs(octaves[:, None] - allowed).min(axis=1).max() < 1e-9


@pytest.mark.slow
@settings(max_examples=40)
@given(rate=st.floats(0.8, 1.25), seed=st.integers(0, 20))
def test_a_faster_track_has_the_same_sections_faster(rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tempi = np.repeat(rng.uniform(80.0, 150.0, 3), rng.integers(4, 20, 3))
    slow, fast = course(tempi, seed=seed), course(tempi * rate, seed=seed)
    assert fast.steady == slow.steady
    assert [(each.first, each.stop) for each in fast.sections] == [
        (each.first, each.stop) for each in slow.sections
    ]
    assert tempi_of(fast) == pytest.approx([rate * bpm for bpm in tempi_of(slow)])


@settings(max_examples=30)
@given(seed=st.integers(0, 50))
def test_played_backwards_it_is_as_steady(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tempi = np.repeat(rng.uniform(90.0, 130.0, 2), rng.integers(5, 30, 2))
    times = np.arange(len(tempi)) * STEP
    shares = np.full(len(tempi), 0.9)
    forward = find_sections(times, tempi, shares)
    assert forward.steady == find_sections(times, tempi[::-1], shares).steady
