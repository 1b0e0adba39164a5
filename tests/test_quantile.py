"""Quantiles as numpy computes them, without what numpy imports for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tempocli.features.statistics import median, quantile

SAMPLE = Path(__file__).resolve().parents[1] / "docs" / "sample.ogg"
VALUES = arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e6, 1e6))


@pytest.mark.slow
@given(values=VALUES, q=st.floats(0.0, 1.0))
def test_quantiles_are_numpy_s(values: np.ndarray, q: float) -> None:
    assert quantile(values, q) == pytest.approx(float(np.quantile(values, q)), rel=1e-9, abs=1e-6)


@pytest.mark.slow
@given(values=VALUES)
def test_medians_are_numpy_s(values: np.ndarray) -> None:
    assert median(values) == pytest.approx(float(np.median(values)), rel=1e-12, abs=1e-9)


@pytest.mark.parametrize(("values", "q"), [([], 0.5), ([1.0], -0.1), ([1.0], 1.1)])
def test_what_has_no_quantile(values: list[float], q: float) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        quantile(np.array(values), q)


@pytest.mark.slow
def test_a_start_imports_no_masked_arrays() -> None:
    program = (
        "import sys; from tempocli import Estimator; "
        f"Estimator(device='cpu').estimate({str(SAMPLE)!r}); "
        "print('numpy.ma' in sys.modules, 'platformdirs' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
