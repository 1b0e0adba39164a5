"""All methods together, and the periodicity of the whole, on scripted windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import AXIS, BPMS, ScriptedPrior, both, bump, pulse_curve, rows, spec

from tempocli.decoding.distributions import find_peaks, mass_near
from tempocli.decoding.pooling import TrackTempo, track_tempo

STEADY = pulse_curve([100.0] * 12)


def together(classify: np.ndarray, compare: np.ndarray, curve: np.ndarray = STEADY) -> TrackTempo:
    return track_tempo(both(), {"classify": rows(classify), "compare": rows(compare)}, curve)


def best(distribution: np.ndarray) -> float:
    return find_peaks(distribution, AXIS)[0].bpm


def test_one_method_is_pooled_and_no_more() -> None:
    said = bump((90.0, 0.7), (135.0, 0.3))
    track = track_tempo(spec(), {"classify": rows(said, said)}, STEADY)
    np.testing.assert_allclose(track.distribution, said, atol=1e-6)
    np.testing.assert_array_equal(track.by_method["classify"], track.distribution)
    assert track.kept == 1.0


def test_two_methods_agree_in_a_product() -> None:
    track = together(bump((100.0, 0.5), (150.0, 0.5)), bump((100.0, 0.5), (75.0, 0.5)))
    assert best(track.distribution) == pytest.approx(100.0, rel=0.005)
    assert mass_near(track.distribution, AXIS, 100.0) > 0.95
    assert track.distribution.sum() == pytest.approx(1.0)
    assert set(track.by_method) == {"classify", "compare"}


def test_the_periodicity_decides_between_families() -> None:
    # Neither method knows whether 100 or 133 BPM; the pulses of the whole do.
    unsure = bump((100.0, 0.45), (133.3, 0.55))
    track = together(unsure, unsure)
    assert best(track.distribution) == pytest.approx(100.0, rel=0.005)
    other = together(unsure, unsure, pulse_curve([133.3] * 12))
    assert best(other.distribution) == pytest.approx(133.3, rel=0.005)


@pytest.mark.parametrize("bpm", [50.0, 100.0, 200.0])
def test_the_periodicity_leaves_the_octave_to_the_methods(bpm: float) -> None:
    said = bump((bpm, 0.7), (400.0 / 3 if bpm == 100.0 else 100.0, 0.3))
    assert best(together(said, said).distribution) == pytest.approx(bpm, rel=0.005)


def test_the_share_of_two_octaves_stays() -> None:
    said = bump((100.0, 0.6), (50.0, 0.4))
    with_pulse = together(said, said).distribution
    ratio = mass_near(with_pulse, AXIS, 100.0) / mass_near(with_pulse, AXIS, 50.0)
    assert ratio == pytest.approx((0.6 / 0.4) ** 2, rel=0.25)


def test_a_prior_counts_once_and_is_the_leading_ones() -> None:
    tilt = BPMS / 100.0
    said = bump((100.0, 0.5), (50.0, 0.5))
    windows = {"classify": rows(said), "compare": rows(said)}
    plain = track_tempo(both(), windows, STEADY).distribution
    tilted = track_tempo(both(prior=ScriptedPrior(tilt)), windows, STEADY)
    expected = plain * tilt / (plain * tilt).sum()
    np.testing.assert_allclose(tilted.distribution, expected, atol=1e-6)
    assert best(tilted.by_method["compare"]) == pytest.approx(100.0, rel=0.01)


@pytest.mark.parametrize("bpm", [72.0, 96.0, 118.0, 140.0])
def test_periodicity_alone_counts_as_people_do(bpm: float) -> None:
    track = track_tempo(
        spec("periodicity"), {"periodicity": rows(np.full(160, 1 / 160))}, pulse_curve([bpm] * 12)
    )
    assert best(track.distribution) == pytest.approx(bpm, rel=0.03)
    assert set(track.by_method) == {"periodicity"}


def test_a_clear_pulse_has_a_larger_pulse_than_noise() -> None:
    sure = bump((100.0, 1.0))
    unsure = np.random.default_rng(0).dirichlet(np.full(160, 5.0))
    noise = np.random.default_rng(0).random(len(STEADY)).astype(np.float32)
    (peak, strength), (no_peak, no_strength) = (
        together(sure, sure).pulse,
        together(unsure, unsure, noise).pulse,
    )
    assert peak > no_peak + 2.0
    assert strength > no_strength + 1.0


def test_the_pulse_is_of_the_methods_before_the_periodicity() -> None:
    unsure = bump((100.0, 0.3), (133.3, 0.3), (80.0, 0.4))
    assert together(unsure, unsure).pulse[0] < 1.0


def test_a_curve_in_which_nothing_happens_changes_nothing() -> None:
    said = bump((100.0, 0.6), (133.3, 0.4))
    silent = together(said, said, np.zeros(2000, np.float32)).distribution
    assert best(silent) == pytest.approx(100.0, rel=0.005)
    assert silent.sum() == pytest.approx(1.0)


@pytest.mark.slow
@given(bpm=st.floats(60.0, 150.0), weight=st.floats(0.1, 0.9))
def test_near_keeps_relatives_and_says_how_much_that_is(bpm: float, weight: float) -> None:
    said = bump((bpm, weight), (bpm * 1.26, 1.0 - weight))
    near = TrackTempo(said, {"classify": said}, (0.0, 0.0)).near(bpm, AXIS)
    assert near.distribution.sum() == pytest.approx(1.0)
    assert near.kept == pytest.approx(weight, abs=0.03)
    assert mass_near(near.distribution, AXIS, bpm) > 0.95
    np.testing.assert_array_equal(near.by_method["classify"], said)


@pytest.mark.parametrize("ratio", [1 / 4, 1 / 3, 1 / 2, 1.0, 2.0, 3.0, 4.0])
def test_near_keeps_octaves_and_triples(ratio: float) -> None:
    bpm = 100.0 if 30.0 < 100.0 * ratio < 300.0 else 75.0 if ratio > 1 else 130.0
    said = bump((bpm * ratio, 1.0))
    assert TrackTempo(said, {}, (0.0, 0.0)).near(bpm, AXIS).kept > 0.9
