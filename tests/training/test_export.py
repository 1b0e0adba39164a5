"""The check of an exported file: its parity with torch, and that nothing wrong is written."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.errors import TempoError  # noqa: E402
from tempocli.training import export  # noqa: E402
from tempocli.training.export import in_torch, parity, proven, refuse_difference  # noqa: E402

INPUTS = np.linspace(0.0, 5.0, 6, dtype=np.float32).reshape(3, 2)


def test_parity_is_the_largest_difference_of_all_outputs_and_batches() -> None:
    def theirs(inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        return inputs, inputs + 0.25 * (len(inputs) == 32) * (inputs == 0.0)

    batches: list[int] = []

    def ours(inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        batches.append(len(inputs))
        return inputs, inputs

    assert parity(ours, theirs, INPUTS) == 0.25
    assert batches == [1, 32]


def test_large_values_are_compared_relative_to_their_size() -> None:
    large = np.full((1, 2), 1000.0, np.float32)
    assert parity(lambda some: (some + 1.0,), lambda some: (some,), large) == pytest.approx(0.001)


def test_a_nan_is_no_agreement() -> None:
    assert np.isnan(parity(lambda some: (some * np.nan, some), lambda some: (some, some), INPUTS))


def test_one_output_or_several_of_a_network() -> None:
    (one,) = in_torch(lambda x: 2.0 * x)(INPUTS)
    np.testing.assert_array_equal(one, 2.0 * INPUTS)
    assert len(in_torch(lambda x: (x, x + 1.0))(INPUTS)) == 2
    assert parity(lambda some: (2.0 * some,), in_torch(lambda x: 2.0 * x), INPUTS) == 0.0


@pytest.mark.parametrize("difference", [1e-4, 1.0, float("nan")])
def test_a_file_that_differs_is_not_written(tmp_path: Path, difference: float) -> None:
    path = tmp_path / "model.onnx"
    path.write_text("before")

    def write() -> None:
        with proven(path) as partial:
            partial.write_text("wrong")
            refuse_difference(difference)

    with pytest.raises(TempoError, match="differs from torch"):
        write()
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]
    assert path.read_text() == "before"
    refuse_difference(9e-5)


def test_the_exporter_reports_errors_only() -> None:
    logger = logging.getLogger("torch.onnx._internal.exporter.made_for_this_test")
    before = logging.getLogger("torch.onnx").level
    with export._quiet():
        assert not logger.isEnabledFor(logging.WARNING)
        assert logger.isEnabledFor(logging.ERROR)
    assert logging.getLogger("torch.onnx").level == before
