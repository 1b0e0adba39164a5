"""What models say of themselves, and models that answer together."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scripted import AXIS, ScriptedPrior, both, spec

from tempocli.axis import TempoAxis
from tempocli.errors import ModelError
from tempocli.inference.methods import Ensemble, PeriodicityModel, open_model
from tempocli.inference.spec import ensemble

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("method", "kind", "pooling"),
    [
        ("classify", "classifier", "certainty"),
        ("compare", "comparator", "geometric"),
        ("periodicity", "periodicity", "whole"),
        ("both", "ensemble", "product"),
    ],
)
def test_every_method_opens_a_model_that_knows_itself(
    method: str, kind: str, pooling: str, model_path: Path, compare_path: Path
) -> None:
    model = open_model(method, device="cpu")
    assert (model.spec.kind, model.spec.method, model.spec.pooling) == (kind, method, pooling)
    assert pickle.loads(pickle.dumps(model.spec)) == model.spec
    windows = np.zeros((2, model.spec.n_frames, model.spec.front_end.n_mels), np.float32)
    logits, embedding = model.encode(windows)
    assert logits.shape == (2, len(model.spec.parts) * model.spec.axis.n_bins)
    assert embedding.shape == (2, model.spec.embedding_dim)


def test_an_ensemble_is_a_model_with_its_own_calibration(model_path: Path, compare_path: Path) -> None:
    model = open_model("both", device="cpu").spec
    assert model.name == "tempo+compare"
    assert [part.method for part in model.parts] == ["classify", "compare"]
    assert model.calibration not in [part.calibration for part in model.parts]
    assert model.prior == model.parts[0].prior


@pytest.mark.parametrize("changes", [{"axis": TempoAxis(30.0, 48, 161)}, {"n_frames": 512}])
def test_models_that_do_not_go_together(changes: dict[str, object]) -> None:
    parts = spec(), spec("comparator", **changes)
    with pytest.raises(ValueError, match="different front ends or axes"):
        ensemble(parts, parts[0].calibration, checksum="")


def test_an_ensemble_refuses_what_does_not_go_together() -> None:
    one, other = PeriodicityModel(), PeriodicityModel()
    other.spec = spec("periodicity", n_frames=512)
    with pytest.raises(ModelError, match="not for both"):
        Ensemble(one, other)


def test_a_record_names_all_models() -> None:
    record = both(checksum="ab" * 32).record()
    assert record["name"] == "classify+compare"
    assert record["version"] == "7+7"
    assert [member["sha256"] for member in record["members"]] == ["ab" * 8] * 2


def test_the_prior_is_on_the_axis() -> None:
    weights = np.arange(160.0)
    np.testing.assert_array_equal(spec(prior=ScriptedPrior(weights)).prior_weights, weights)
    np.testing.assert_array_equal(spec().prior_weights, np.ones(AXIS.n_bins))
