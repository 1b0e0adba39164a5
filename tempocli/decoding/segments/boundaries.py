"""Where sections change: novelty of repeats and of sound, and a dynamic programme with a prior of lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_REACH = 4  # cells before and after a boundary that are compared with all others
_FARTHEST = 1024  # cells; repeats farther away are not looked for
_KERNEL = 8  # cells before and after a boundary that are compared with each other
_SOUND_WEIGHT = 0.3
# Of the novelty of repeats: a boundary has more than the mean of the track, and than that of steady sound.
_STEADY = 0.1
# Novelty that varies less than that tells nothing.
_LEAST_REPEATS, _LEAST_SOUND = 0.02, 0.05
# Log probability of lengths in bars, up to a constant. Phrases have eight bars, less often four or sixteen,
# and an odd number is rare. After them, the penalty grows with the length.
_LENGTHS = (-6.0, -3.5, -4.0, -1.0, -4.0, -2.5, -4.0, 0.0, -4.5, -3.0, -4.5, -1.2, -5.0, -3.5, -5.0, -1.0)
_LONG, _LONG_EIGHT, _PER_BAR = -6.0, -4.0, -0.03
_EDGE = -2.0  # at most that much for the first and the last section, which may be an intro or be cut off
_TYPICAL, _SPREAD = 10.0, 0.7  # cells without bars: the logarithm of the length is normal


def repeat_novelty(vectors: Floats) -> Floats:
    """Measure at each boundary how much it changes which other cells are like those before and after it.

    In the matrix of similarities at each lag, repeats are stripes, which begin and end where sections do
    (structure features; Serrà and others, IEEE Trans. Multimedia 16, 2014).

    Parameters
    ----------
    vectors : ndarray of float64, shape=(n_cells, dim)
        Their products are similarities.

    Returns
    -------
    ndarray of float64, shape=(n_cells + 1,)
        Root mean square over lags of the difference of the mean similarities of some cells before and after a
        boundary; 0 at both ends.
    """
    n_cells = len(vectors)
    squares, counts = np.zeros(n_cells + 1), np.zeros(n_cells + 1)
    for lag in range(min(n_cells, _FARTHEST + 1)):
        similar = np.einsum("ij,ij->i", vectors[: n_cells - lag], vectors[lag:])
        # Of a cell with the one `lag` cells later, and with the one as many earlier.
        for first in (0, lag) if lag else (0,):
            change, known = _changes(similar, first, n_cells)
            squares += np.square(change)
            counts += known
    novelty = np.sqrt(squares / np.maximum(counts, 1.0))
    novelty[[0, -1]] = 0.0
    return np.asarray(novelty)


def _changes(similar: Floats, first: int, n_cells: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the change of the mean at each boundary, and where there are cells before and after it.

    The similarities are of consecutive cells from `first` on.
    """
    sums = np.concatenate([[0.0], np.cumsum(similar)])
    last = first + len(similar)
    edges = np.arange(n_cells + 1)
    low, here, high = (np.clip(edges + shift, first, last) for shift in (-_REACH, 0, _REACH))
    n_before, n_after = here - low, high - here
    before = (sums[here - first] - sums[low - first]) / np.maximum(n_before, 1)
    after = (sums[high - first] - sums[here - first]) / np.maximum(n_after, 1)
    known = (n_before > 0) & (n_after > 0)
    return np.where(known, after - before, 0.0), known


def sound_novelty(vectors: Floats) -> Floats:
    """Measure how much more alike the cells on either side of a boundary are than across it (Foote 2000).

    Parameters
    ----------
    vectors : ndarray of float64, shape=(n_cells, dim)

    Returns
    -------
    ndarray of float64, shape=(n_cells + 1,)
        0 at both ends.
    """
    n_cells = len(vectors)
    weights = np.exp(-2.0 * np.square((np.arange(_KERNEL) + 0.5) / _KERNEL))
    novelty = np.zeros(n_cells + 1)
    for edge in range(1, n_cells):
        before, after = vectors[max(0, edge - _KERNEL) : edge][::-1], vectors[edge : edge + _KERNEL]
        own, other = weights[: len(before)], weights[: len(after)]
        own, other = own / own.sum(), other / other.sum()
        within = own @ (before @ before.T) @ own + other @ (after @ after.T) @ other
        novelty[edge] = 0.5 * within - own @ (before @ after.T) @ other
    return novelty


def boundary_scores(repeats: Floats, sound: Floats) -> Floats:
    """Join both kinds of novelty into the log odds of a boundary, up to a constant.

    Parameters
    ----------
    repeats, sound : ndarray of float64, shape=(n_cells + 1,)
        From `repeat_novelty` and `sound_novelty`.

    Returns
    -------
    ndarray of float64, shape=(n_cells + 1,)
        0 at both ends.
    """
    if len(repeats) < 3:
        return np.zeros(len(repeats))
    inner, heard = repeats[1:-1], sound[1:-1]
    scores = (repeats - max(float(inner.mean()), _STEADY)) / max(float(inner.std()), _LEAST_REPEATS)
    scores += _SOUND_WEIGHT * (sound - heard.mean()) / max(float(heard.std()), _LEAST_SOUND)
    scores[[0, -1]] = 0.0
    return np.asarray(scores)


