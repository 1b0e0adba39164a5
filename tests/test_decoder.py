"""The decoder, on distributions made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempocli.decoder import (
    agree,
    calibrated,
    find_peaks,
    folded_peak,
    local_tempi,
    octave_share,
    pool,
    relation,
    softmax,
)

BPMS = 30.0 * 2.0 ** (np.arange(160) / 48.0)


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
    peak = find_peaks(bump((bpm, 1.0)), BPMS, top=1)[0]
    assert peak.bpm == pytest.approx(bpm, rel=1e-3)
    assert peak.share > 0.95


@pytest.mark.parametrize("slope", [0.02, 0.05, 0.1])
def test_the_flank_of_a_wide_peak_is_no_tempo_far_away(slope: float) -> None:
    distance = np.abs(np.arange(160) - 80.0)
    distribution = np.exp(-slope * distance - 1e-4 * distance**2)
    for peak in find_peaks(distribution / distribution.sum(), BPMS, top=20):
        assert BPMS[0] <= peak.bpm <= BPMS[-1]
        assert np.abs(np.log(BPMS / peak.bpm)).min() <= np.log(BPMS[1] / BPMS[0])


def test_candidates_are_ranked_and_apart() -> None:
    peaks = find_peaks(bump((120.0, 0.6), (60.0, 0.3), (180.0, 0.1)), BPMS, top=5)
    assert [round(peak.bpm) for peak in peaks] == [120, 60, 180]
    assert peaks[0].share > peaks[1].share > peaks[2].share
    assert len(find_peaks(bump((120.0, 0.6), (60.0, 0.3)), BPMS, top=1)) == 1


@pytest.mark.parametrize(
    ("bpm", "name"),
    [(121.0, "1"), (240.0, "2"), (60.0, "1/2"), (180.0, "3/2"), (80.0, "2/3"), (40.0, "1/3"), (160.0, "4/3"),
     (90.0, "3/4"), (30.0, "1/4"), (133.0, "other")],
)  # fmt: skip
def test_relations_are_named(bpm: float, name: str) -> None:
    assert relation(bpm, 120.0) == name


def test_every_relation_is_in_the_published_schema() -> None:
    schema = json.loads((Path(__file__).parents[1] / "docs" / "estimate.schema.json").read_text())
    published = schema["$defs"]["candidate"]["properties"]["relation"]["enum"]
    assert {relation(bpm, first) for bpm in BPMS for first in BPMS} <= set(published)


def test_the_range_constrains_the_search_and_does_not_fold() -> None:
    tempogram = np.stack([bump((174.0, 0.7), (116.0, 0.2), (87.0, 0.1))]).astype(np.float32)
    pooled = pool(tempogram, BPMS, min_bpm=100.0, max_bpm=150.0)
    assert pooled.sum() == pytest.approx(1.0)
    # Folding 174 would say 87, outside the range; the best tempo inside is 116.
    assert find_peaks(pooled, BPMS, top=1)[0].bpm == pytest.approx(116.0, rel=0.01)


def test_the_prior_weighs_a_tempo_against_its_half() -> None:
    tempogram = np.stack([bump((80.0, 0.55), (160.0, 0.45))]).astype(np.float32)
    assert find_peaks(pool(tempogram, BPMS), BPMS, top=1)[0].bpm == pytest.approx(80.0, rel=0.01)
    assert find_peaks(pool(tempogram, BPMS, prior=BPMS**0.75), BPMS, top=1)[0].bpm == pytest.approx(
        160.0, rel=0.01
    )


def test_two_distributions_agree_although_their_peaks_are_bins_apart() -> None:
    step = BPMS[1] / BPMS[0]
    first = bump((150.0, 0.6), (100.0, 0.4))
    # 3.7 % off where the first one is strongest, to the bin where it is weaker.
    second = bump((150.0 * step**2.5, 0.6), (100.0, 0.4))
    product = first * second
    assert find_peaks(product / product.sum(), BPMS, top=1)[0].bpm == pytest.approx(100.0, rel=0.01)
    agreed = agree(first, second, BPMS)
    assert agreed.sum() == pytest.approx(1.0)
    # And the place is the first one's.
    assert find_peaks(agreed, BPMS, top=1)[0].bpm == pytest.approx(150.0, rel=0.005)
    assert find_peaks(agree(first, np.full(160, 1 / 160), BPMS), BPMS, top=1)[0].bpm == pytest.approx(
        150.0, rel=0.005
    )


def test_windows_that_rule_out_the_whole_range_still_give_a_distribution() -> None:
    tempogram = np.zeros((3, len(BPMS)), np.float32)
    tempogram[:, 10] = 1.0
    pooled = pool(tempogram, BPMS, min_bpm=100.0, max_bpm=150.0)
    assert pooled.sum() == pytest.approx(1.0)
    assert pooled[(BPMS < 95.0) | (BPMS > 160.0)].max() == 0.0


def test_octave_share_counts_octaves_only() -> None:
    assert octave_share(find_peaks(bump((120.0, 0.5), (60.0, 0.5001)), BPMS, top=5)) == pytest.approx(
        0.5, abs=0.01
    )
    assert octave_share(find_peaks(bump((120.0, 0.6), (97.0, 0.4)), BPMS, top=5)) == 1.0


def test_folding_forgives_the_octave_and_nothing_else() -> None:
    assert folded_peak(bump((120.0, 0.5), (60.0, 0.3), (240.0, 0.2)), 48) > 0.95
    assert folded_peak(bump((120.0, 0.5), (97.0, 0.5)), 48) < 0.55
    assert folded_peak(np.full(160, 1 / 160), 48) < 0.2


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
    tempi, shares = local_tempi(tempogram, BPMS, pool(tempogram, BPMS, min_bpm=30.0, max_bpm=300.0))
    assert tempi[0] == pytest.approx(120.0, rel=0.01)
    assert tempi[3] == pytest.approx(123.0, rel=0.01)
    assert shares[3] < shares[0]
