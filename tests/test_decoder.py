"""The decoder, on distributions made by hand."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempocli.axis import TempoAxis
from tempocli.decoding.distributions import (
    at_relation,
    calibrated,
    find_peaks,
    folded_peak,
    local_tempi,
    log_odds,
    mass_near,
    masses,
    pool,
    product_of,
    relation,
)
from tempocli.inference.window_analysis import softmax

AXIS = TempoAxis()
BPMS = AXIS.bpms


def bump(*peaks: tuple[float, float], floor: float = 1e-6) -> np.ndarray:
    """A distribution with Gaussian peaks of one bin's width at (bpm, weight)."""
    places = np.arange(160)
    out = np.full(160, floor)
    for bpm, weight in peaks:
        out += weight * np.exp(-0.5 * (places - 48.0 * np.log2(bpm / 30.0)) ** 2)
    return out / out.sum()


@settings(deadline=None)
@given(bpm=st.floats(35.0, 280.0))
def test_a_gaussian_peak_is_found_between_the_bins(bpm: float) -> None:
    peak = find_peaks(bump((bpm, 1.0)), AXIS)[0]
    assert peak.bpm == pytest.approx(bpm, rel=1e-3)
    assert peak.mass > 0.95


@pytest.mark.parametrize("slope", [0.02, 0.05, 0.1])
def test_the_flank_of_a_wide_peak_is_no_tempo_far_away(slope: float) -> None:
    distance = np.abs(np.arange(160) - 80.0)
    distribution = np.exp(-slope * distance - 1e-4 * distance**2)
    for peak in find_peaks(distribution / distribution.sum(), AXIS):
        assert BPMS[0] <= peak.bpm <= BPMS[-1]
        assert np.abs(np.log(BPMS / peak.bpm)).min() <= np.log(BPMS[1] / BPMS[0])


def test_candidates_are_ranked_and_apart() -> None:
    peaks = find_peaks(bump((120.0, 0.6), (60.0, 0.3), (180.0, 0.1)), AXIS)
    assert [round(peak.bpm) for peak in peaks] == [120, 60, 180]
    assert peaks[0].mass > peaks[1].mass > peaks[2].mass


@pytest.mark.parametrize(
    ("bpm", "name"),
    [(121.0, "1"), (240.0, "2"), (60.0, "1/2"), (180.0, "3/2"), (80.0, "2/3"), (40.0, "1/3"), (160.0, "4/3"),
     (90.0, "3/4"), (30.0, "1/4"), (133.0, "other")],
)  # fmt: skip
def test_relations_are_named(bpm: float, name: str) -> None:
    assert relation(bpm, 120.0) == name


@pytest.mark.parametrize(
    ("bpm", "exact"),
    [(252.4, 252.0), (63.3, 63.0), (189.5, 189.0), (126.3, 126.0), (137.0, 137.0), (247.0, 247.0)],
)
def test_a_multiple_is_exact_and_what_is_none_stays(bpm: float, exact: float) -> None:
    assert at_relation(bpm, 126.0) == pytest.approx(exact)


def test_every_relation_is_in_the_published_schema() -> None:
    schema = json.loads((Path(__file__).parents[1] / "docs" / "estimate.schema.json").read_text())
    published = schema["$defs"]["candidate"]["properties"]["relation"]["enum"]
    assert {relation(bpm, first) for bpm in BPMS for first in BPMS} <= set(published)


def test_candidates_are_ranked_by_their_mass_not_by_their_top_bin() -> None:
    places = np.arange(160)
    high = np.exp(-0.5 * ((places - 60) / 0.5) ** 2)
    wide = 0.6 * np.exp(-0.5 * ((places - 110) / 1.2) ** 2)
    distribution = (high + wide) / (high + wide).sum()
    assert distribution.argmax() == 60
    first, second, *_ = find_peaks(distribution, AXIS)
    assert first.bpm == pytest.approx(BPMS[110], rel=1e-3)
    assert second.bpm == pytest.approx(BPMS[60], rel=1e-3)


distributions = st.lists(st.tuples(st.floats(31.0, 295.0), st.floats(0.01, 1.0)), min_size=1, max_size=6).map(
    lambda peaks: bump(*peaks, floor=1e-5)
)


