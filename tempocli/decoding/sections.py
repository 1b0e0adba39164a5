"""Find the sections of a track from the tempi of its windows, and whether its tempo is steady."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.features.statistics import median

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRIFT = 0.03  # of a live drummer; a section whose tempo changes by more is a ramp
_APART = 0.025  # of the track's tempo; a tempo further away is a different one
_NEAR = 0.045  # octaves; largest distance between windows of the same tempo
_OCTAVES = (1.0, -1.0, 2.0, -2.0, math.log2(3.0), -math.log2(3.0))
# A break whose pulse has one of these ratios to the beat may be taken for another tempo.
_BREAK_RATIOS = np.log2([3 / 2, 2 / 3, 4 / 3, 3 / 4])
_EXACTLY = 0.015
_DEVIATION = 0.012  # octaves; standard deviation of a window's tempo from that of its section
_OUTLIER = 3.0  # in deviations from the local median; further ones are limited
_NEW_SECTION = 2.0  # cost of each further section, times the logarithm of the number of windows
_MIN_WINDOWS = 3  # per section
_MAX_WINDOWS = 1200  # about one hour
_CERTAIN = 0.4  # minimum share of a window, to count as evidence against the track's tempo
_SHARE, _SECONDS = 0.15, 30.0  # at another tempo, from which a track is unsteady
_EDGE_SHARE = 0.2  # of the windows; a section at the start or the end is a break only if shorter
_CLEAR = 0.7  # mean share of the windows from which the pulse is clear


@dataclass(frozen=True, slots=True)
class Section:
    """Consecutive windows with a constant, evenly rising or evenly falling tempo.

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
        """Tempo in the middle of the section, in BPM."""
        return math.sqrt(self.start_bpm * self.end_bpm)

    @property
    def is_ramp(self) -> bool:
        """Whether the tempo changes within the section."""
        return abs(math.log(self.end_bpm / self.start_bpm)) > math.log(1.0 + DRIFT)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Course of the tempo over time.

    Attributes
    ----------
    sections : list of Section
        In time order, without gaps.
    times : ndarray of float64, shape=(n_windows,)
        Centres of the windows, in seconds.
    tempi : ndarray of float64, shape=(n_windows,)
        Tempi of the windows in BPM, all in the same tempo octave.
    shares : ndarray of float64, shape=(n_windows,)
        Certainty of each window.
    steady : bool
        Whether there is one tempo, within 2.5 %.
    """

    sections: list[Section]
    times: NDArray[np.float64]
    tempi: NDArray[np.float64]
    shares: NDArray[np.float64]
    steady: bool

    @property
    def clear(self) -> bool:
        """Whether the windows are certain, which means a clear pulse even if the tempo changes."""
        return float(self.shares.mean()) >= _CLEAR

    def bpm_at(self, section: Section, time: float) -> float:
        """Return the tempo of a section in BPM at a time in seconds; a ramp need not be even."""
        windows = slice(section.first, section.stop)
        padded = np.pad(self.tempi[windows], 1, mode="edge")
        smooth = np.sort(np.lib.stride_tricks.sliding_window_view(padded, 3), axis=1)[:, 1]
        return float(np.interp(time, self.times[windows], smooth))


def find_sections(
    times: NDArray[np.float64], tempi: NDArray[np.float64], shares: NDArray[np.float64]
) -> Course:
    """Find the sections of a track.

    Lines are fitted to the logarithm of the windows' tempi. Dynamic programming finds where the lines begin
    and end; each further line has a cost.

    Parameters
    ----------
    times : ndarray of float64, shape=(n_windows,)
        Centres of the windows, in seconds; at least one.
    tempi : ndarray of float64, shape=(n_windows,)
        Tempi of the windows, in BPM.
    shares : ndarray of float64, shape=(n_windows,)
        Certainty of each window, 0 to 1.
    """
    heights = _one_octave(np.log2(tempi), shares)
    weights = np.clip(shares, 0.05, 1.0)
    sections = _merged(_fit_lines(times, _without_outliers(heights), weights), times)
    return Course(sections, times, 2.0**heights, shares, _is_steady(sections, times, shares))


def _one_octave(heights: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correct octave and triple errors, from the most certain window in both directions."""
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
    # At half an octave, a change of tempo cannot be told from a change of octave.
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
    """Join neighbouring lines of the same tempo, and the parts of a ramp that needs several lines."""
    drift = math.log2(1.0 + DRIFT)
    joined = [lines[0]]
    for line in lines[1:]:
        last = joined[-1]
        values = (last.start, last.end, line.start, line.end)
        level = max(values) - min(values) <= drift
        # A ramp continues between the last window of one line and the first window of the next.
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
