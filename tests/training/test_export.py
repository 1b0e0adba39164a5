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
from tempocli.inference.session.runtime import open_session  # noqa: E402
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


class TestHalvedWeights:
    def test_the_file_is_smaller_and_says_the_same(self, tmp_path: Path) -> None:
        torch.manual_seed(0)
        network = torch.nn.Sequential(
            torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 3)
        ).eval()
        export.round_to_half(network)
        model = export.to_onnx(network, {"input": torch.zeros(2, 64)}, {"input": "n"}, ["y"])
        export.save(model, tmp_path / "whole.onnx", {})
        export.halve_weights(model)
        export.save(model, tmp_path / "half.onnx", {})
        sizes = [(tmp_path / f"{name}.onnx").stat().st_size for name in ("whole", "half")]
        assert sizes[1] < 0.6 * sizes[0]
        x = np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32)
        found = [
            open_session(tmp_path / f"{name}.onnx", "cpu", 1).run({"y": (5, 3)}, {"input": x})[0]
            for name in ("whole", "half")
        ]
        np.testing.assert_array_equal(found[0], found[1])

    def test_weights_that_half_precision_cannot_hold_stay(self, tmp_path: Path) -> None:
        network = torch.nn.Linear(64, 256).eval()
        model = export.to_onnx(network, {"input": torch.zeros(2, 64)}, {"input": "n"}, ["y"])
        before = model.SerializeToString()
        export.halve_weights(model)
        assert model.SerializeToString() == before

    def test_a_convolution_and_its_normalisation_become_one(self) -> None:
        torch.manual_seed(0)
        norm = torch.nn.BatchNorm2d(4)
        layers = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, bias=False), norm, torch.nn.ReLU())
        layers(torch.randn(8, 1, 9, 9))  # so that the normalisation does something
        x = torch.randn(2, 1, 9, 9)
        wanted = layers.eval()(x)
        export.fuse_norms(layers)
        torch.testing.assert_close(layers(x), wanted)
        assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in layers)
