"""Fit a probe: logistic regression, its regularisation and calibration by cross-validation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Whole = NDArray[np.int64]

_STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # inverse of the regularisation
_FOLDS = 5
_DRAWS = 1000
_BINS = 10  # of the calibration error


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A linear function of vectors.

    Attributes
    ----------
    weights : ndarray of float64, shape=(dim, n_labels)
    bias : ndarray of float64, shape=(n_labels,)
    """

    weights: Floats
    bias: Floats

    def logits(self, vectors: Floats) -> Floats:
        """Return the logits of vectors, shape=(n, n_labels)."""
        return np.asarray(vectors @ self.weights + self.bias)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A probe and how good it is.

    Attributes
    ----------
    linear : Linear
        From plain vectors to calibrated logits.
    score : float
        Accuracy (one label a track) or mean average precision (several) on tracks that the probe had not
        seen.
    interval : tuple of (float, float)
        95 % bootstrap interval of the score.
    chance : float
        Score of the most frequent label; for several labels, of a random order.
    calibration_error : float
        Mean difference between probability and share of right ones.
    by_label : dict of str to float
        Share of the tracks of a label that got it (one label), or average precision.
    """

    linear: Linear
    score: float
    interval: tuple[float, float]
    chance: float
    calibration_error: float
    by_label: Mapping[str, float]

    @property
    def is_better_than_chance(self) -> bool:
        """Whether the interval lies above chance."""
        return self.interval[0] > self.chance


def fit_probe(
    blocks: Sequence[NDArray[np.float32]],
    sets: Sequence[frozenset[str]],
    names: Sequence[str],
    groups: Sequence[str],
    *,
    single: bool,
) -> Fitted:
    """Fit a probe by logistic regression on standardised vectors.

    The score comes from nested cross-validation: strength and calibration are chosen within the tracks for
    training. A group is never split.

    Parameters
    ----------
    blocks : sequence of ndarray of float32, shape=(n, dim)
        Vectors of the tracks, one array for each part; each part gets the same total variance.
    sets : sequence of frozenset of str
        Labels of each track.
    names : sequence of str
        All labels.
    groups : sequence of str
        Group of each track.
    single : bool
        Whether each track has one label.

    Raises
    ------
    DataError
        If the groups are too few.
    MissingExtraError
        If the extra ``probe`` is not installed.
    """
    try:
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("training a probe", "probe") from error
    targets = np.array([[name in each for name in names] for each in sets], np.int64)
    scale = _Scale.of(blocks)
    x = scale.apply(np.concatenate(blocks, axis=1, dtype=np.float64))
    group = np.unique(np.asarray(groups), return_inverse=True)[1]
    if len(np.unique(group)) < _FOLDS:
        raise DataError(f"too little to learn from: {len(np.unique(group))} groups, and {_FOLDS} are needed")
    probabilities = np.zeros(targets.shape)
    for train, test in _folds(targets, group, single=single, seed=0):
        linear = _chosen(x[train], targets[train], group[train], single=single)
        probabilities[test] = _probabilities(linear.logits(x[test]), single=single)
    final = _chosen(x, targets, group, single=single)
    score, interval = _scored(targets, probabilities, single=single)
    return Fitted(
        scale.folded(final),
        score,
        interval,
        float(targets.sum(axis=0).max() / len(targets)) if single else float(targets.mean()),
        _calibration_error(targets, probabilities, single=single),
        {name: _label_score(targets, probabilities, place, single) for place, name in enumerate(names)},
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    mean: Floats
    factor: Floats

    @classmethod
    def of(cls, blocks: Sequence[NDArray[np.float32]]) -> _Scale:
        # Of all tracks: it uses no labels.
        means = np.concatenate([block.mean(axis=0, dtype=np.float64) for block in blocks])
        factors = [
            10.0 / (block.std(axis=0, dtype=np.float64) + 1e-6) / math.sqrt(block.shape[1])
            for block in blocks
        ]
        return cls(means, np.concatenate(factors))

    def apply(self, vectors: Floats) -> Floats:
        return np.asarray((vectors - self.mean) * self.factor)

    def folded(self, linear: Linear) -> Linear:
        """Return a function of plain vectors that equals one of scaled vectors."""
        weights = linear.weights * self.factor[:, None]
        return Linear(weights, linear.bias - self.mean @ weights)


def _folds(targets: Whole, groups: Whole, *, single: bool, seed: int) -> list[tuple[Whole, Whole]]:
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    number = min(_FOLDS, len(np.unique(groups)))
    if single:
        classes = targets.argmax(axis=1)
        splitter = StratifiedGroupKFold(number, shuffle=True, random_state=seed)
        return list(splitter.split(classes, classes, groups))
    return list(GroupKFold(number, shuffle=True, random_state=seed).split(targets, targets, groups))


def _chosen(x: Floats, targets: Whole, groups: Whole, *, single: bool) -> Linear:
    """Fit with the strength that predicts best within these tracks, and calibrate on the same predictions."""
    folds = _folds(targets, groups, single=single, seed=1)
    best: tuple[float, float, Floats] | None = None
    for strength in _STRENGTHS:
        logits = np.zeros(targets.shape)
        for train, test in folds:
            logits[test] = _regression(x[train], targets[train], strength, single=single).logits(x[test])
        slope, loss = _slope(logits, targets, single=single)
        if best is None or loss < best[0]:
            best = (loss, strength, slope)
    assert best is not None
    _, strength, slope = best
    linear = _regression(x, targets, strength, single=single)
    return Linear(linear.weights * slope, linear.bias * slope)


def _regression(x: Floats, targets: Whole, strength: float, *, single: bool) -> Linear:
    from sklearn.linear_model import LogisticRegression

    def fitted(y: Whole) -> LogisticRegression:
        return LogisticRegression(C=strength, max_iter=3000).fit(x, y)

    if not single:
        columns = [_one(fitted, targets[:, place], x.shape[1]) for place in range(targets.shape[1])]
        return Linear(np.stack([w for w, _ in columns], axis=1), np.array([b for _, b in columns]))
    model = fitted(targets.argmax(axis=1))
    weights, bias = np.zeros((x.shape[1], targets.shape[1])), np.full(targets.shape[1], -30.0)
    if len(model.classes_) == 2:
        # One logit for two classes: half of it for each gives the same probabilities.
        weights[:, model.classes_] = 0.5 * np.concatenate([-model.coef_, model.coef_]).T
        bias[model.classes_] = 0.5 * np.concatenate([-model.intercept_, model.intercept_])
    else:
        weights[:, model.classes_], bias[model.classes_] = model.coef_.T, model.intercept_
    return Linear(weights, bias)


def _one(fitted: object, target: Whole, dim: int) -> tuple[Floats, float]:
    """Return weights and bias of one tag; a fold may have no track with it, or none without."""
    if target.min() == target.max():
        return np.zeros(dim), 6.0 if target[0] else -6.0
    model = fitted(target)  # type: ignore[operator]
    return model.coef_[0], float(model.intercept_[0])


def _slope(logits: Floats, targets: Whole, *, single: bool) -> tuple[Floats, float]:
    """Return the factor of the logits that makes their probabilities most likely, and the loss."""
    slopes = np.exp(np.linspace(math.log(0.05), math.log(4.0), 60))
    losses = [_loss(logits * slope, targets, single=single) for slope in slopes]
    best = int(np.argmin(losses))
    return np.asarray(slopes[best]), float(losses[best])


def _loss(logits: Floats, targets: Whole, *, single: bool) -> float:
    probabilities = np.clip(_probabilities(logits, single=single), 1e-9, 1.0 - 1e-9)
    if single:
        return float(-np.log(probabilities[targets == 1]).mean())
    return float(-(targets * np.log(probabilities) + (1 - targets) * np.log(1.0 - probabilities)).mean())


def _probabilities(logits: Floats, *, single: bool) -> Floats:
    if not single:
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0))))
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _scored(targets: Whole, probabilities: Floats, *, single: bool) -> tuple[float, tuple[float, float]]:
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(targets), (_DRAWS, len(targets)))
    scores = [_score(targets[which], probabilities[which], single=single) for which in draws]
    low, high = np.quantile(scores, [0.025, 0.975])
    return _score(targets, probabilities, single=single), (float(low), float(high))


def _score(targets: Whole, probabilities: Floats, *, single: bool) -> float:
    if single:
        return float((targets.argmax(axis=1) == probabilities.argmax(axis=1)).mean())
    present = np.flatnonzero(targets.any(axis=0))
    return float(np.mean([_average_precision(targets[:, tag], probabilities[:, tag]) for tag in present]))


def _average_precision(target: Whole, scores: Floats) -> float:
    hits = target[np.argsort(-scores, kind="stable")].astype(float)
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1) * hits).sum() / hits.sum())


def _label_score(targets: Whole, probabilities: Floats, place: int, single: bool) -> float:
    if not single:
        return _average_precision(targets[:, place], probabilities[:, place])
    own = targets[:, place] == 1
    return float((probabilities[own].argmax(axis=1) == place).mean())


def _calibration_error(targets: Whole, probabilities: Floats, *, single: bool) -> float:
    if single:
        confidence = probabilities.max(axis=1)
        right = targets.argmax(axis=1) == probabilities.argmax(axis=1)
    else:
        confidence, right = probabilities.ravel(), targets.ravel() == 1
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [
        (bins == each).mean() * abs(confidence[bins == each].mean() - right[bins == each].mean())
        for each in np.unique(bins)
    ]
    return float(np.sum(gaps))
