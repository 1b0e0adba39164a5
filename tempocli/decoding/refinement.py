"""Refine a tempo from a bin of the axis to a hundredth of a BPM, by the phase of the pulse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.features.statistics import median, quantile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# Beats, their subdivisions in two and three, and half notes: the spectral lines of a steady pulse.
_HALF_NOTES = 0.5
_MULTIPLES = np.array([1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0])
_MAX_HERTZ = 20.0
_SEARCH = 0.02  # of the tempo, to either side: 1.5 bins of the encoder's axis
# Error of the encoder. With an unsteady pulse, random peaks far from the encoder's tempo must not win.
_DEVIATION = 0.01
_GRID = 401
_COARSE_SECONDS = 16.0
# The score of a clear pulse falls by at least a quarter half a percent beside its peak. A peak that falls
# by less than this is one of several similar peaks.
_BESIDE, _SHARP_FALL = 0.005, 0.2
_WINDOW_SECONDS, _HOP_SECONDS = 8.0, 1.0
_WINDOWS, _SHORTEST_SECONDS = 5, 2.5  # independent windows wanted, and the shortest window
_JUMP = 0.01  # largest drift of the phase within a window, in beats; a cut in the audio moves it further
_JUMP_DEVIATIONS = 4.0
# Disagreement of the multiples after removing a common drift: the mean of 1 - cosine, 0 to 2.
_APART, _APART_MEDIANS = 0.25, 4.0
_WEAK = 0.5  # relative to the upper quartile of the pulse's strength; weaker windows are breaks
_MIN_WINDOWS = 3  # per run
_ENOUGH = 0.3  # of all windows; if the runs cover less, the whole is taken as one run
_SCALE = 2.0  # factor of the standard error: the noise of neighbouring windows is correlated


@dataclass(frozen=True, slots=True)
class Refined:
    """A refined tempo.

    Attributes
    ----------
    bpm : float
    error : float
        Standard error of `bpm`, in BPM.
    """

    bpm: float
    error: float


def refine_tempo(
    onset: NDArray[np.float32], *, frame_rate: float, bpm: float, search: float = _SEARCH
) -> Refined:
    """Refine a tempo by the onset strength of a whole track.

    First, the magnitude spectra of 16 s segments are summed at the multiples of a tempo, and the largest
    sum near `bpm` is taken. Then the phase of the pulse is tracked in windows of 8 s; its slope is the
    remaining correction. The track is split into runs where the phase jumps (a cut) or the pulse is weak (a
    break). All runs share one slope; each run has its own phase.

    Parameters
    ----------
    onset : ndarray of float32, shape=(n_frames,)
        Onset strength.
    frame_rate : float
        In Hz.
    bpm : float
        Initial tempo in BPM, accurate to 1.5 %.
    search : float
        Largest distance of the result from `bpm`, as a share of `bpm`.

    Returns
    -------
    Refined
    """
    coarse, blunt = _coarse(onset, frame_rate, bpm, search)
    phase = _follow(onset, frame_rate, coarse)
    if phase is None:
        # Too short to track the phase: the error is the resolution of the spectrum.
        seconds = max(len(onset) / frame_rate, 1.0)
        return Refined(coarse, min(0.01 * coarse, 60.0 * 0.1 / seconds))
    slope, error = _slope(phase)
    refined = coarse + 60.0 * slope
    if abs(refined / bpm - 1.0) > 1.5 * search:
        return Refined(coarse, 0.01 * coarse)
    return Refined(refined, math.hypot(60.0 * _SCALE * error, blunt * _DEVIATION * refined))


def _coarse(onset: NDArray[np.float32], frame_rate: float, bpm: float, search: float) -> tuple[float, float]:
    """Return the largest peak and its flatness, 0 to 1; 1 adds no information to `bpm`."""
    grid = bpm * (1.0 + np.linspace(-search, search, _GRID))
    score = np.zeros(_GRID)
    for segment in _segments(onset, int(_COARSE_SECONDS * frame_rate)):
        score += _pulse_spectrum(segment, frame_rate, grid)
    nearness = np.exp(-0.5 * ((grid / bpm - 1.0) / (_DEVIATION * search / _SEARCH)) ** 2)
    peak = _peak(grid, score, int((score * nearness).argmax()))
    # Peaks are wider in shorter audio.
    width = _BESIDE * max(1.0, _COARSE_SECONDS * frame_rate / max(1, len(onset)))
    here, *beside = np.interp([peak, peak * (1.0 - width), peak * (1.0 + width)], grid, score)
    fall = 1.0 - np.mean(beside) / here if here > 0.0 else 0.0
    return peak, float(np.clip(1.0 - fall / _SHARP_FALL, 0.0, 1.0)) ** 2


def _segments(onset: NDArray[np.float32], length: int) -> Iterator[NDArray[np.float32]]:
    """Cut segments that overlap by half; audio shorter than a segment is one segment."""
    n_steps = max(0, round(2.0 * len(onset) / length) - 2)
    for start in np.linspace(0, max(0, len(onset) - length), n_steps + 1).astype(np.intp):
        yield onset[start : start + length]


def _pulse_spectrum(
    onset: NDArray[np.float32], frame_rate: float, grid: NDArray[np.float64]
) -> NDArray[np.float64]:
    score = np.zeros(len(grid))
    if not len(onset):
        return score
    centred = (onset - onset.mean()) * np.hanning(len(onset)).astype(np.float32)
    size = 1 << (8 * len(onset) - 1).bit_length()
    magnitude = np.abs(np.fft.rfft(centred, size))
    for multiple in (_HALF_NOTES, *_MULTIPLES):
        places = multiple * grid / 60.0 * size / frame_rate
        if multiple * grid[-1] / 60.0 < _MAX_HERTZ:
            low, high = int(places[0]), int(places[-1]) + 2
            score += np.interp(places, np.arange(low, high), magnitude[low:high])
    return score


def _peak(grid: NDArray[np.float64], score: NDArray[np.float64], best: int) -> float:
    """Move from `best` to the nearest local maximum and fit a parabola there."""
    while 0 < best < len(grid) - 1 and (higher := max(score[best - 1], score[best + 1])) > score[best]:
        best += 1 if score[best + 1] == higher else -1
    if 0 < best < len(grid) - 1:
        before, here, after = score[best - 1 : best + 2]
        curvature = before - 2.0 * here + after
        if curvature < 0.0:
            return float(grid[best] + 0.5 * (before - after) / curvature * (grid[1] - grid[0]))
    return float(grid[best])


@dataclass(frozen=True, slots=True, eq=False)
class _Phase:
    """Phase of the pulse relative to a tempo, in beats, shape=(n_windows,), every `step` seconds."""

    beats: NDArray[np.float64]
    strength: NDArray[np.float64]
    disagreement: NDArray[np.float64]  # between each window and the next one without overlap
    step: float
    overlap: int  # number of windows to the next one without overlap


def _follow(onset: NDArray[np.float32], frame_rate: float, bpm: float) -> _Phase | None:
    # Short windows find a cut in short audio, but windows of one or two beats are too short for a phase.
    shortest = min(int(_SHORTEST_SECONDS * frame_rate), len(onset) // 2)
    length = min(int(_WINDOW_SECONDS * frame_rate), max(len(onset) // _WINDOWS, shortest))
    if length < frame_rate:
        return None
    hop = max(1, min(int(_HOP_SECONDS * frame_rate), length // 8))
    multiples = _MULTIPLES[_MULTIPLES * bpm / 60.0 < _MAX_HERTZ]
    # A window is `per_hop` hops long. Each hop is reduced to one number per multiple, and a short filter over
    # these numbers replaces the window, so that each frame is used only once.
    n_hops = len(onset) // hop
    hops = (onset[: n_hops * hop] - onset.mean()).reshape(n_hops, hop).astype(np.float64)
    turns = np.outer(multiples * bpm / 60.0, np.arange(hop) / frame_rate)
    within = np.exp(-2j * np.pi * turns)
    starts = np.exp(-2j * np.pi * np.outer(multiples * bpm / 60.0, np.arange(n_hops) * hop / frame_rate))
    sums = (within @ hops.T) * starts
    per_window = max(2, length // hop)
    if n_hops < per_window + _MIN_WINDOWS:
        return None
    taper = np.hanning(per_window + 2)[1:-1]
    windows = np.lib.stride_tricks.sliding_window_view(sums, per_window, axis=1) @ taper
    product = windows[:, 1:] * windows[:, :-1].conj()
    weights = np.abs(product)
    squares = multiples[:, None] ** 2
    moved = (multiples[:, None] * weights * np.angle(product)).sum(axis=0)
    moved /= (squares * weights).sum(axis=0) + 1e-30
    beats = np.concatenate([[0.0], np.cumsum(moved / (2.0 * np.pi))])
    strength = np.sqrt((np.square(np.abs(windows)) * multiples[:, None]).sum(axis=0))
    return _Phase(
        beats, strength, _disagreement(windows, beats, multiples, per_window), hop / frame_rate, per_window
    )


def _disagreement(
    windows: NDArray[Any], beats: NDArray[np.float64], multiples: NDArray[np.float64], lag: int
) -> NDArray[np.float64]:
    """Compute how much the multiples of the tempo disagree on the phase change over `lag` windows.

    A cut of a third of a beat does not change the phase at three times the tempo and its multiples, so the
    mean of all multiples may not show it.
    """
    if len(beats) <= 2 * lag:
        return np.zeros(0)
    product = windows[:, lag:] * windows[:, :-lag].conj()
    drift = median(beats[lag:] - beats[:-lag])
    weights = np.abs(product)
    turned = np.angle(product) - 2.0 * np.pi * drift * multiples[:, None]
    return np.asarray((weights * (1.0 - np.cos(turned))).sum(axis=0) / (weights.sum(axis=0) + 1e-30))


def _slope(phase: _Phase) -> tuple[float, float]:
    """Fit one slope to all runs; return it and its standard error, in beats per second."""
    runs = _runs(phase)
    times = np.arange(len(phase.beats)) * phase.step
    xs = [times[run] - times[run].mean() for run in runs]
    ys = [phase.beats[run] - phase.beats[run].mean() for run in runs]
    spread = sum(float((x * x).sum()) for x in xs)
    slope = sum(float((x * y).sum()) for x, y in zip(xs, ys, strict=True)) / spread
    rests = [y - slope * x for x, y in zip(xs, ys, strict=True)]
    n = sum(map(len, rests))
    noise = sum(float((rest * rest).sum()) for rest in rests) / max(1, n - len(runs) - 1)
    variance = noise * max(1.0, 0.5 * phase.overlap) / spread
    # A wandering phase, as of a live drummer, moves further over a longer time.
    near, far = (_wandered(rests, times_overlap * phase.overlap) for times_overlap in (1, 2))
    if near is not None and far is not None:
        variance += 1.2 * max(0.0, far - near) / (phase.overlap * phase.step) / (n * phase.step)
    return slope, math.sqrt(variance)


def _wandered(rests: list[NDArray[np.float64]], lag: int) -> float | None:
    moves = [rest[lag:] - rest[:-lag] for rest in rests if len(rest) > lag]
    return float(np.square(np.concatenate(moves)).mean()) if moves else None


def _runs(phase: _Phase) -> list[NDArray[np.intp]]:
    """Split the windows into runs where the phase jumps or the pulse is weak."""
    n, lag = len(phase.beats), phase.overlap
    apart = phase.strength < _WEAK * quantile(phase.strength, 0.75)
    if n > 2 * lag:
        moves = phase.beats[lag:] - phase.beats[:-lag]
        rests = np.abs(moves - median(moves))
        limit = max(_JUMP, _JUMP_DEVIATIONS * median(rests))
        disagree = max(_APART, _APART_MEDIANS * median(phase.disagreement))
        for first in np.flatnonzero((rests > limit) | (phase.disagreement > disagree)):
            middle = first + lag // 2
            apart[middle - lag // 4 : middle + lag // 4 + 1] = True
    changes = np.flatnonzero(np.diff(apart.astype(np.int8))) + 1
    runs = [run for run in np.split(np.arange(n), changes) if not apart[run[0]] and len(run) >= _MIN_WINDOWS]
    return runs if sum(map(len, runs)) >= _ENOUGH * n else [np.arange(n)]
