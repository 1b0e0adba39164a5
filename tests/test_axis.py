"""The tempo axis."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempocli.axis import TempoAxis, bins_within

AXIS = TempoAxis()


def test_the_bins_are_log_spaced() -> None:
    assert AXIS.bpms.shape == (160,)
    assert AXIS.bpms[[0, 48, 96, 144]] == pytest.approx([30.0, 60.0, 120.0, 240.0])
    assert 295.0 < AXIS.bpms[-1] < 300.0


@given(place=st.integers(0, 159))
def test_index_is_the_inverse_of_bpms(place: int) -> None:
    assert AXIS.index(float(AXIS.bpms[place])) == pytest.approx(place, abs=1e-9)


@pytest.mark.parametrize(("bins_per_octave", "expected"), [(48, 3), (24, 1), (240, 14)])
def test_four_percent_in_bins(bins_per_octave: int, expected: int) -> None:
    assert TempoAxis(30.0, bins_per_octave, 160).bins_within() == expected
    assert bins_within(0.04, bins_per_octave) == expected


def test_fold_sums_octaves() -> None:
    values = np.zeros(160)
    values[[5, 53, 101, 150]] = 1.0, 2.0, 4.0, 8.0
    folded = AXIS.fold(values)
    assert folded.shape == (48,)
    assert folded[5] == 7.0
    assert folded[6] == 8.0
    assert folded.sum() == values.sum()


@pytest.mark.parametrize(("factor", "bins"), [(2.0, 48), (0.5, -48), (3.0, 76), (1.0, 0)])
def test_multiples(factor: float, bins: int) -> None:
    assert AXIS.bins_between(factor) == bins


def test_axes_are_equal_by_value_and_cannot_be_changed() -> None:
    other = pickle.loads(pickle.dumps(TempoAxis(30.0, 48, 160)))
    assert other == AXIS
    assert hash(other) == hash(AXIS)
    assert TempoAxis(30.0, 48, 161) != AXIS
    with pytest.raises(ValueError, match="read-only"):
        AXIS.bpms[0] = 1.0