def length_prior(n_cells: int, *, in_bars: bool, least: int = 1) -> Floats:
    """Return the log probability of each length of a section from 0 to `n_cells`, up to a constant.

    Parameters
    ----------
    n_cells : int
    in_bars : bool
        Whether cells are bars, of which sections have round numbers.
    least : int
        Least length.
    """
    lengths = np.arange(n_cells + 1)
    if in_bars:
        known = len(_LENGTHS)
        prior = np.where(lengths % 8 == 0, _LONG_EIGHT, _LONG) + _PER_BAR * np.maximum(lengths - known, 0)
        prior[1 : known + 1] = _LENGTHS[:n_cells]
    else:
        prior = -0.5 * np.square(np.log(np.maximum(lengths, 1) / _TYPICAL) / _SPREAD)
        # Far longer ones are no less likely than many in a row.
        prior = np.maximum(prior, _LONG_EIGHT + _PER_BAR * lengths - 4.0 * (lengths < _TYPICAL))
    prior[:least] = -np.inf
    return np.asarray(prior)


def find_boundaries(scores: Floats, prior: Floats, n_sections: int | None = None) -> tuple[list[int], Floats]:
    """Find the most probable boundaries, and the probability of each.

    Parameters
    ----------
    scores : ndarray of float64, shape=(n_cells + 1,)
        Log odds of a boundary, see `boundary_scores`.
    prior : ndarray of float64, shape=(n_cells + 1,)
        See `length_prior`. Where no division into allowed lengths exists, there is one section.
    n_sections : int, optional
        Number of sections; there are fewer where that many do not fit.

    Returns
    -------
    boundaries : list of int
        From 0 to the number of cells.
    probabilities : ndarray of float64, shape=(n_cells + 1,)
        Of a boundary at each place, given all scores and the prior, with any number of sections.
    """
    n_cells = len(scores) - 1
    best, back = np.full(n_cells + 1, -np.inf), np.zeros(n_cells + 1, np.int64)
    forward, backward = np.full(n_cells + 1, -np.inf), np.full(n_cells + 1, -np.inf)
    best[0] = forward[0] = backward[n_cells] = 0.0
    edged = np.maximum(prior, np.where(np.isfinite(prior), _EDGE, -np.inf))
    for end in range(1, n_cells + 1):
        lengths = _lengths(prior, edged, end, n_cells)
        paths = best[:end] + lengths + scores[end]
        back[end] = int(paths.argmax())
        best[end] = paths[back[end]]
        forward[end] = _log_sum(forward[:end] + lengths + scores[end])
    for start in range(n_cells - 1, -1, -1):
        own = (edged if start == 0 else prior)[1 : n_cells - start + 1].copy()
        own[-1] = edged[n_cells - start]
        backward[start] = _log_sum(own + scores[start + 1 :] + backward[start + 1 :])
    if not np.isfinite(best[n_cells]):
        alone = np.zeros(n_cells + 1)
        alone[[0, -1]] = 1.0
        return [0, n_cells], alone
    if n_sections is None:
        boundaries = [n_cells]
        while boundaries[-1]:
            boundaries.append(int(back[boundaries[-1]]))
        boundaries.reverse()
    else:
        boundaries = _exactly(scores, prior, edged, n_sections)
    return boundaries, np.exp(np.minimum(forward + backward - forward[n_cells], 0.0))


def _exactly(scores: Floats, prior: Floats, edged: Floats, n_sections: int) -> list[int]:
    """Return the most probable boundaries of a number of sections, or of the largest number that fits."""
    n_cells = len(scores) - 1
    best = np.full(n_cells + 1, -np.inf)
    best[0] = 0.0
    backs: list[NDArray[np.int64]] = []
    reached = 0
    for _ in range(min(n_sections, n_cells)):
        after, back = np.full(n_cells + 1, -np.inf), np.zeros(n_cells + 1, np.int64)
        for end in range(1, n_cells + 1):
            paths = best[:end] + _lengths(prior, edged, end, n_cells) + scores[end]
            back[end] = int(paths.argmax())
            after[end] = paths[back[end]]
        best = after
        backs.append(back)
        reached = len(backs) if np.isfinite(best[n_cells]) else reached
    boundaries = [n_cells]
    for back in backs[:reached][::-1]:
        boundaries.append(int(back[boundaries[-1]]))
    return boundaries[::-1]


def _lengths(prior: Floats, edged: Floats, end: int, n_cells: int) -> Floats:
    """Return the log probability of the sections that start at 0, 1, ... and end at `end`."""
    if end == n_cells:
        return edged[end:0:-1]
    lengths = prior[end:0:-1].copy()
    lengths[0] = edged[end]
    return lengths


def _log_sum(values: Floats) -> float:
    top = float(values.max())
    return top + float(np.log(np.exp(values - top).sum())) if np.isfinite(top) else -np.inf
