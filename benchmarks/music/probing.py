"""Probes: linear and nonlinear classifiers on frozen vectors, with nested cross-validation."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier

if TYPE_CHECKING:
    from collections.abc import Callable

STRENGTHS = (0.01, 0.1, 1.0, 10.0)
_MLP_STRENGTHS = (0.1, 10.0)  # each fit takes a second
FOLDS = 5

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def standardised(blocks: list[NDArray[np.float32]], train: NDArray[np.int64]) -> Floats:
    """Standardise the columns by the training files, then scale each block to the same total variance."""
    joined = []
    for block in blocks:
        mean, deviation = block[train].mean(axis=0), block[train].std(axis=0)
        joined.append((block - mean) / (deviation + 1e-6) / np.sqrt(block.shape[1]))
    return np.concatenate(joined, axis=1, dtype=np.float64) * 10.0


def _linear(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=2000)


def _mlp(strength: float) -> MLPClassifier:
    return MLPClassifier((64,), alpha=1.0 / strength, max_iter=120, random_state=0)


PROBES: dict[str, Callable[[float], LogisticRegression | MLPClassifier]] = {"linear": _linear, "MLP": _mlp}


def predict_classes(
    blocks: list[NDArray[np.float32]], targets: Labels, probe: str, *, seed: int, nested: bool = True
) -> Labels:
    """Predict the class of each file by probes that have not seen it."""
    predicted = np.full(len(targets), -1, np.int64)
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in splitter.split(targets, targets):
        x = standardised(blocks, train)
        strength = _best(x[train], targets[train], probe, seed) if nested else 1.0
        predicted[test] = _fitted(probe, strength, x[train], targets[train]).predict(x[test])
    return predicted


def _best(x: Floats, targets: Labels, probe: str, seed: int) -> float:
    """Choose the strength of regularisation by cross-validation within the training files."""
    splitter = StratifiedKFold(4, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a class with fewer files than folds
        splits = list(splitter.split(targets, targets))
    right = [
        sum(
            int((_fitted(probe, strength, x[a], targets[a]).predict(x[b]) == targets[b]).sum())
            for a, b in splits
        )
        for strength in _strengths(probe)
    ]
    return _strengths(probe)[int(np.argmax(right))]


def predict_tags(blocks: list[NDArray[np.float32]], targets: Labels, probe: str, *, seed: int) -> Floats:
    """Predict the probability of each tag of each file by probes that have not seen it."""
    from music.scores import mean_average_precision

    def fit(x: Floats, train: NDArray[np.int64], test: NDArray[np.int64], strength: float) -> Floats:
        if probe == "MLP":
            return np.asarray(_fitted(probe, strength, x[train], targets[train]).predict_proba(x[test]))
        scores = np.zeros((len(test), targets.shape[1]))
        for tag in range(targets.shape[1]):
            known = targets[train, tag]
            if known.min() == known.max():
                scores[:, tag] = known[0]
            else:
                # liblinear is several times faster on few files with many columns.
                model = LogisticRegression(C=strength, solver="liblinear").fit(x[train], known)
                scores[:, tag] = model.predict_proba(x[test])[:, 1]
        return scores

    predicted = np.zeros(targets.shape)
    for train, test in KFold(FOLDS, shuffle=True, random_state=seed).split(targets):
        x = standardised(blocks, train)
        inner = [(train[a], train[b]) for a, b in KFold(4, shuffle=True, random_state=seed).split(train)]
        quality = []
        for strength in _strengths(probe):
            scores = np.concatenate([fit(x, a, b, strength) for a, b in inner])
            order = np.concatenate([b for _, b in inner])
            quality.append(mean_average_precision(targets[order], scores))
        predicted[test] = fit(x, train, test, _strengths(probe)[int(np.argmax(quality))])
    return predicted


def _strengths(probe: str) -> tuple[float, ...]:
    return _MLP_STRENGTHS if probe == "MLP" else STRENGTHS


def _fitted(probe: str, strength: float, x: Floats, targets: Labels) -> LogisticRegression | MLPClassifier:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return PROBES[probe](strength).fit(x, targets)


def nearest_share(blocks: list[NDArray[np.float32]], targets: Labels, *, neighbours: int = 5) -> float:
    """Return the share of the nearest neighbours, by cosine, that have the class of a file."""
    x = standardised(blocks, np.arange(len(targets)))
    x /= np.linalg.norm(x, axis=1, keepdims=True) + 1e-12
    similarity = x @ x.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1)[:, :neighbours]
    return float((targets[nearest] == targets[:, None]).mean())
