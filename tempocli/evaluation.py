"""Evaluation of a set of estimates: all scores with their bootstrap intervals, and groups of tracks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli import metrics
from tempocli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from tempocli.tables import Reference, TrackEstimate

RESAMPLES = 2000
_SEED = 0
_TRIALS = 500
# Numbers drawn at a time: 16 MB of indices, however many tracks there are.
_DRAWS_PER_BLOCK = 2_000_000


@dataclass(frozen=True, slots=True)
class Score:
    """A score over a set of tracks with its 95 % bootstrap interval, all in the same unit."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well a confidence says what share of estimates is right; everything is 0 to 1.

    Attributes
    ----------
    n : int
        Number of estimates that have this confidence.
    ece : Score
        Expected calibration error.
    by_chance : float
        What it would be, on average, of as many such confidences that are exactly right about their chances:
        few files are never right as often as is probable.
    bins : list of metrics.ReliabilityBin
        Ten bins of equal width, lowest first.
    """

    n: int
    ece: Score
    by_chance: float
    bins: list[metrics.ReliabilityBin]


@dataclass(frozen=True, slots=True)
class Report:
    """All scores of one set of tracks; a score with nothing to measure is ``None``.

    Attributes
    ----------
    n, n_missing : int
        Number of references, and of those without an estimate.
    accuracy1, accuracy1_2pct, accuracy1_1pct, accuracy2, accuracy2_2pct, accuracy2_1pct : Score
        Accuracy 1 and 2 at 4 %, 2 % and 1 %, in percent.
    oe1, oe2, aoe1, aoe2 : Score or None
        Mean signed and mean absolute octave errors over the estimates, in octaves.
    n_two_tempi : int
        Number of references that have two tempi.
    p_score : Score or None
        P-score over those, in percent.
    n_steady : int
        Number of steady references whose estimate is right at 4 %.
    steady_error_bpm : Score or None
        Median absolute error over those, in BPM.
    relations : dict of str to Score
        Share of each error relation in percent, with the keys of `metrics.RELATIONS`, ``other``, ``missing``.
    calibration : Calibration or None
        The confidence against Accuracy 1.
    octave_calibration : Calibration or None
        The octave's confidence against Accuracy 1, over the estimates that are right by Accuracy 2.
    """

    n: int
    n_missing: int
    accuracy1: Score
    accuracy1_2pct: Score
    accuracy1_1pct: Score
    accuracy2: Score
    accuracy2_2pct: Score
    accuracy2_1pct: Score
    oe1: Score | None
    oe2: Score | None
    aoe1: Score | None
    aoe2: Score | None
    n_two_tempi: int
    p_score: Score | None
    n_steady: int
    steady_error_bpm: Score | None
    relations: dict[str, Score]
    calibration: Calibration | None
    octave_calibration: Calibration | None


def group_by(references: Sequence[Reference], column: str) -> dict[str, list[int]]:
    """Group the row numbers of a reference table by the text of a column, in the order of that text.

    Raises
    ------
    DataError
        If the table has no such column.
    """
    if column not in references[0].columns:
        names = ", ".join(references[0].columns)
        raise DataError(f"the reference table has no column '{column}' (it has: {names})")
    groups: dict[str, list[int]] = {}
    for number, reference in enumerate(references):
        groups.setdefault(reference.columns[column], []).append(number)
    return dict(sorted(groups.items()))


def evaluate(references: Sequence[Reference], estimates: Sequence[TrackEstimate]) -> Report:
    """Score estimates against references.

    Parameters
    ----------
    references : sequence of Reference
        At least one.
    estimates : sequence of TrackEstimate
        One for each reference, in their order.

    Returns
    -------
    Report
    """
    reference = _column(row.bpm for row in references)
    estimate = _column(row.bpm for row in estimates)
    right1 = metrics.accuracy1(reference, estimate)
    right2 = metrics.accuracy2(reference, estimate)
    missing = metrics.is_missing(estimate)
    error1 = metrics.octave_error1(reference, estimate)[~missing]
    error2 = metrics.octave_error2(reference, estimate)[~missing]
    relation = metrics.error_relation(reference, estimate)
    steady = right1 & np.array([row.steady for row in references])
    two_tempi = _two_tempi_scores(references, estimates)
    confidence = _column(row.confidence for row in estimates)
    octave_confidence = _column(row.octave_confidence for row in estimates)
    return Report(
        n=len(references),
        n_missing=int(missing.sum()),
        accuracy1=_share(right1),
        accuracy1_2pct=_share(metrics.accuracy1(reference, estimate, tolerance=0.02)),
        accuracy1_1pct=_share(metrics.accuracy1(reference, estimate, tolerance=0.01)),
        accuracy2=_share(right2),
        accuracy2_2pct=_share(metrics.accuracy2(reference, estimate, tolerance=0.02)),
        accuracy2_1pct=_share(metrics.accuracy2(reference, estimate, tolerance=0.01)),
        oe1=_optional_score(_mean, error1),
        oe2=_optional_score(_mean, error2),
        aoe1=_optional_score(_mean, np.abs(error1)),
        aoe2=_optional_score(_mean, np.abs(error2)),
        n_two_tempi=len(two_tempi),
        p_score=_optional_score(_mean, 100.0 * two_tempi),
        n_steady=int(steady.sum()),
        steady_error_bpm=_optional_score(_median, np.abs(estimate - reference)[steady]),
        relations={name: _share(relation == name) for name in (*metrics.RELATIONS, "other", "missing")},
        calibration=_calibration(confidence, right1, where=~missing),
        octave_calibration=_calibration(octave_confidence, right1, where=right2),
    )


def _column(values: Iterable[float | None]) -> NDArray[np.float64]:
    return np.array([math.nan if value is None else value for value in values], np.float64)


def _two_tempi_scores(
    references: Sequence[Reference], estimates: Sequence[TrackEstimate]
) -> NDArray[np.float64]:
    pairs = [(row, guess) for row, guess in zip(references, estimates, strict=True) if row.bpm2 is not None]
    if not pairs:
        return np.zeros(0)
    return metrics.p_score(
        np.stack([_column((row.bpm, row.bpm2)) for row, _ in pairs]),
        np.stack([_column((guess.bpm, guess.bpm2)) for _, guess in pairs]),
        salience=[row.salience for row, _ in pairs],
    )


def _calibration(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], *, where: NDArray[np.bool_]
) -> Calibration | None:
    known = where & ~np.isnan(confidence)
    if not known.any():
        return None
    confidence = confidence[known]
    return Calibration(
        n=len(confidence),
        by_chance=_chance_error(confidence),
        ece=_score(metrics.expected_calibration_error, confidence, right[known]),
        bins=metrics.reliability_bins(confidence, right[known]),
    )


def _chance_error(confidence: NDArray[np.float64]) -> float:
    rng = np.random.default_rng(_SEED)
    trials = (rng.random(len(confidence)) < confidence for _ in range(_TRIALS))
    return float(np.mean([metrics.expected_calibration_error(confidence, right) for right in trials]))


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.mean(values, axis=-1))


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.median(values, axis=-1))


def _share(right: NDArray[np.bool_]) -> Score:
    return _score(_mean, 100.0 * right)


def _optional_score(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], values: NDArray[np.float64]
) -> Score | None:
    return _score(statistic, values) if len(values) else None


def _score(statistic: Callable[..., NDArray[np.float64]], *samples: NDArray[np.generic]) -> Score:
    """Compute a statistic of tracks, and its percentile bootstrap interval over resampled tracks.

    `statistic` takes arrays of shape (..., n), one for each of `samples` (n,), and reduces the last axis.
    """
    n = len(samples[0])
    generator = np.random.default_rng(_SEED)
    rows = max(1, _DRAWS_PER_BLOCK // n)
    resampled = []
    for start in range(0, RESAMPLES, rows):
        draw = generator.integers(n, size=(min(rows, RESAMPLES - start), n))
        resampled.append(statistic(*(sample[draw] for sample in samples)))
    low, high = np.percentile(np.concatenate(resampled), [2.5, 97.5])
    return Score(float(statistic(*samples)), float(low), float(high))
