"""The decision on tempo, confidence and sections, on scripted windows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import PLAIN, STEP, both, bump, hear_script, rows, spec

from tempocli.decoding.track_decoder import TrackDecoder, combine
from tempocli.inference.calibration import Calibration
from tempocli.inference.options import SearchOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tempocli.schema import Estimate


def never(windows: Any) -> Any:
    raise AssertionError("nothing should be encoded")


def decoder(
    calibration: Calibration = PLAIN,
    *,
    low: float = 30.0,
    high: float = 300.0,
    top: int = 5,
    methods: int = 1,
) -> TrackDecoder:
    model = both(calibration=calibration) if methods == 2 else spec(calibration=calibration)
    return TrackDecoder(model, never, SearchOptions(low, high, top))


def decode(tempi: Sequence[float], **options: Any) -> Estimate:
    return decoder(**options).decode(hear_script(tempi))


@pytest.mark.slow
@settings(max_examples=15)
@given(bpm=st.floats(50.0, 220.0), n_windows=st.integers(5, 40))
def test_steady_windows_are_one_section(bpm: float, n_windows: int) -> None:
    estimate = decode([bpm] * n_windows)
    assert estimate.bpm == pytest.approx(bpm, abs=max(0.03, 4.0 * (estimate.bpm_error or 0.0)))
    assert estimate.steady
    (section,) = estimate.tempo_sections
    assert (section.start, section.end, section.bpm) == (0.0, n_windows * STEP, estimate.bpm)
    assert section.confidence == estimate.confidence
    assert [point.bpm for point in estimate.curve] == pytest.approx([bpm] * n_windows, rel=0.01)


@pytest.mark.parametrize(("n_first", "n_second"), [(15, 25), (25, 15), (10, 40)])
def test_of_two_tempi_that_of_the_longest_section_is_taken(n_first: int, n_second: int) -> None:
    estimate = decode([103.0] * n_first + [138.0] * n_second)
    assert estimate.steady is False
    first, second = estimate.tempo_sections
    assert first.bpm == pytest.approx(103.0, abs=0.2)
    assert second.bpm == pytest.approx(138.0, abs=0.2)
    assert (first.start, first.end, second.end) == (0.0, second.start, (n_first + n_second) * STEP)
    assert first.end == pytest.approx(n_first * STEP, abs=STEP)
    assert estimate.bpm == pytest.approx(103.0 if n_first > n_second else 138.0, abs=0.2)


def test_three_tempi_have_three_sections_without_gaps() -> None:
    estimate = decode([90.0] * 15 + [121.0] * 20 + [104.0] * 15)
    assert [round(section.bpm) for section in estimate.tempo_sections] == [90, 121, 104]
    borders = [section.start for section in estimate.tempo_sections[1:]]
    assert borders == [section.end for section in estimate.tempo_sections[:-1]]


@pytest.mark.parametrize(("start", "end"), [(100.0, 160.0), (150.0, 100.0)])
def test_of_a_ramp_the_middle_is_taken(start: float, end: float) -> None:
    estimate = decode(list(np.geomspace(start, end, 30)))
    assert estimate.steady is False
    assert estimate.bpm == pytest.approx(np.sqrt(start * end), rel=0.03)
    assert estimate.bpm_error is not None
    # As far as the tempo of the ramp lies from its middle, on average.
    assert estimate.bpm_error == pytest.approx(abs(end - start) / np.sqrt(12.0), rel=0.2)


def test_one_number_is_right_for_a_part_only_and_its_confidence_says_so() -> None:
    alone = decode([138.0] * 50).confidence
    confidences = [decode([103.0] * n + [138.0] * (50 - n)).confidence for n in (8, 15, 22)]
    assert alone > confidences[0] > confidences[1] > confidences[2]
    assert confidences[1] == pytest.approx(0.7 * alone, rel=0.2)


def test_a_break_in_the_middle_is_no_section() -> None:
    estimate = decode([126.0] * 15 + [168.0] * 8 + [126.0] * 15)
    assert estimate.steady
    assert len(estimate.tempo_sections) == 1
    assert estimate.bpm == pytest.approx(126.0, abs=0.1)


@pytest.mark.parametrize(
    ("low", "high", "bpm"), [(60.0, 80.0, 70.0), (100.0, 150.0, 140.0), (250.0, 300.0, 280.0)]
)
def test_a_range_is_answered_by_an_octave(low: float, high: float, bpm: float) -> None:
    estimate = decode([140.0] * 20, low=low, high=high)
    assert estimate.bpm == pytest.approx(bpm, abs=0.05)
    assert low <= estimate.bpm <= high
    assert all(low <= each.bpm <= high for each in (*estimate.candidates, *estimate.curve))
    assert all(low <= section.bpm <= high for section in estimate.tempo_sections)


def test_candidates_lie_in_the_range_and_are_floats() -> None:
    said = rows(*[bump((150.2, 0.7), (298.2, 0.3))] * 20)
    estimate = decoder(low=30, high=300).decode(hear_script([150.2] * 20, {"classify": said}))
    one, two = estimate.candidates
    assert (one.relation, two.relation) == ("1", "2")
    assert one.bpm > 150.1
    assert (two.bpm, type(two.bpm)) == (300.0, float)


def test_the_sections_lie_in_the_range_too() -> None:
    estimate = decode([103.0] * 15 + [138.0] * 25, low=60.0, high=72.0)
    assert [section.bpm for section in estimate.tempo_sections] == [pytest.approx(69.0, abs=0.1)]
    assert estimate.bpm == pytest.approx(69.0, abs=0.1)


def test_a_range_without_the_tempo() -> None:
    estimate = decode([140.0] * 20, low=75.0, high=130.0)
    assert (estimate.bpm, estimate.reason) == (None, "no tempo between 75 and 130 BPM")
    assert (estimate.confidence, estimate.candidates, estimate.tempo_sections) == (0.0, (), ())
    assert (estimate.bpm_error, estimate.steady) == (None, None)


@pytest.mark.slow
@settings(max_examples=25)
@given(
    bpm=st.floats(40.0, 240.0),
    low=st.floats(30.0, 200.0),
    width=st.floats(1.1, 3.0),
    change=st.floats(0.7, 1.4),
)
def test_whatever_is_answered_lies_in_the_range(bpm: float, low: float, width: float, change: float) -> None:
    high = min(300.0, low * width)
    other = min(290.0, max(32.0, bpm * change))
    estimate = decode([bpm] * 8 + [other] * 8, low=low, high=high)
    if estimate.bpm is None:
        assert estimate.reason is not None
        return
    for each in (estimate, *estimate.candidates, *estimate.curve, *estimate.tempo_sections):
        assert each.bpm is not None
        assert low - 1e-9 <= each.bpm <= high + 1e-9
    assert 0.0 <= estimate.confidence <= 1.0
    assert 0.0 <= estimate.octave_confidence <= 1.0


@pytest.mark.parametrize("bounds", [(30.0, 300.0), (60.0, 200.0)])
def test_how_many_candidates_are_wanted_changes_nothing_else(bounds: tuple[float, float]) -> None:
    said = rows(*[bump((92.0, 0.5), (184.0, 0.3), (61.3, 0.15), (122.7, 0.05))] * 20)
    heard = hear_script([92.0] * 20, {"classify": said})
    five = decoder(top=5, low=bounds[0], high=bounds[1]).decode(heard)
    for top in (1, 2, 3):
        fewer = decoder(top=top, low=bounds[0], high=bounds[1]).decode(heard)
        assert fewer == replace(five, candidates=five.candidates[:top])
    probabilities = [candidate.probability for candidate in five.candidates]
    assert probabilities == sorted(probabilities, reverse=True)
    assert five.candidates[0].bpm == five.bpm
    assert five.candidates[0].relation == "1"


def test_confidence_is_that_of_the_family_times_that_of_the_octave() -> None:
    sure, half = (9.0, 0.0), (0.0, 0.0)
    always = PLAIN.pulse
    assert decode([100.0] * 20, calibration=Calibration(sure, half, always)).confidence == pytest.approx(
        0.5, abs=1e-3
    )
    assert decode([100.0] * 20, calibration=Calibration(half, sure, always)).confidence == pytest.approx(
        0.5, abs=1e-3
    )
    estimate = decode([100.0] * 20, calibration=Calibration(half, half, always))
    assert (estimate.confidence, estimate.octave_confidence) == (0.25, 0.5)


def test_what_the_methods_doubt_lowers_the_right_one() -> None:
    def said(*peaks: tuple[float, float]) -> Estimate:
        return decoder().decode(hear_script([100.0] * 20, {"classify": rows(*[bump(*peaks)] * 20)}))

    octave = said((100.0, 0.6), (50.0, 0.4))
    family = said((100.0, 0.6), (131.0, 0.4))
    assert octave.octave_confidence < 0.65
    assert family.octave_confidence > 0.95
    assert family.confidence == pytest.approx(0.6, abs=0.05)
    assert octave.confidence == pytest.approx(0.6, abs=0.05)


def test_no_steady_pulse() -> None:
    estimate = decode([100.0] * 20, calibration=replace(PLAIN, pulse=(-1e3, 1.0, 1.0)))
    assert (estimate.bpm, estimate.reason, estimate.curve) == (None, "no steady pulse", ())


def test_a_tempo_that_runs_needs_no_periodicity_of_the_whole() -> None:
    no_pulse = replace(PLAIN, pulse=(-1e3, 1.0, 1.0))
    heard = hear_script(list(np.geomspace(100.0, 150.0, 30)))
    sure = rows(*(bump((bpm, 1.0)) for bpm in np.geomspace(100.0, 150.0, 30)))
    estimate = decoder(no_pulse).decode(replace(heard, tempograms={"classify": sure}))
    assert (estimate.steady, estimate.reason) == (False, None)
    rng = np.random.default_rng(0)
    unsure = rows(*(rng.dirichlet(np.full(160, 0.3)) for _ in range(30)))
    estimate = decoder(no_pulse).decode(replace(heard, tempograms={"classify": unsure}))
    assert (estimate.bpm, estimate.reason) == (None, "no steady pulse")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"duration": 0.5}, "too short"), ({"times": np.zeros(0)}, "silence")],
)
def test_nothing_to_hear(changes: dict[str, Any], reason: str) -> None:
    estimate = decoder().decode(hear_script([100.0] * 4, **changes))
    assert (estimate.bpm, estimate.reason) == (None, reason)


def test_four_beats_are_needed() -> None:
    short = hear_script([60.0], duration=3.0)
    assert decoder().decode(short).reason == "too short"
    assert decoder().decode(hear_script([60.0, 60.0])).bpm is not None


def test_each_method_is_named_with_what_it_says_alone() -> None:
    tempi = [126.0] * 20
    classify = rows(*[bump((126.0, 0.6), (63.0, 0.4))] * 20)
    compare = rows(*[bump((126.0, 0.4), (63.0, 0.6))] * 20)
    heard = hear_script(tempi, {"classify": classify, "compare": compare})
    estimate = decoder(methods=2).decode(heard)
    by_method = dict(estimate.by_method)
    assert by_method["classify"] == pytest.approx(126.0, abs=0.1)
    assert by_method["compare"] == pytest.approx(63.0, abs=0.1)
    assert estimate.model == "classify+compare"
    # In a range both answer in it.
    inside = dict(decoder(methods=2, low=100.0, high=150.0).decode(heard).by_method)
    assert inside == pytest.approx({"classify": 126.0, "compare": 126.0}, abs=0.1)


def test_the_curve_is_in_the_octave_of_the_answer() -> None:
    undecided = rows(*([bump((84.0, 0.8), (168.0, 0.2))] * 18 + [bump((168.0, 0.6), (84.0, 0.4))] * 2))
    estimate = decoder().decode(hear_script([84.0] * 20, {"classify": undecided}))
    assert all(point.bpm == pytest.approx(84.0, rel=0.02) for point in estimate.curve)


def test_methods_are_combined_window_by_window() -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.dirichlet(np.ones(160), 5).astype(np.float32) for _ in range(2))
    both = combine({"classify": one, "compare": other})
    np.testing.assert_allclose(both.sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(both[2] / both[2, 0], (one * other)[2] / (one * other)[2, 0], rtol=1e-4)
    np.testing.assert_array_equal(combine({"classify": one}), one)
