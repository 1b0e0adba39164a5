"""Measure loops by length: a loop has a whole number of beats, so its length gives the exact tempo."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.axis import TOLERANCE
from tempocli.features.periodicity import rises
from tempocli.features.statistics import quantile
from tempocli.inference.window_analysis import EDGE_FRAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.features.front_end import FrontEnd

_MIN_BEATS = 2
_MAX_BEATS = 32  # the tempo of a longer loop is measured precisely enough without its length
_ANOTHER_NUMBER = 0.25  # of a beat; further from a whole number of beats, a tempo is not moved
_SEAM = 0.5  # onset at the seam, relative to the strong onsets inside
OFF_BEATS = 0.15  # largest distance of a loop's length from a whole number of beats
_MIN_ONSETS = 2  # not counting the one at the start
_APART = 5  # minimum frames between onsets


def tile(frames: NDArray[np.float32], *, period: float, n_frames: int) -> NDArray[np.float32]:
    """Repeat a loop; frames are interpolated across the seam.

    Parameters
    ----------
    frames : ndarray of float32, shape=(n, n_mels)
        Log-mel frames of the loop.
    period : float
        Length of the loop in frames, at most `n`.
    n_frames : int
        Number of frames to return.

    Returns
    -------
    ndarray of float32, shape=(n_frames, n_mels)
    """
    places = np.arange(n_frames) % period
    below = np.minimum(places.astype(np.intp), len(frames) - 1)
    above = np.where(below + 1 >= period, 0, np.minimum(below + 1, len(frames) - 1))
    part = (places - below).astype(np.float32)[:, None]
    return np.asarray(frames[below] * (1.0 - part) + frames[above] * part)


def can_be_loop(
    head: NDArray[np.float32], tail: NDArray[np.float32], curve: NDArray[np.float32], front_end: FrontEnd
) -> bool:
    """Return whether repeated audio has an onset at the seam that is comparable to the onsets inside.

    Audio without onsets inside, such as a single hit, is not a loop.

    Parameters
    ----------
    head, tail : ndarray of float32, shape=(n_frames, n_mels)
        The first and the last log-mel frames; eight of each are used.
    curve : ndarray of float32, shape=(n_frames,)
        Onset curve of the whole audio, from `tempocli.features.periodicity.rises`.
    front_end : FrontEnd
    """
    if not len(curve):
        return False
    end = len(tail[-EDGE_FRAMES:])
    around = rises(np.concatenate([tail[-EDGE_FRAMES:], head[:EDGE_FRAMES]]), front_end)
    at_seam = float(around[max(0, end - 2) : end + 4].max(initial=0.0))
    strong = quantile(curve, 0.95)
    if strong <= 0.0 or at_seam < _SEAM * strong:
        return False
    return _count_onsets(curve, 0.25 * max(at_seam, float(curve.max()))) >= _MIN_ONSETS


def _count_onsets(curve: NDArray[np.float32], threshold: float) -> int:
    padded = np.pad(curve, _APART)
    largest = np.lib.stride_tricks.sliding_window_view(padded, 2 * _APART + 1).max(axis=1)
    return int(((curve == largest) & (curve > threshold)).sum())


@dataclass(frozen=True, slots=True)
class WholeBeats:
    """The tempo of a loop, from its length.

    Attributes
    ----------
    n_beats : int
    bpm : float
    """

    n_beats: int
    bpm: float

    def nearest(self, bpm: float) -> float:
        """Return the nearest exact tempo: an octave of the loop's tempo, or another whole number of beats.

        A tempo far from both, such as 3/2 of the tempo of a loop of two beats, is returned unchanged.
        """
        octave = self.bpm * 2.0 ** round(math.log2(bpm / self.bpm))
        if abs(octave / bpm - 1.0) <= TOLERANCE:
            return octave
        per_beat = self.bpm / self.n_beats
        n_beats = max(1, round(bpm / per_beat))
        return n_beats * per_beat if abs(bpm / per_beat - n_beats) <= _ANOTHER_NUMBER else bpm


def whole_beats(duration: float, bpm: float) -> WholeBeats | None:
    """Return the number of beats and the exact tempo of a loop.

    Parameters
    ----------
    duration : float
        Length of the loop, in seconds.
    bpm : float
        Approximate tempo, in BPM.

    Returns
    -------
    WholeBeats or None
        ``None`` for less than two beats, and for so many beats that the length adds no precision.
    """
    n_beats = round(duration * bpm / 60.0)
    return WholeBeats(n_beats, 60.0 * n_beats / duration) if _MIN_BEATS <= n_beats <= _MAX_BEATS else None
