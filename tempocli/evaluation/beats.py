"""Score beats, downbeats and metre against annotations, by the definitions of mir_eval."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.evaluation.scoring import Score, mean_score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Times = NDArray[np.float64]

TOLERANCE = 0.07  # seconds, of the F-measure
_CONTINUITY = 0.175  # of an interval, in phase and in length


@dataclass(frozen=True, slots=True, eq=False)
class BeatAnnotation:
    """Beats of a track, annotated or estimated.

    Attributes
    ----------
    times : ndarray of float64, shape=(n_beats,)
        In seconds, in order.
    positions : ndarray of int64, shape=(n_beats,)
        Positions in the bar, from 1; 0 where they are not known.
    """

    times: Times
    positions: NDArray[np.int64]

    def after(self, seconds: float) -> BeatAnnotation:
        """Return the beats at or after a time."""
        kept = self.times >= seconds
        return BeatAnnotation(self.times[kept], self.positions[kept])

    @property
    def downbeats(self) -> Times:
        """Times of the downbeats, in seconds."""
        return np.asarray(self.times[self.positions == 1])

    @property
    def metre(self) -> int | None:
        """The most common number of beats from a downbeat to the next; ``None`` without two downbeats."""
        (places,) = np.nonzero(self.positions == 1)
        counts = Counter(np.diff(places).tolist())
        return counts.most_common(1)[0][0] if counts else None


@dataclass(frozen=True, slots=True)
class BeatScores:
    """Scores of one track, 0 to 1; ``None`` where there is nothing to measure.

    Attributes
    ----------
    f_measure : float
        Of beats within 70 ms.
    cml_c, cml_t, aml_c, aml_t : float
        Continuity at the correct and at any metrical level: longest segment, and total.
    downbeat_f_measure : float or None
        Of downbeats within 70 ms.
    metre : float or None
        1 if the metre is right, otherwise 0.
    """

    f_measure: float
    cml_c: float
    cml_t: float
    aml_c: float
    aml_t: float
    downbeat_f_measure: float | None
    metre: float | None


@dataclass(frozen=True, slots=True)
class BeatReport:
    """Mean scores of some tracks, 0 to 1, with 95 % bootstrap intervals.

    Attributes
    ----------
    n, n_missing : int
        Number of references, and of those without an estimate, which score 0.
    f_measure, cml_c, cml_t, aml_c, aml_t : Score
    n_downbeats : int
        Number of references with downbeats.
    downbeat_f_measure : Score or None
    n_metres : int
        Number of references with a metre.
    metre : Score or None
        Share of right metres.
    """

    n: int
    n_missing: int
    f_measure: Score
    cml_c: Score
    cml_t: Score
    aml_c: Score
    aml_t: Score
    n_downbeats: int
    downbeat_f_measure: Score | None
    n_metres: int
    metre: Score | None


def score_beats(reference: BeatAnnotation, estimate: BeatAnnotation) -> BeatScores:
    """Score the beats of a track.

    Parameters
    ----------
    reference, estimate : BeatAnnotation
    """
    downbeats, metre = reference.downbeats, reference.metre
    return BeatScores(
        f_measure(reference.times, estimate.times),
        *continuity(reference.times, estimate.times),
        downbeat_f_measure=f_measure(downbeats, estimate.downbeats) if len(downbeats) else None,
        metre=None if metre is None else float(estimate.metre == metre),
    )


def f_measure(reference: Times, estimate: Times) -> float:
    """Return the F-measure of events within 70 ms of each other, each matched once, 0 to 1.

    Parameters
    ----------
    reference, estimate : ndarray of float64, shape=(n,)
        In seconds, in order.
    """
    if not len(reference) or not len(estimate):
        return 0.0
    hits = place = 0
    # In order, the first reference that is near enough is the best match.
    for time in estimate:
        while place < len(reference) and reference[place] < time - TOLERANCE:
            place += 1
        if place < len(reference) and reference[place] <= time + TOLERANCE:
            hits += 1
            place += 1
    return 2.0 * hits / (len(reference) + len(estimate))


def continuity(reference: Times, estimate: Times) -> tuple[float, float, float, float]:
    """Return the continuity scores CMLc, CMLt, AMLc and AMLt (Hainsworth 2004, Klapuri 2006), 0 to 1.

    A beat is right if it lies within 17.5 % of an interval of its reference beat, and the interval before it
    is as long as that of the reference, within 17.5 %. The other metrical levels are those of mir_eval:
    off-beats, double, and half, from the first or the second beat.

    Parameters
    ----------
    reference, estimate : ndarray of float64, shape=(n,)
        In seconds, in order.
    """
    if len(reference) < 2 or len(estimate) < 2:
        return 0.0, 0.0, 0.0, 0.0
    double = np.interp(np.arange(0, len(reference) - 0.5, 0.5), np.arange(len(reference)), reference)
    levels = (reference, double[1::2], double, reference[::2], reference[1::2])
    scores = [_continuity(level, estimate) for level in levels]
    longest, total = scores[0]
    return longest, total, max(each[0] for each in scores), max(each[1] for each in scores)


def _continuity(reference: Times, estimate: Times) -> tuple[float, float]:
    """Return the longest run of right beats and their total, as shares of the longer sequence."""
    if len(reference) < 2:
        return 0.0, 0.0
    middles = 0.5 * (reference[:-1] + reference[1:])
    nearest = np.searchsorted(middles, estimate)
    index = np.arange(len(estimate))
    # The first beat, and beats near the first reference, are judged by the interval after them.
    ahead = (index == 0) | (nearest == 0)
    expected = _interval(reference, nearest, ahead=ahead)
    found = _interval(estimate, index, ahead=ahead)
    with np.errstate(divide="ignore", invalid="ignore"):
        phase = np.abs(estimate - reference[nearest]) / expected
        period = np.abs(1.0 - found / expected)
    (right,) = np.nonzero((phase < _CONTINUITY) & (period < _CONTINUITY))
    # A reference beat can be found once.
    _, first = np.unique(nearest[right], return_index=True)
    n = max(len(reference), len(estimate))
    is_right = np.zeros(n + 2, np.bool_)
    is_right[right[first] + 1] = True
    longest = int(np.diff(np.nonzero(~is_right)[0]).max()) - 1
    return longest / n, len(first) / n


def _interval(times: Times, places: NDArray[np.int64], *, ahead: NDArray[np.bool_]) -> Times:
    """Return the interval after each place where `ahead`, if there is one, otherwise that before it."""
    steps = np.diff(times)
    before = np.maximum(places - 1, 0)
    after = np.where(places < len(steps), places, before)
    return np.asarray(steps[np.where(ahead, after, before)])


def evaluate_beats(
    references: Sequence[BeatAnnotation],
    estimates: Sequence[BeatAnnotation | None],
    *,
    skip: float = 0.0,
) -> BeatReport:
    """Score the beats of some tracks.

    Parameters
    ----------
    references : sequence of BeatAnnotation
        At least one.
    estimates : sequence of BeatAnnotation or None
        In the same order; ``None`` scores 0.
    skip : float
        Beats before this time are not scored, in seconds; 5 is usual.
    """
    nothing = BeatAnnotation(np.zeros(0), np.zeros(0, np.int64))
    rows = [
        score_beats(reference.after(skip), (estimate or nothing).after(skip))
        for reference, estimate in zip(references, estimates, strict=True)
    ]

    def mean(name: str) -> Score:
        return mean_score(np.array([getattr(row, name) for row in rows]))

    downbeats = np.array([row.downbeat_f_measure for row in rows if row.downbeat_f_measure is not None])
    metres = np.array([row.metre for row in rows if row.metre is not None])
    return BeatReport(
        n=len(rows),
        n_missing=sum(estimate is None for estimate in estimates),
        f_measure=mean("f_measure"),
        cml_c=mean("cml_c"),
        cml_t=mean("cml_t"),
        aml_c=mean("aml_c"),
        aml_t=mean("aml_t"),
        n_downbeats=len(downbeats),
        downbeat_f_measure=mean_score(downbeats) if len(downbeats) else None,
        n_metres=len(metres),
        metre=mean_score(metres) if len(metres) else None,
    )
