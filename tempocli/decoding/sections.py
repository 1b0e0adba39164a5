"""From the tempo of single windows to the sections of a track that keep a tempo, and whether it is steady."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.features.statistics import median

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRIFT = 0.03  # a live drummer's; a section that changes by more is a ramp
_APART = 0.025  # of the track's tempo: what is further from it is another
_NEAR = 0.045  # octaves: as near as two windows of one tempo are
_OCTAVES = (1.0, -1.0, 2.0, -2.0, math.log2(3.0), -math.log2(3.0))
# A break whose pulse is in such a ratio to the beat is heard as another tempo.
_BREAK_RATIOS = np.log2([3 / 2, 2 / 3, 4 / 3, 3 / 4])
_EXACTLY = 0.015
_DEVIATION = 0.012  # octaves, of a window's tempo from the section's
_OUTLIER = 3.0  # deviations from the local median that still count
_NEW_SECTION = 2.0  # cost of one more section, times the logarithm of the number of windows
_MIN_WINDOWS = 3  # of a section
_MAX_WINDOWS = 1200  # an hour
_CERTAIN = 0.4  # share of a window's distribution near its tempo, to be evidence against the track's
_SHARE, _SECONDS = 0.15, 30.0  # of the track, at another tempo, that make it unsteady
_EDGE_SHARE = 0.2  # of the windows: a section at the beginning or the end is a break only if it is shorter
_CLEAR = 0.7  # mean share from which windows are certain


@dataclass(frozen=True, slots=True)
class Section:
    """Consecutive windows whose tempo is constant, or rises or falls evenly.

    Attributes
    ----------
    first, stop : int
        Windows of the section: `first` up to, not including, `stop`.
    start_bpm, end_bpm : float
        Fitted tempo at the centres of the first and the last window, in BPM.
    """

    first: int
    stop: int
    start_bpm: float
    end_bpm: float

    @property
    def bpm(self) -> float:
        """Tempo in the middle."""
        return math.sqrt(self.start_bpm * self.end_bpm)

    @property
    def is_ramp(self) -> bool:
        """Whether the tempo changes within the section."""
        return abs(math.log(self.end_bpm / self.start_bpm)) > math.log(1.0 + DRIFT)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """How the tempo runs.

    Attributes
    ----------
    sections : list of Section
        In the order of time, without gaps.
    times : ndarray of float64, shape=(n_windows,)
        Centres of the windows, in seconds.
    tempi : ndarray of float64, shape=(n_windows,)
        The windows' tempi, in BPM, in one tempo octave.
    shares : ndarray of float64, shape=(n_windows,)
        How certain each one is.
    steady : bool
        Whether there is one tempo, give or take 2.5 %.
    """

    sections: list[Section]
    times: NDArray[np.float64]
    tempi: NDArray[np.float64]
    shares: NDArray[np.float64]
    steady: bool

    @property
    def clear(self) -> bool:
        """Whether the windows are certain, so that there is a pulse, however its tempo runs."""
        return float(self.shares.mean()) >= _CLEAR

    def bpm_at(self, section: Section, time: float) -> float:
        """Read the tempo of a section at a time in seconds, in BPM; a ramp need not be even."""
        windows = slice(section.first, section.stop)
        padded = np.pad(self.tempi[windows], 1, mode="edge")
        smooth = np.sort(np.lib.stride_tricks.sliding_window_view(padded, 3), axis=1)[:, 1]
        return float(np.interp(time, self.times[windows], smooth))


def find_sections(
    times: NDArray[np.float64], tempi: NDArray[np.float64], shares: NDArray[np.float64]
) -> Course:
    """Find the sections of a track.

    Lines are fitted to the logarithm of the windows' tempi; where they begin and end is found by dynamic
    programming, with a price for each further line.

    Parameters
    ----------
    times : ndarray of float64, shape=(n_windows,)
        Centres of the windows, in seconds; at least one.
    tempi : ndarray of float64, shape=(n_windows,)
        The windows' own tempi, in BPM.
    shares : ndarray of float64, shape=(n_windows,)
        How certain each one is, 0 to 1.
    """
    heights = _one_octave(np.log2(tempi), shares)
    weights = np.clip(shares, 0.05, 1.0)
    sections = _merged(_fit_lines(times, _without_outliers(heights), weights), times)
    return Course(sections, times, 2.0**heights, shares, _is_steady(sections, times, shares))


def _one_octave(heights: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move tempi that are an octave or a triple off, from the most certain window on in both directions."""
    folded = heights.copy()
    start = int(shares.argmax())
    for order in (range(start + 1, len(folded)), range(start - 1, -1, -1)):
        recent = [folded[start]]
        for index in order:
            near = median(np.array(recent[-3:]))
            folded[index] = _nearest(heights[index], near)
            if shares[index] > 0.3:
                recent.append(folded[index])
    return folded


def _nearest(height: float, near: float) -> float:
    moved = [height, *(height + octave for octave in _OCTAVES)]
    best = min(moved, key=lambda value: abs(value - near))
    # Half an octave away, nothing tells whether the tempo has changed or the octave.
    return best if abs(best - near) <= _NEAR or abs(height - near) > 0.5 else height


