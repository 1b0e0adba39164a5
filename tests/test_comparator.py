"""The comparator that ships: metadata, shapes, symmetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tempocli.errors import ModelError
from tempocli.inference.classifier import Encoder
from tempocli.inference.comparator import Comparator
from tempocli.inference.priors import OctavePrior

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def comparator(compare_path: Path) -> Comparator:
    return Comparator(compare_path, device="cpu")


@pytest.fixture(scope="module")
def windows(comparator: Comparator) -> np.ndarray:
    shape = (7, comparator.spec.n_frames, comparator.spec.front_end.n_mels)
    return np.random.default_rng(0).random(shape, np.float32)


def test_the_model_says_what_it_is(comparator: Comparator) -> None:
    assert comparator.spec.name == "compare"
    assert comparator.spec.front_end.sample_rate == 22050
    assert len(comparator.spec.checksum) == 64


def test_shapes(comparator: Comparator, windows: np.ndarray) -> None:
    embedding = comparator.embed(windows)
    assert embedding.shape == (7, comparator.spec.embedding_dim)
    assert comparator.log_odds(embedding, embedding[:3]).shape == (7, 3)
    assert (comparator.log_same(embedding, embedding) <= 0.0).all()


def test_comparing_is_symmetric(comparator: Comparator, windows: np.ndarray) -> None:
    embedding = comparator.embed(windows)
    there = comparator.log_odds(embedding[:4], embedding[4:])
    back = comparator.log_odds(embedding[4:], embedding[:4])
    np.testing.assert_allclose(there, back.T, atol=1e-5)


def test_log_same_is_the_logarithm_of_the_sigmoid_with_some_doubt(
    comparator: Comparator, windows: np.ndarray
) -> None:
    embedding = comparator.embed(windows)
    log_odds = comparator.log_odds(embedding, embedding).astype(np.float64)
    expected = np.log(0.97 / (1.0 + np.exp(-log_odds)) + 0.03)
    np.testing.assert_allclose(comparator.log_same(embedding, embedding), expected, atol=1e-5)


def test_models_of_the_other_kind_are_refused(compare_path: Path, model_path: Path) -> None:
    with pytest.raises(ModelError, match="not a model that compares"):
        Comparator(model_path, device="cpu")
    with pytest.raises(ModelError, match="not a model of tempo"):
        Encoder(compare_path, device="cpu")


def test_the_prior_is_log_normal() -> None:
    prior = OctavePrior(centre=120.0, octaves=0.5, weight=1.0)
    np.testing.assert_allclose(prior.of(np.array([60.0, 120.0, 240.0])), np.exp([-2.0, 0.0, -2.0]))