@pytest.mark.slow
@given(distribution=distributions)
def test_peaks_are_sorted_and_no_two_are_one(distribution: np.ndarray) -> None:
    peaks = find_peaks(distribution, AXIS)
    mass = [peak.mass for peak in peaks]
    assert mass == sorted(mass, reverse=True)
    assert mass[0] == pytest.approx(masses(distribution, AXIS).max())
    tempi = sorted(peak.bpm for peak in peaks)
    assert all(later / earlier > 1.03 for earlier, later in pairwise(tempi))


def test_mass_is_what_lies_within_four_percent() -> None:
    distribution = bump((120.0, 0.7), (80.0, 0.3))
    assert mass_near(distribution, AXIS, 120.0) == pytest.approx(0.7, abs=0.02)
    assert mass_near(distribution, AXIS, 80.0) == pytest.approx(0.3, abs=0.02)
    assert mass_near(distribution, AXIS, 100.0) < 1e-3


def test_the_prior_weighs_a_tempo_against_its_half() -> None:
    tempogram = np.stack([bump((80.0, 0.55), (160.0, 0.45))]).astype(np.float32)
    assert find_peaks(pool(tempogram), AXIS)[0].bpm == pytest.approx(80.0, rel=0.01)
    assert find_peaks(pool(tempogram, prior=BPMS**0.75), AXIS)[0].bpm == pytest.approx(160.0, rel=0.01)


def test_two_distributions_agree_although_their_peaks_are_bins_apart() -> None:
    step = BPMS[1] / BPMS[0]
    first = bump((150.0, 0.6), (100.0, 0.4))
    # 3.7 % off where the first one is strongest, to the bin where it is weaker.
    second = bump((150.0 * step**2.5, 0.6), (100.0, 0.4))
    product = first * second
    assert find_peaks(product / product.sum(), AXIS)[0].bpm == pytest.approx(100.0, rel=0.01)
    agreed = product_of(first, second, AXIS)
    assert agreed.sum() == pytest.approx(1.0)
    # And the place is the first one's.
    assert find_peaks(agreed, AXIS)[0].bpm == pytest.approx(150.0, rel=0.005)
    assert find_peaks(product_of(first, np.full(160, 1 / 160), AXIS), AXIS)[0].bpm == pytest.approx(
        150.0, rel=0.005
    )


def test_log_odds_are_bounded() -> None:
    assert log_odds(0.5) == 0.0
    assert log_odds(0.9) == pytest.approx(-log_odds(0.1))
    assert -10.0 < log_odds(0.0) < log_odds(1e-3) < log_odds(1.0) < 10.0


def test_folding_forgives_the_octave_and_nothing_else() -> None:
    assert folded_peak(bump((120.0, 0.5), (60.0, 0.3), (240.0, 0.2)), AXIS) > 0.95
    assert folded_peak(bump((120.0, 0.5), (97.0, 0.5)), AXIS) < 0.55
    assert folded_peak(np.full(160, 1 / 160), AXIS) < 0.2


def test_softmax_bears_large_logits() -> None:
    rows = softmax(np.array([[1e4, 0.0], [-1e4, -1e4]], np.float32))
    np.testing.assert_allclose(rows, [[1.0, 0.0], [0.5, 0.5]])


def test_calibration_is_monotone_and_identity_at_slope_one() -> None:
    assert calibrated(0.7, (0.0, 1.0)) == pytest.approx(0.7)
    values = [calibrated(share, (-1.0, 0.8)) for share in (0.0, 0.2, 0.5, 0.9, 1.0)]
    assert values == sorted(values)
    assert values[0] > 0.0
    assert values[-1] < 1.0


def test_a_window_follows_its_tempo_but_keeps_the_tracks_octave() -> None:
    steady = bump((120.0, 0.9), (60.0, 0.1))
    undecided = bump((61.5, 0.5), (123.0, 0.49))
    tempogram = np.stack([steady, steady, steady, undecided]).astype(np.float32)
    tempi, shares = local_tempi(tempogram, AXIS, pool(tempogram))
    assert tempi[0] == pytest.approx(120.0, rel=0.01)
    assert tempi[3] == pytest.approx(123.0, rel=0.01)
    assert shares[3] < shares[0]