def _without_outliers(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.pad(heights, 2, mode="reflect" if len(heights) > 2 else "edge")
    smooth = np.sort(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)[:, 2]
    reach = _OUTLIER * _DEVIATION
    return np.clip(heights, smooth - reach, smooth + reach)


@dataclass(frozen=True, slots=True)
class _Line:
    first: int
    stop: int
    start: float
    end: float


def _fit_lines(
    times: NDArray[np.float64], heights: NDArray[np.float64], weights: NDArray[np.float64]
) -> list[_Line]:
    n = len(times)
    shortest = min(_MIN_WINDOWS, n)
    columns = (
        weights,
        weights * times,
        weights * times**2,
        weights * heights,
        weights * heights**2,
        weights * times * heights,
    )
    sums = np.stack([np.concatenate([[0.0], np.cumsum(column)]) for column in columns])
    price = _NEW_SECTION * math.log(n + 1.0)
    cost, previous = np.full(n + 1, np.inf), np.zeros(n + 1, np.intp)
    cost[0] = -price
    for stop in range(shortest, n + 1):
        firsts = np.arange(max(0, stop - _MAX_WINDOWS), stop - shortest + 1)
        weight, t, tt, h, hh, th = sums[:, stop, None] - sums[:, firsts]
        spread = tt - t * t / weight
        common = th - t * h / weight
        fitted = np.where(spread > 1e-9, common**2 / np.maximum(spread, 1e-9), 0.0)
        rest = np.maximum(hh - h * h / weight - fitted, 0.0) / _DEVIATION**2
        total = cost[firsts] + price + rest
        best = int(total.argmin())
        cost[stop], previous[stop] = total[best], firsts[best]
    lines: list[_Line] = []
    stop = n
    while stop > 0:
        first = int(previous[stop])
        lines.append(_line(first, stop, times, heights, weights))
        stop = first
    return lines[::-1]


def _line(
    first: int,
    stop: int,
    times: NDArray[np.float64],
    heights: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> _Line:
    t, h, w = times[first:stop], heights[first:stop], weights[first:stop]
    middle, height = np.average(t, weights=w), np.average(h, weights=w)
    spread = float((w * (t - middle) ** 2).sum())
    slope = float((w * (t - middle) * (h - height)).sum()) / spread if spread > 1e-9 else 0.0
    return _Line(first, stop, height + slope * (t[0] - middle), height + slope * (t[-1] - middle))


def _merged(lines: list[_Line], times: NDArray[np.float64]) -> list[Section]:
    """Join neighbours of one tempo, and the parts of a ramp that several lines were needed for."""
    drift = math.log2(1.0 + DRIFT)
    joined = [lines[0]]
    for line in lines[1:]:
        last = joined[-1]
        values = (last.start, last.end, line.start, line.end)
        level = max(values) - min(values) <= drift
        # Between the last window of one and the first of the next, a ramp goes on rising.
        step = times[line.first] - times[last.stop - 1]
        slope = _slope_of(last, times)
        goes_on = (
            slope * _slope_of(line, times) > 0.0
            and min(abs(last.end - last.start), abs(line.end - line.start)) > drift
            and abs(line.start - last.end - slope * step) <= drift
        )
        if level or goes_on:
            joined[-1] = _Line(last.first, line.stop, last.start, line.end)
        else:
            joined.append(line)
    return [Section(line.first, line.stop, 2.0**line.start, 2.0**line.end) for line in joined]


def _slope_of(line: _Line, times: NDArray[np.float64]) -> float:
    seconds = float(times[line.stop - 1] - times[line.first])
    return (line.end - line.start) / seconds if seconds > 0.0 else 0.0


def _is_steady(sections: list[Section], times: NDArray[np.float64], shares: NDArray[np.float64]) -> bool:
    heights = np.concatenate(
        [
            np.linspace(math.log2(each.start_bpm), math.log2(each.end_bpm), each.stop - each.first)
            for each in sections
        ]
    )
    order = np.argsort(heights)
    total = np.cumsum(shares[order])
    main = heights[order][np.searchsorted(total, total[-1] / 2.0)]
    apart = np.abs(heights - main) > math.log2(1.0 + _APART)
    for section in sections:
        windows = slice(section.first, section.stop)
        uncertain = float(shares[windows].mean()) < _CLEAR
        if _is_break(section, math.log2(section.bpm) - main, len(heights), uncertain=uncertain):
            apart[windows] = False
    against = apart & (shares > _CERTAIN)
    step = median(np.diff(times)) if len(times) > 1 else 0.0
    return bool(against.mean() < _SHARE and against.sum() * step < _SECONDS)


def _is_break(section: Section, height: float, n_windows: int, *, uncertain: bool) -> bool:
    inside = section.first > 0 and section.stop < n_windows
    short = section.stop - section.first < _EDGE_SHARE * n_windows
    near = bool(np.abs(_BREAK_RATIOS - height).min() < math.log2(1.0 + _EXACTLY))
    return near and not section.is_ramp and (inside or short or uncertain)
