"""Decode activations, onset strength and the tempo of a track into its beats and bars."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tempocli.decoding.beats.bars import find_bars, metre_evidence
from tempocli.decoding.beats.grid import fit_grid
from tempocli.decoding.beats.metre import bar_novelty, bar_similarity
from tempocli.decoding.beats.sequence import find_beats
from tempocli.features.front_end import mel_centres
from tempocli.schema import Beat, BeatTrack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.inference.beats import BeatSpec
    from tempocli.schema import Estimate

    Curve = NDArray[np.float64]

BEAT_DECODING_VERSION = 1  # raised when beats change with the same models
# An activation of 1 weighs as much as a rise of ten standard deviations.
_ONSET_WEIGHT = 0.1
_SMOOTHING = 1 / 32  # of a beat
_NEAR = 0.04  # seconds around a beat in which its activation is read
_HARMONIC_HERTZ = (350.0, 4000.0)  # where chords change, and drums sound little
_REACH = 2  # frames
# Seconds by which the rises of drums of known times is early: a window has an onset before its centre.
_DELAY = 0.003
_CURVE_POINTS = 3  # of a section, to follow a tempo that rises or falls


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Beats: their places in frames, and the activations near them."""

    places: Curve
    beat: Curve
    downbeat: Curve


class BeatDecoder:
    """Finds beats at the tempo of an estimate, and the bars that they form.

    Parameters
    ----------
    spec : BeatSpec
        Description of the beat network.
    metre : int, optional
        Beats a bar, 2 to 7, if they are known.
    """

    def __init__(self, spec: BeatSpec, *, metre: int | None = None) -> None:
        self._spec = spec
        self._metre = metre
        self._frame_rate = spec.front_end.frame_rate
        low, high = np.searchsorted(mel_centres(spec.front_end), _HARMONIC_HERTZ)
        self._harmonic = slice(int(low), int(high))

    def decode(
        self, activations: NDArray[np.float32], log_mel: NDArray[np.floating], rise: Curve, estimate: Estimate
    ) -> BeatTrack:
        """Find the beats of a track.

        Parameters
        ----------
        activations : ndarray of float32, shape=(n_activations, 2)
            Of beats and downbeats, 0 to 1.
        log_mel : ndarray, shape=(n_frames, n_mels)
            In any precision.
        rise : ndarray of float64, shape=(n_frames,)
            Onset strength; see `rise_of`.
        estimate : Estimate
            The tempo; times count from the start of the activations.
        """
        spec = self._spec
        if estimate.bpm is None or not rise.any():
            return BeatTrack((), None, 0.0, estimate, spec.name, spec.version)
        found = self._find(activations, rise, estimate)
        similarity = bar_similarity(log_mel, found.places)
        novelty = bar_novelty(log_mel[:, self._harmonic], found.places)
        bars = find_bars(found.beat, found.downbeat, similarity, novelty, spec.metre, metre=self._metre)
        times = found.places / self._frame_rate + _DELAY
        beats = tuple(
            Beat(rounded(max(0.0, float(time))), int(position), float(clear), float(first))
            for time, position, clear, first in zip(
                times, bars.positions, found.beat, bars.downbeat, strict=True
            )
        )
        return BeatTrack(
            beats, bars.metre, bars.confidence, estimate, spec.name, spec.version, fit_grid(beats)
        )

    def features(
        self, activations: NDArray[np.float32], log_mel: NDArray[np.floating], rise: Curve, estimate: Estimate
    ) -> Curve:
        """Return what the metre of a track with a tempo is told by; parameters as for `decode`.

        Returns
        -------
        ndarray of float64, shape=(N_LAGS + n_metres,)
        """
        found = self._find(activations, rise, estimate)
        evidence = metre_evidence(found.beat, found.downbeat)
        return np.concatenate([bar_similarity(log_mel, found.places), evidence])

    def _find(self, activations: NDArray[np.float32], rise: Curve, estimate: Estimate) -> _Found:
        period = 60.0 * self._frame_rate / self._tempi(estimate, len(rise))
        beat, downbeat = self._per_frame(activations, len(rise))
        strength = beat + _ONSET_WEIGHT * _smoothed(rise, _SMOOTHING * float(np.median(period)))
        frames = find_beats(strength, period)
        frames = frames[_within_sound(frames, rise, period)]
        places = frames + _between(rise, frames)
        return _Found(places, self._near(beat, frames), self._near(downbeat, frames))

    def _per_frame(self, activations: NDArray[np.float32], n_frames: int) -> tuple[Curve, Curve]:
        places = np.arange(n_frames) / self._spec.frame_step
        known = np.arange(len(activations))
        beat, downbeat = (np.interp(places, known, activations[:, output]) for output in (0, 1))
        return beat, downbeat

    def _near(self, curve: Curve, frames: NDArray[np.int64]) -> Curve:
        """Return the maximum of a curve near each beat."""
        reach = round(_NEAR * self._frame_rate)
        padded = np.pad(curve, reach)
        return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)[frames].max(axis=1))

    def _tempi(self, estimate: Estimate, n_frames: int) -> Curve:
        """Return the tempo at each frame, in BPM: of each section, straight where it rises or falls.

        All sections are counted in the octave next to the tempo of the track.
        """
        assert estimate.bpm is not None
        tempi = np.full(n_frames, estimate.bpm)
        if estimate.steady or not estimate.tempo_sections:
            return tempi
        ends = [after.start for _, after in pairwise(estimate.tempo_sections)] + [math.inf]
        time = np.arange(n_frames) / self._frame_rate
        start = 0.0
        for section, end in zip(estimate.tempo_sections, ends, strict=True):
            inside = (time >= start) & (time < end)
            points = [point for point in estimate.curve if section.start <= point.time <= section.end]
            bpm = section.bpm * 2.0 ** round(math.log2(estimate.bpm / section.bpm))
            tempi[inside] = bpm
            if len(points) >= _CURVE_POINTS:
                tempi[inside] = _line(
                    np.array([point.time for point in points]),
                    np.array([point.bpm for point in points]),
                    bpm,
                    np.clip(time[inside], points[0].time, points[-1].time),
                )
            start = end
        return tempi


