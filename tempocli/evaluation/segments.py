"""Score the sections of songs against annotations, by the definitions of mir_eval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.evaluation.scoring import Score, mean_score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

WINDOWS = (0.5, 3.0)  # seconds within which a boundary is right
_FRAME = 0.1  # seconds, for the scores of labels
_DIGITS = 5  # two times that are equal when rounded are one boundary


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """Sections of a song, annotated or estimated.

    Attributes
    ----------
    intervals : ndarray of float64, shape=(n_sections, 2)
        Start and end, in seconds, in order and without gaps.
    labels : tuple of str
        Equal labels are repeats.
    """

    intervals: NDArray[np.float64]
    labels: tuple[str, ...]

    @property
    def boundaries(self) -> NDArray[np.float64]:
        """All boundaries, the first and the last among them, in seconds."""
        return np.unique(np.round(self.intervals.ravel(), _DIGITS))

    def until(self, end: float) -> Segmentation:
        """Return the sections from 0 to a time; what is missing gets labels of its own."""
        starts, ends = self.intervals.T
        kept = (ends > 0.0) & (starts < end)
        intervals, labels = (
            np.clip(self.intervals[kept], 0.0, end),
            [label for label, keep in zip(self.labels, kept, strict=True) if keep],
        )
        if not len(intervals):
            return Segmentation(np.array([[0.0, end]]), ("missing",))
        if intervals[0, 0] > 0.0:
            intervals, labels = np.vstack([[0.0, intervals[0, 0]], intervals]), ["before", *labels]
        if intervals[-1, 1] < end:
            intervals, labels = np.vstack([intervals, [intervals[-1, 1], end]]), [*labels, "after"]
        return Segmentation(intervals, tuple(labels))


@dataclass(frozen=True, slots=True)
class SegmentScores:
    """Scores of one song, 0 to 1.

    Attributes
    ----------
    f_half, f_three : float
        F-measure of boundaries within 0.5 and 3 seconds.
    f_half_trimmed, f_three_trimmed : float
        The same without the first and the last boundary.
    pairwise : float
        F-measure of pairs of frames that have the same label.
    over, under : float
        Normalised conditional entropies: 1 minus how much is left unknown of the estimated labels when the
        annotated ones are known, and vice versa (Lukashevich 2008).
    """

    f_half: float
    f_three: float
    f_half_trimmed: float
    f_three_trimmed: float
    pairwise: float
    over: float
    under: float


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """Mean scores of some songs, 0 to 1, with 95 % bootstrap intervals.

    Attributes
    ----------
    n, n_missing : int
        Number of references, and of those without an estimate, which score 0.
    f_half, f_three, f_half_trimmed, f_three_trimmed, pairwise, over, under : Score
        See `SegmentScores`.
    """

    n: int
    n_missing: int
    f_half: Score
    f_three: Score
    f_half_trimmed: Score
    f_three_trimmed: Score
    pairwise: Score
    over: Score
    under: Score


def evaluate_segments(
    references: Sequence[Segmentation], estimates: Sequence[Segmentation | None]
) -> SegmentReport:
    """Score the sections of some songs.

    Parameters
    ----------
    references : sequence of Segmentation
        At least one.
    estimates : sequence of Segmentation or None
        In the same order; ``None`` scores 0.
    """
    nothing = SegmentScores(*[0.0] * 7)
    rows = [
        nothing if estimate is None else score_segments(reference, estimate)
        for reference, estimate in zip(references, estimates, strict=True)
    ]

    def mean(name: str) -> Score:
        return mean_score(np.array([getattr(row, name) for row in rows]))

    return SegmentReport(
        n=len(rows),
        n_missing=sum(estimate is None for estimate in estimates),
        f_half=mean("f_half"),
        f_three=mean("f_three"),
        f_half_trimmed=mean("f_half_trimmed"),
        f_three_trimmed=mean("f_three_trimmed"),
        pairwise=mean("pairwise"),
        over=mean("over"),
        under=mean("under"),
    )


def score_segments(reference: Segmentation, estimate: Segmentation) -> SegmentScores:
    """Score the sections of a song; both are taken from 0 to the end of the reference.

    Parameters
    ----------
    reference, estimate : Segmentation
    """
    end = float(reference.intervals.max())
    reference, estimate = reference.until(end), estimate.until(end)
    known, found = reference.boundaries, estimate.boundaries
    table = _contingency(reference, estimate)
    over, under = _entropies(table)
    (half, three), (half_trimmed, three_trimmed) = (
        [f_measure(some, others, window) for window in WINDOWS]
        for some, others in ((known, found), (known[1:-1], found[1:-1]))
    )
    return SegmentScores(
        f_half=half,
        f_three=three,
        f_half_trimmed=half_trimmed,
        f_three_trimmed=three_trimmed,
        pairwise=_pairwise(table),
        over=over,
        under=under,
    )


def f_measure(reference: NDArray[np.float64], estimate: NDArray[np.float64], window: float) -> float:
    """Return the F-measure of boundaries within a window of each other, each matched once, 0 to 1.

    Parameters
    ----------
    reference, estimate : ndarray of float64, shape=(n,)
        In seconds, in order.
    window : float
        In seconds.
    """
    if not len(reference) or not len(estimate):
        return 0.0
    hits = place = 0
    # In order, the first reference that is near enough is the best match.
    for time in estimate:
        while place < len(reference) and time - reference[place] > window:
            place += 1
        if place < len(reference) and reference[place] - time <= window:
            hits += 1
            place += 1
    return 2.0 * hits / (len(reference) + len(estimate))


def _contingency(reference: Segmentation, estimate: Segmentation) -> NDArray[np.float64]:
    """Count the frames of each pair of labels, shape=(n_reference_labels, n_estimated_labels)."""
    n_frames = int(np.floor(reference.intervals.max() / _FRAME))
    times = np.arange(n_frames, dtype=np.float32) * _FRAME
    rows, columns = _sampled(reference, times), _sampled(estimate, times)
    table = np.zeros((rows.max(initial=0) + 1, columns.max(initial=0) + 1))
    np.add.at(table, (rows, columns), 1.0)
    # A label of no frame, such as that of a very short section, does not count.
    return table[table.any(axis=1)][:, table.any(axis=0)]


def _sampled(sections: Segmentation, times: NDArray[np.float32]) -> NDArray[np.int64]:
    names = {label: number for number, label in enumerate(dict.fromkeys(sections.labels))}
    numbers = np.array([names[label] for label in sections.labels], np.int64)
    places = np.searchsorted(sections.intervals[:, 0], times, side="right") - 1
    return numbers[np.clip(places, 0, len(numbers) - 1)]


def _pairwise(table: NDArray[np.float64]) -> float:
    def pairs(counts: NDArray[np.float64]) -> float:
        return float((counts * (counts - 1.0)).sum() / 2.0)

    both, known, found = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    if not both:
        return 0.0
    precision, recall = both / found, both / known
    return 2.0 * precision * recall / (precision + recall)


def _entropies(table: NDArray[np.float64]) -> tuple[float, float]:
    if not table.size:
        return 0.0, 0.0
    joint = table / table.sum()

    def left(joint: NDArray[np.float64]) -> float:
        """Return the entropy of the columns' labels that is left when the rows' labels are known, in bits."""
        given = joint / joint.sum(axis=1, keepdims=True)
        return float(-(joint * np.log2(given, out=np.zeros_like(given), where=given > 0.0)).sum())

    def share(bits: float, n_labels: int) -> float:
        return 1.0 - bits / np.log2(n_labels) if n_labels > 1 else 0.0

    return share(left(joint), joint.shape[1]), share(left(joint.T), joint.shape[0])
