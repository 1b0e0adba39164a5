"""How periodic a whole track is at every tempo: a measure without a network, the baseline for all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.axis import TOLERANCE, bins_within
from tempocli.features.statistics import largest_near, quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.axis import TempoAxis
    from tempocli.features.front_end import FrontEnd

# Strong compression: a soft onset counts nearly as much as a loud one.
_GAIN = 25_600.0
_LAG = 2  # frames that a rise is measured over
_MEAN_SECONDS = 2.0
_MAX_SECONDS = 180.0
_PART_SECONDS = 20.0
_BEATS = (1.0, 2.0, 3.0, 4.0)
# The strong rises of music are 13 and more, summed over the bands; those of held tones and hum 7 and less.
_ONSET_QUANTILE, _ONSET_RISE = 0.995, 10.0
_RELATED = (1 / 3, 1 / 2, 1.0, 2.0, 3.0)
# What beats are divided in, and what they are not: a tempo with its strongest division among the latter is
# that of a bar of five or seven, of half such a bar, or of a multiple of it.
_DIVISIONS = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
_ODD_DIVISIONS = (2.5, 3.5, 5.0, 7.0, 10.0, 14.0)
_DIVISION_CELLS = 240  # an octave
_DIVISION_WIDTH = bins_within(TOLERANCE, _DIVISION_CELLS)
_DIVISION_HERTZ = 20.0
_STRONGER, _DIVISION_POWER = 1.25, 8.0
_RESOLVED = 240.0  # BPM, in audio of one second


@dataclass(frozen=True, slots=True, eq=False)
class Periodicity:
    """How periodic an onset curve is.

    Attributes
    ----------
    distribution : ndarray of float64, shape=(n_bins,)
        Strength of every tempo of the axis; sums to 1.
    strength : float
        Autocorrelation at one to four beats of the most periodic tempo, averaged over parts of 20 s: near 1
        for a machine, near 0 where nothing repeats or nothing has an onset.
    division : ndarray of float64, shape=(n_bins,)
        Weight of every tempo, 0 to 1, by how its beats are divided: 1 unless a division in five or seven is
        clearly stronger than those in two, three and four.
    """

    distribution: NDArray[np.float64]
    strength: float
    division: NDArray[np.float64]


def rises(log_mel: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.float32]:
    """Sum the half-wave rectified rises over two frames of strongly compressed mel bands.

    Parameters
    ----------
    log_mel : ndarray of float32, shape=(n_frames, n_mels)
    front_end : FrontEnd
        What made them.

    Returns
    -------
    ndarray of float32, shape=(n_frames,)
        The first two frames hold 0.
    """
    out = np.zeros(len(log_mel), np.float32)
    if len(log_mel) > _LAG:
        magnitude = np.expm1(log_mel)
        magnitude *= np.float32(_GAIN / front_end.log_gain)
        level = np.log1p(magnitude, out=magnitude)
        np.maximum(level[_LAG:] - level[:-_LAG], 0.0).sum(axis=1, out=out[_LAG:])
    return out


def measure(curve: NDArray[np.float32], *, frame_rate: float, axis: TempoAxis) -> Periodicity:
    """Measure the periodicity of an onset curve at every tempo.

    The autocorrelation at one to four beats, times the magnitude of the spectrum at the tempo and at twice
    the tempo. Of long curves, the three minutes in the middle are measured.

    Parameters
    ----------
    curve : ndarray of float32, shape=(n_frames,)
        From `rises`.
    frame_rate : float
        Frames a second, in Hz.
    axis : TempoAxis
    """
    bpms = axis.bpms
    longest = int(_MAX_SECONDS * frame_rate)
    start = max(0, len(curve) - longest) // 2
    onset = _normalised(curve[start : start + longest], frame_rate)
    magnitude = _spectrum(onset)
    at_tempo = _at_tempo(magnitude, frame_rate, bpms)
    product = np.maximum(_beats_repeat(onset, frame_rate, bpms), 0.0) * at_tempo
    total = product.sum()
    distribution = product / total if total > 0.0 else np.full(len(bpms), 1.0 / len(bpms))
    parts = np.array_split(onset, max(1, round(len(onset) / frame_rate / _PART_SECONDS)))
    strength = np.mean([_beats_repeat(part, frame_rate, bpms).max() for part in parts])
    division = _division(magnitude, frame_rate, axis, seconds=len(onset) / frame_rate)
    return Periodicity(distribution, float(max(strength, 0.0)) * _onset_weight(curve), division)


def _onset_weight(curve: NDArray[np.float32]) -> float:
    """Weigh how far there are onsets at all: the ripple of a held tone is as periodic as a machine."""
    if not len(curve):
        return 0.0
    return min(1.0, quantile(curve, _ONSET_QUANTILE) / _ONSET_RISE) ** 2


def fold(distribution: NDArray[np.float64], axis: TempoAxis) -> NDArray[np.float64]:
    """Give every tempo the most that is said within 4 % of it, its half, third, double and triple.

    What is left says nothing about the tempo octave.

    Parameters
    ----------
    distribution : ndarray of float64, shape=(n_bins,)
    axis : TempoAxis

    Returns
    -------
    ndarray of float64, shape=(n_bins,)
        Does not sum to 1.
    """
    near = largest_near(distribution, axis.bins_within())
    folded = np.zeros(axis.n_bins)
    for factor in _RELATED:
        places = np.arange(axis.n_bins) + axis.bins_between(factor)
        inside = (places >= 0) & (places < axis.n_bins)
        folded[inside] = np.maximum(folded[inside], near[places[inside]])
    return folded


def _normalised(curve: NDArray[np.float32], frame_rate: float) -> NDArray[np.float64]:
    """Subtract the mean over two seconds, cut off what is negative, and scale to a deviation of 1."""
    if not len(curve):
        return np.zeros(0)
    n = round(_MEAN_SECONDS * frame_rate)
    padded = np.pad(curve.astype(np.float64), n // 2, mode="edge")
    total = np.concatenate([[0.0], np.cumsum(padded)])
    places = np.arange(len(curve))
    mean = (total[np.minimum(places + n, len(padded))] - total[places]) / n
    onset = np.maximum(curve - mean, 0.0)
    return np.asarray((onset - onset.mean()) / (onset.std() + 1e-9))


def _beats_repeat(
    onset: NDArray[np.float64], frame_rate: float, bpms: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Average the autocorrelation, 1 at lag 0, at one to four beats of every tempo."""
    centred = onset - onset.mean() if len(onset) else onset
    energy = float(np.square(centred).sum())
    if energy <= 0.0:
        return np.zeros(len(bpms))
    size = 1 << (2 * len(centred) - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    correlation = np.fft.irfft(power, size)[: len(centred)] / energy
    lags = 60.0 / bpms * frame_rate
    frames = np.arange(len(centred))
    return np.asarray(
        sum(np.interp(beats * lags, frames, correlation, right=0.0) for beats in _BEATS) / len(_BEATS)
    )


def _spectrum(onset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the magnitude spectrum, padded to at least eight times the length; of nothing, one zero."""
    if not len(onset):
        return np.zeros(1)
    size = 1 << (8 * len(onset) - 1).bit_length()
    return np.asarray(np.abs(np.fft.rfft(onset * np.hanning(len(onset)), size)))


def _at_tempo(
    magnitude: NDArray[np.float64], frame_rate: float, bpms: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Read the spectrum at the tempi, and half as strongly at twice the tempi."""
    places = bpms / 60.0 * 2.0 * (len(magnitude) - 1) / frame_rate
    bins = np.arange(len(magnitude))
    return np.asarray(np.interp(places, bins, magnitude) + 0.5 * np.interp(2.0 * places, bins, magnitude))


def _division(
    magnitude: NDArray[np.float64], frame_rate: float, axis: TempoAxis, *, seconds: float
) -> NDArray[np.float64]:
    """Weigh every tempo by how its beats are divided, shape=(n_bins,).

    Music in five, its half bars alike, is a pulse of 2.5 beats, whose double is 4/5 of the tempo; only what
    the pulse is divided in tells: five. A tempo may be 4 % off, as the networks' bins are.
    """
    bpms = axis.bpms
    octaves = math.log2(_DIVISION_HERTZ * 60.0 / bpms[0])
    cells = bpms[0] * 2.0 ** (np.arange(-_DIVISION_CELLS, octaves * _DIVISION_CELLS) / _DIVISION_CELLS)
    places = np.rint(cells / 60.0 * 2.0 * (len(magnitude) - 1) / frame_rate).astype(np.intp)
    if places[-1] >= len(magnitude):  # audio of next to no length, or a frame rate that resolves nothing
        return np.ones(len(bpms))
    strongest = largest_near(np.maximum.reduceat(magnitude, places), _DIVISION_WIDTH)

    def strength(multiples: tuple[float, ...]) -> NDArray[np.float64]:
        rows = [np.interp(bpms * each, cells, strongest, right=0.0) for each in multiples]
        return np.asarray(np.max(rows, axis=0))

    even, odd = strength(_DIVISIONS), strength(_ODD_DIVISIONS)
    weights = np.minimum(1.0, _STRONGER * (even + 1e-9) / (odd + 1e-9)) ** _DIVISION_POWER
    # In short audio, a line of the spectrum is wider than from two times a slow tempo to two and a half.
    return np.where(bpms > _RESOLVED / max(seconds, 1.0), weights, 1.0)