def rounded(seconds: float) -> float:
    """Round the time of a beat to a tenth of a millisecond, as all outputs write it."""
    return round(seconds, 4)


def rise_of(log_mel: NDArray[np.float32], before: NDArray[np.float32] | None) -> Curve:
    """Compute the onset strength of frames: rises of the mel bands, summed.

    Parameters
    ----------
    log_mel : ndarray of float32, shape=(n_frames, n_mels)
    before : ndarray of float32, shape=(n_mels,), optional
        The frame before the first one; ``None`` at the start, where nothing rises.

    Returns
    -------
    ndarray of float64, shape=(n_frames,)
    """
    first = log_mel[:1] if before is None else before[None]
    rise = np.maximum(np.diff(log_mel, axis=0, prepend=first), 0.0)
    return np.asarray(rise.sum(axis=1, dtype=np.float64))


def _smoothed(rise: Curve, deviation: float) -> Curve:
    """Smooth onset strength by a Gaussian, and scale it to standard deviation 1."""
    reach = math.ceil(3.0 * deviation)
    kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / deviation))
    smooth = np.convolve(rise, kernel / kernel.sum(), mode="same")
    return np.asarray(smooth / max(float(smooth.std()), 1e-9))[: len(rise)]


def _between(rise: Curve, frames: NDArray[np.int64]) -> Curve:
    """Return the offset of each beat from its frame: that of the centre of the rises around it."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(rise, _REACH), 2 * _REACH + 1)[frames]
    weights = windows - windows.min(axis=1, keepdims=True)
    moments = weights @ np.arange(-_REACH, _REACH + 1)
    return np.asarray(moments / np.maximum(weights.sum(axis=1), 1e-9))


def _within_sound(frames: NDArray[np.int64], rise: Curve, period: Curve) -> NDArray[np.bool_]:
    """Return which beats lie between the first and the last onset, give or take half a beat."""
    (heard,) = np.nonzero(rise > 0.02 * float(np.quantile(rise, 0.99)))
    reach = 0.5 * period[frames]
    inside: NDArray[np.bool_] = (frames >= heard[0] - reach) & (frames <= heard[-1] + reach)
    return inside if inside.any() else np.ones(len(frames), np.bool_)


def _line(times: Curve, bpms: Curve, bpm: float, wanted: Curve) -> Curve:
    """Fit a straight line to the logarithms of tempi, in the octave of the section's tempo."""
    octaves = np.log2(bpms / bpm)
    octaves -= np.round(octaves)
    near = np.abs(octaves) < 0.25
    if near.sum() < _CURVE_POINTS:
        return np.full(len(wanted), bpm)
    slope, base = np.polyfit(times[near], octaves[near], 1)
    return np.asarray(bpm * 2.0 ** (base + slope * wanted))
