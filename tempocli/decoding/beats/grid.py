"""Fit constant tempi to beats: one where the track has one, else one for each stretch of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tempocli.schema import GridSection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tempocli.schema import Beat

_TOLERANCE = 0.04  # seconds that a beat may lie off the grid
_OUTLIERS = 0.1  # share of the beats of a stretch that may lie further off
_FEWEST = 4  # beats of a stretch
_ROUNDS, _EXACT = 10, 0.001  # of the fit; distances in seconds below which beats are as good as on the grid
_SYSTEMATIC = 0.003  # seconds by which beats at one end may all be late, as other sounds play there
_WHOLE = 2.0  # standard errors from a whole number of BPM within which the tempo is taken to be it


def fit_grid(beats: Sequence[Beat]) -> tuple[GridSection, ...]:
    """Fit a grid of constant tempo to beats, piecewise if they need it.

    A stretch goes on as long as nine in ten of its beats lie within 40 ms of a line. If its tempo cannot be
    told from a whole number of BPM, it is taken to be that number, as most music made on a computer has.

    Parameters
    ----------
    beats : sequence of Beat
        In time order.

    Returns
    -------
    tuple of GridSection
        In time order; empty with fewer than two beats.
    """
    times = np.array([beat.time for beat in beats])
    weights = np.array([beat.confidence for beat in beats]) + 0.05
    sections = []
    first = 0
    while len(times) - first >= 2:
        stop = _longest(times, weights, first)
        sections.append(_section(beats[first:stop], times[first:stop], weights[first:stop]))
        first = stop
    return tuple(sections)


def _first_downbeat(beats: Sequence[Beat]) -> int:
    """Return the index of the first downbeat, or 0 if there is none."""
    return next((index for index, beat in enumerate(beats) if beat.position == 1), 0)


def _longest(times: NDArray[np.float64], weights: NDArray[np.float64], first: int) -> int:
    """Return the end of the longest stretch from `first` that lies on a line, found by halving."""
    good = min(first + _FEWEST, len(times))
    step = _FEWEST
    while True:
        stop = min(good + step, len(times))
        if stop > good and _fits(times[first:stop], weights[first:stop]):
            good, step = stop, 2 * step
        elif step > 1:
            step //= 2
        else:
            break
    # The last beats may belong to the next stretch.
    while good < len(times) and good - first > _FEWEST and not _ends_well(times[first:good]):
        good -= 1
    # One beat would be left over.
    return good if len(times) - good != 1 else len(times)


def _ends_well(times: NDArray[np.float64]) -> bool:
    """Return whether the last interval is like the others, as a beat of the next tempo's is not."""
    steps = np.diff(times)
    return bool(abs(steps[-1] - np.median(steps)) <= _TOLERANCE)


def _fits(times: NDArray[np.float64], weights: NDArray[np.float64]) -> bool:
    period, start = _line(times, weights)
    off = np.abs(times - start - period * np.arange(len(times)))
    return bool(np.quantile(off, 1.0 - _OUTLIERS) <= _TOLERANCE)


def _line(times: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    """Fit period and time of the first beat by weighted least squares."""
    index = np.arange(len(times))
    total = weights.sum()
    middle, centre = float(weights @ index / total), float(weights @ times / total)
    spread = float(weights @ np.square(index - middle))
    period = float(weights @ ((index - middle) * (times - centre))) / spread
    return period, centre - period * middle


def _section(beats: Sequence[Beat], times: NDArray[np.float64], weights: NDArray[np.float64]) -> GridSection:
    index = np.arange(len(times))
    period, start = _line(times, weights)
    for _ in range(_ROUNDS):
        # The line of least absolute distances: beats far off the grid, such as those of a fill, and passages
        # where all beats are a little late do not move it.
        off = np.abs(times - start - period * index)
        period, start = _line(times, weights / np.maximum(off, _EXACT))
    off = times - start - period * index
    bpm = 60.0 / period
    if len(times) >= _FEWEST:
        deviation = 1.48 * float(np.median(np.abs(off)))
        chance = deviation * math.sqrt(12.0) / (period * len(times) ** 1.5)
        error = bpm * math.hypot(chance, _SYSTEMATIC / (period * len(times)))
        if abs(bpm - round(bpm)) <= _WHOLE * error:
            bpm = float(round(bpm))
            start = float(np.median(times - 60.0 / bpm * index))
    period = 60.0 / bpm
    return GridSection(
        start=float(times[0]),
        end=float(times[-1]),
        anchor=start + period * _first_downbeat(beats),
        bpm=bpm,
        n_beats=len(times),
        residual=float(np.median(np.abs(times - start - period * index))),
    )
