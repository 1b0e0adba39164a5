"""Evaluate a set of estimates: all scores with intervals, and groups of tracks."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tempocli.errors import DataError
from tempocli.evaluation import metrics, reliability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from tempocli.evaluation.annotations import Reference, TrackEstimate

RESAMPLES = 2000
_Z = 1.959963984540054  # 97.5th percentile of the standard normal distribution
_SEED = 0
_TRIALS = 500
_CHANCE_PERCENTILE = 90.0
# Numbers drawn at a time: 16 MB of indices, however many tracks there are.
_DRAWS_PER_BLOCK = 2_000_000


# Outcomes of an estimate in a range. If no octave of the reference is inside, no estimate is correct.
OUTCOMES = ("correct", "correctly none", "wrong", "wrongly none", "wrongly some")


@dataclass(frozen=True, slots=True)
class Score:
    """A score over a set of tracks and its 95 % interval, in the same unit.

    That of a share of tracks is the score interval (Wilson, JASA 1927), all others are by the bootstrap.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of a confidence; all values are 0 to 1.

    Attributes
    ----------
    n : int
        Number of estimates that have this confidence.
    ece : Score
        Expected calibration error.
    by_chance : float
        Mean expected calibration error of perfectly calibrated confidences with the same values. It is above
        0 because the number of files is finite.
    by_chance_p90 : float
        90th percentile of the same.
    bins : list of reliability.ReliabilityBin
        Ten bins of equal width, lowest first.
    """

    n: int
    ece: Score
    by_chance: float
    by_chance_p90: float
    bins: list[reliability.ReliabilityBin]


@dataclass(frozen=True, slots=True)
class TempoRange:
    """A range of tempi in BPM, both ends inside."""

    min_bpm: float
    max_bpm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All scores of one set of tracks; a score with nothing to measure is ``None``.

    With a range of tempi, references are folded into it by octaves (`metrics.octaves_in_range`). The scores
    that depend on the octave are then ``None``: Accuracy 2, octave errors, relations, P-score, octave
    calibration.

    Attributes
    ----------
    tempo_range : TempoRange or None
        Range of the estimates.
    n, n_missing : int
        Number of references, and of references without an estimate.
    n_outside : int or None
        Number of references that have no octave in the range; ``None`` without a range.
    accuracy1, accuracy1_2pct, accuracy1_1pct : Score
        Accuracy 1 at 4 %, 2 % and 1 %, in percent.
    accuracy2, accuracy2_2pct, accuracy2_1pct : Score or None
        The same for Accuracy 2.
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
    n_flagged : int
        Number of steady references whose estimate says whether it is steady.
    flagged_steady : Score or None
        Share of those that are estimated to be steady, in percent.
    n_standard_errors : int
        Number of steady references whose estimate has a standard error and is right up to a factor of 2 or 3.
    within_one_error, within_two_errors : Score or None
        Share of those that are off by no more than one and two standard errors, in percent.
    relations : dict of str to Score, or None
        Share of each error relation in percent, with the keys of `metrics.RELATIONS`, ``other``, ``missing``.
    outcomes : dict of str to Score, or None
        In a range: share of each of `OUTCOMES` in percent.
    calibration : Calibration or None
        The confidence against Accuracy 1.
    octave_calibration : Calibration or None
        The octave's confidence against Accuracy 1, over the estimates that are right by Accuracy 2.
    """

    tempo_range: TempoRange | None
    n: int
    n_missing: int
    n_outside: int | None = None
    accuracy1: Score
    accuracy1_2pct: Score
    accuracy1_1pct: Score
    accuracy2: Score | None = None
    accuracy2_2pct: Score | None = None
    accuracy2_1pct: Score | None = None
    oe1: Score | None = None
    oe2: Score | None = None
    aoe1: Score | None = None
    aoe2: Score | None = None
    n_two_tempi: int = 0
    p_score: Score | None = None
    n_steady: int
    steady_error_bpm: Score | None
    n_flagged: int
    flagged_steady: Score | None
    n_standard_errors: int
    within_one_error: Score | None
    within_two_errors: Score | None
    relations: dict[str, Score] | None = None
    outcomes: dict[str, Score] | None = None
    calibration: Calibration | None
    octave_calibration: Calibration | None = None


def group_by(references: Sequence[Reference], column: str) -> dict[str, list[int]]:
    """Group the row numbers of a reference table by the text of a column, in the order of that text.

    Raises
    ------
    DataError
        If a row has no such column.
    """
    lacking = next((row for row in references if column not in row.columns), None)
    if lacking is not None:
        names = ", ".join(lacking.columns)
        raise DataError(f"the reference table has no column '{column}' (it has: {names})")
    groups: dict[str, list[int]] = {}
    for number, reference in enumerate(references):
        groups.setdefault(reference.columns[column], []).append(number)
    return dict(sorted(groups.items()))


