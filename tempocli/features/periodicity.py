"""Measure how periodic a track is at each tempo, without a network; the baseline for the models."""

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

# Strong compression, so that a soft onset counts nearly as much as a loud one.
_GAIN = 25_600.0
_LAG = 2  # frames over which a rise is measured
_MEAN_SECONDS = 2.0
_MAX_SECONDS = 180.0
_PART_SECONDS = 20.0
_BEATS = (1.0, 2.0, 3.0, 4.0)
# Strong rises, summed over the bands, are at least 13 in music and at most 7 in held tones and hum.
_ONSET_QUANTILE, _ONSET_RISE = 0.995, 10.0
_RELATED = (1 / 3, 1 / 2, 1.0, 2.0, 3.0)
# Usual and unusual divisions of a beat. If the strongest division of a tempo is unusual, the tempo is that
# of a bar of five or seven, of half such a bar, or of a multiple of it.
_DIVISIONS = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
_ODD_DIVISIONS = (2.5, 3.5, 5.0, 7.0, 10.0, 14.0)
_DIVISION_CELLS = 240  # per octave
_DIVISION_WIDTH = bins_within(TOLERANCE, _DIVISION_CELLS)
_DIVISION_HERTZ = 20.0
_STRONGER, _DIVISION_POWER = 1.25, 8.0
_RESOLVED = 240.0  # resolution in BPM for one second of audio


@dataclass(frozen=True, slots=True, eq=False)
class Periodicity:
    """Periodicity of an onset curve.

    Attributes
    ----------
    distribution : ndarray of float64, shape=(n_bins,)
        Strength of each tempo of the axis; sums to 1.
    strength : float
        Autocorrelation at one to four beats of the most periodic tempo, averaged over parts of 20 s. Near 1
        for a drum machine, near 0 without repetition or without onsets.
    division : ndarray of float64, shape=(n_bins,)
        Weight of each tempo, 0 to 1, from the division of its beats: 1 unless a division in five or seven is
        clearly stronger than divisions in two, three and four.
    """

    distribution: NDArray[np.float64]
    strength: float
    division: NDArray[np.float64]


def rises(log_mel: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.float32]:
    """Compute an onset curve: half-wave rectified rises over two frames, summed over compressed mel bands.

    Parameters
    ----------
    log_mel : ndarray of float32, shape=(n_frames, n_mels)
    front_end : FrontEnd
        Front end that computed the frames.

    Returns
    -------
    ndarray of float32, shape=(n_frames,)
        The first two frames are 0.
    """
    out = np.zeros(len(log_mel), np.float32)
    if len(log_mel) > _LAG:
        magnitude = np.expm1(log_mel)
        magnitude *= np.float32(_GAIN / front_end.log_gain)
        level = np.log1p(magnitude, out=magnitude)
        np.maximum(level[_LAG:] - level[:-_LAG], 0.0).sum(axis=1, out=out[_LAG:])
    return out


def measure(curve: NDArray[np.float32], *, frame_rate: float, axis: TempoAxis) -> Periodicity:
    """Measure the periodicity of an onset curve at each tempo.

    The measure is the autocorrelation at one to four beats, times the magnitude of the spectrum at the
    tempo and at twice the tempo. Only the middle three minutes of long curves are used.

    Parameters
    ----------
    curve : ndarray of float32, shape=(n_frames,)
        From `rises`.
    frame_rate : float
        In Hz.
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
    """Return a weight for the presence of onsets: the ripple of a held tone is periodic, too."""
    if not len(curve):
        return 0.0
    return min(1.0, quantile(curve, _ONSET_QUANTILE) / _ONSET_RISE) ** 2


def fold(distribution: NDArray[np.float64], axis: TempoAxis) -> NDArray[np.float64]:
    """Return for each tempo the largest value within 4 % of it, its half, third, double and triple.

    The result contains no information about the tempo octave.

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
    """Subtract the mean over two seconds, set negative values to 0, and scale to a deviation of 1."""
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
    """Average the autocorrelation at one to four beats of each tempo; it is 1 at lag 0."""
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
    """Compute the magnitude spectrum, zero-padded to at least eight times the length; for no input, one 0."""
    if not len(onset):
        return np.zeros(1)
    size = 1 << (8 * len(onset) - 1).bit_length()
    return np.asarray(np.abs(np.fft.rfft(onset * np.hanning(len(onset)), size)))


def _at_tempo(
    magnitude: NDArray[np.float64], frame_rate: float, bpms: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Add the spectrum at the tempi and, with half the weight, at twice the tempi."""
    places = bpms / 60.0 * 2.0 * (len(magnitude) - 1) / frame_rate
    bins = np.arange(len(magnitude))
    return np.asarray(np.interp(places, bins, magnitude) + 0.5 * np.interp(2.0 * places, bins, magnitude))


def _division(
    magnitude: NDArray[np.float64], frame_rate: float, axis: TempoAxis, *, seconds: float
) -> NDArray[np.float64]:
    """Compute a weight of each tempo from the division of its beats, shape=(n_bins,).

    Music in five with equal half bars has a pulse of 2.5 beats, whose double is 4/5 of the tempo. Only the
    division of this pulse, in five, shows that it is not the beat. Tempi may be 4 % off, as the networks'
    bins are.
    """
    bpms = axis.bpms
    octaves = math.log2(_DIVISION_HERTZ * 60.0 / bpms[0])
    cells = bpms[0] * 2.0 ** (np.arange(-_DIVISION_CELLS, octaves * _DIVISION_CELLS) / _DIVISION_CELLS)
    places = np.rint(cells / 60.0 * 2.0 * (len(magnitude) - 1) / frame_rate).astype(np.intp)
    if places[-1] >= len(magnitude):  # very short audio, or a frame rate that is too low
        return np.ones(len(bpms))
    strongest = largest_near(np.maximum.reduceat(magnitude, places), _DIVISION_WIDTH)

    def strength(multiples: tuple[float, ...]) -> NDArray[np.float64]:
        rows = [np.interp(bpms * each, cells, strongest, right=0.0) for each in multiples]
        return np.asarray(np.max(rows, axis=0))

    even, odd = strength(_DIVISIONS), strength(_ODD_DIVISIONS)
    weights = np.minimum(1.0, _STRONGER * (even + 1e-9) / (odd + 1e-9)) ** _DIVISION_POWER
    # In short audio, a spectral line is wider than the distance between 2 and 2.5 times a slow tempo.
    return np.where(bpms > _RESOLVED / max(seconds, 1.0), weights, 1.0)
