"""Calibration error and reliability of confidences, in ten bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CALIBRATION_BINS = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Estimates whose confidence is in one interval.

    Attributes
    ----------
    low, high : float
        The interval; it includes `low` and excludes `high`, except for 1.
    n : int
        Number of estimates.
    confidence : float or None
        Their mean confidence; ``None`` when there are none.
    accuracy : float or None
        Share of correct estimates; ``None`` if there are none.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike) -> NDArray[np.float64]:
    """Compute the expected calibration error of confidences.

    Parameters
    ----------
    confidence : array_like of float, shape=(..., n)
        Confidence of each estimate, 0 to 1; `n` is at least 1.
    correct : array_like of bool, shape=(..., n)
        Whether the estimate is right.

    Returns
    -------
    ndarray of float64, shape=(...)
        The mean over all estimates of ``|mean confidence - share right|`` of the estimate's bin; see
        `reliability_bins`. 0 is perfect.
    """
    probability = np.asarray(confidence, np.float64)
    gap = probability - np.asarray(correct, np.float64)
    bins = _bin_numbers(probability)
    total = np.zeros(gap.shape[:-1])
    for number in range(CALIBRATION_BINS):
        total += np.abs(np.where(bins == number, gap, 0.0).sum(axis=-1))
    error: NDArray[np.float64] = total / gap.shape[-1]
    return error


def reliability_bins(confidence: ArrayLike, correct: ArrayLike) -> list[ReliabilityBin]:
    """Compare confidence and accuracy in ten bins of equal width, each including its lower edge.

    Parameters
    ----------
    confidence : array_like of float, shape=(n,)
        Confidence of each estimate, 0 to 1; a confidence of 1 belongs to the last bin.
    correct : array_like of bool, shape=(n,)
        Whether the estimate is right.

    Returns
    -------
    list of ReliabilityBin
        All ten, lowest first.
    """
    probability = np.asarray(confidence, np.float64)
    right = np.asarray(correct, np.bool_)
    bins = _bin_numbers(probability)
    table = []
    for number in range(CALIBRATION_BINS):
        inside = bins == number
        n = int(inside.sum())
        table.append(
            ReliabilityBin(
                low=number / CALIBRATION_BINS,
                high=(number + 1) / CALIBRATION_BINS,
                n=n,
                confidence=float(probability[inside].mean()) if n else None,
                accuracy=float(right[inside].mean()) if n else None,
            )
        )
    return table


def _bin_numbers(confidence: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.minimum((confidence * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)