def evaluate(
    references: Sequence[Reference],
    estimates: Sequence[TrackEstimate],
    *,
    tempo_range: TempoRange | None = None,
) -> Report:
    """Score estimates against references.

    Parameters
    ----------
    references : sequence of Reference
        At least one.
    estimates : sequence of TrackEstimate
        One per reference, in the same order.
    tempo_range : TempoRange, optional
        Range of the estimates; references are folded into it by octaves.

    Returns
    -------
    Report
    """
    reference = _column(row.bpm for row in references)
    estimate = _column(row.bpm for row in estimates)
    missing = metrics.is_missing(estimate)
    if tempo_range is None:
        nearest = reference
        right = partial(metrics.accuracy1, reference, estimate)
    else:
        nearest = metrics.octaves_in_range(reference, estimate, **asdict(tempo_range))
        right = partial(metrics.accuracy1_in_range, reference, estimate, **asdict(tempo_range))
    right1 = right()
    known_steady = np.array([row.steady for row in references])
    steady = right1 & ~missing & known_steady
    flags = [guess.steady for guess, known in zip(estimates, known_steady, strict=True) if known]
    flagged = np.array([flag for flag in flags if flag is not None], np.bool_)
    errors_off = _standard_errors_off(nearest, estimate, estimates)[known_steady]
    errors_off = errors_off[~np.isnan(errors_off)]
    report = Report(
        tempo_range=tempo_range,
        n=len(references),
        n_missing=int(missing.sum()),
        accuracy1=_share(right1),
        accuracy1_2pct=_share(right(tolerance=0.02)),
        accuracy1_1pct=_share(right(tolerance=0.01)),
        n_steady=int(steady.sum()),
        steady_error_bpm=_optional_score(_median, np.abs(estimate[steady] - nearest[steady])),
        n_flagged=len(flagged),
        flagged_steady=_optional_share(flagged),
        n_standard_errors=len(errors_off),
        within_one_error=_optional_share(errors_off <= 1.0),
        within_two_errors=_optional_share(errors_off <= 2.0),
        calibration=_calibration(_column(row.confidence for row in estimates), right1, where=~missing),
    )
    if tempo_range is None:
        return _with_octaves(report, references, estimates)
    outside = np.isnan(nearest)
    outcome = np.select(
        [right1 & ~missing, right1, outside, missing],
        [np.array(name) for name in ("correct", "correctly none", "wrongly some", "wrongly none")],
        default=np.array("wrong"),
    )
    shares = {name: _share(outcome == name) for name in OUTCOMES}
    return replace(report, n_outside=int(outside.sum()), outcomes=shares)


def _with_octaves(
    report: Report, references: Sequence[Reference], estimates: Sequence[TrackEstimate]
) -> Report:
    """Add the scores that depend on the tempo octave."""
    reference = _column(row.bpm for row in references)
    estimate = _column(row.bpm for row in estimates)
    missing = metrics.is_missing(estimate)
    right1, right2 = metrics.accuracy1(reference, estimate), metrics.accuracy2(reference, estimate)
    error1 = metrics.octave_error1(reference, estimate)[~missing]
    error2 = metrics.octave_error2(reference, estimate)[~missing]
    relation = metrics.error_relation(reference, estimate)
    two_tempi = _two_tempi_scores(references, estimates)
    octave_confidence = _column(row.octave_confidence for row in estimates)
    return replace(
        report,
        accuracy2=_share(right2),
        accuracy2_2pct=_share(metrics.accuracy2(reference, estimate, tolerance=0.02)),
        accuracy2_1pct=_share(metrics.accuracy2(reference, estimate, tolerance=0.01)),
        oe1=_optional_score(_mean, error1),
        oe2=_optional_score(_mean, error2),
        aoe1=_optional_score(_mean, np.abs(error1)),
        aoe2=_optional_score(_mean, np.abs(error2)),
        n_two_tempi=len(two_tempi),
        p_score=_optional_score(_mean, 100.0 * two_tempi),
        relations={name: _share(relation == name) for name in (*metrics.RELATIONS, "other", "missing")},
        octave_calibration=_calibration(octave_confidence, right1, where=right2),
    )


def _standard_errors_off(
    reference: NDArray[np.float64], estimate: NDArray[np.float64], estimates: Sequence[TrackEstimate]
) -> NDArray[np.float64]:
    """Compute `metrics.standard_errors_off`; NaN without a reference."""
    off = np.full(len(reference), np.nan)
    known = ~np.isnan(reference)
    error = _column(row.bpm_error for row in estimates)
    off[known] = metrics.standard_errors_off(reference[known], estimate[known], error[known])
    return off


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
    chance = _chance_errors(confidence)
    return Calibration(
        n=len(confidence),
        by_chance=float(chance.mean()),
        by_chance_p90=float(np.percentile(chance, _CHANCE_PERCENTILE)),
        ece=_score(reliability.expected_calibration_error, confidence, right[known]),
        bins=reliability.reliability_bins(confidence, right[known]),
    )


def _chance_errors(confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    rng = np.random.default_rng(_SEED)
    trials = (rng.random(len(confidence)) < confidence for _ in range(_TRIALS))
    return np.array([reliability.expected_calibration_error(confidence, right) for right in trials])


def mean_score(values: NDArray[np.float64]) -> Score:
    """Return the mean of the values of some tracks, at least one, and its bootstrap interval."""
    return _score(_mean, values)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.mean(values, axis=-1))


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.median(values, axis=-1))


def _share(right: NDArray[np.bool_]) -> Score:
    """Return the share of true values in percent, and its interval by Wilson."""
    n, share = len(right), float(right.mean())
    weight = _Z**2 / n
    centre = (share + weight / 2.0) / (1.0 + weight)
    half = math.sqrt(weight * share * (1.0 - share) + weight**2 / 4.0) / (1.0 + weight)
    # The interval contains the share; at 0 and 1, rounding would leave it just outside.
    low, high = min(max(0.0, centre - half), share), max(min(1.0, centre + half), share)
    return Score(100.0 * share, 100.0 * low, 100.0 * high)


def _optional_share(right: NDArray[np.bool_]) -> Score | None:
    return _share(right) if len(right) else None


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
