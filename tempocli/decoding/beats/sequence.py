"""Decode beat activations and onset strength at a known tempo into beat times."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Curve = NDArray[np.float64]

# An interval that differs from the beat by 3 % costs as much as a weak beat.
_TRANSITION = 300.0
_SHORTEST, _LONGEST = 0.85, 1.18  # intervals, in beats


def find_beats(strength: Curve, period: Curve, *, transition: float = _TRANSITION) -> NDArray[np.int64]:
    """Find the sequence of beats with the greatest strength at intervals near the beat (Ellis 2007).

    Parameters
    ----------
    strength : ndarray of float64, shape=(n_frames,)
        Not negative.
    period : ndarray of float64, shape=(n_frames,)
        Length of a beat at each frame, in frames.
    transition : float
        Penalty of an interval, per squared natural logarithm of its ratio to the beat.

    Returns
    -------
    ndarray of int64, shape=(n_beats,)
        Frames of the beats.

    Notes
    -----
    The frames of a block shorter than the shortest interval depend only on earlier blocks, so each block is
    computed at once.
    """
    n_frames = len(strength)
    if not n_frames:
        return np.zeros(0, np.int64)
    longest = math.ceil(_LONGEST * float(period.max())) + 1
    # Scores of frames before the start are never chosen.
    score = np.full(longest + n_frames, -np.inf)
    previous = np.full(n_frames, -1, np.int64)
    first = 0
    while first < n_frames:
        beat = float(period[first])
        low, high = max(1, math.floor(_SHORTEST * beat)), math.ceil(_LONGEST * beat)
        stop = min(first + low, n_frames)
        lags = np.arange(low, high + 1)
        penalty = transition * np.square(np.log(lags / beat))
        windows = np.lib.stride_tricks.sliding_window_view(
            score[longest + first - high : longest + stop - low], len(lags)
        )[:, ::-1]
        totals = windows - penalty
        best = totals.argmax(axis=1)
        gain = totals[np.arange(stop - first), best]
        goes_on = gain > 0.0
        score[longest + first : longest + stop] = strength[first:stop] + np.where(goes_on, gain, 0.0)
        previous[first:stop] = np.where(goes_on, np.arange(first, stop) - lags[best], -1)
        first = stop
    # The last beat is within a beat of the end.
    tail = max(0, n_frames - math.ceil(float(period[-1])))
    frame = tail + int(score[longest + tail :].argmax())
    beats = []
    while frame >= 0:
        beats.append(frame)
        frame = int(previous[frame])
    return np.array(beats[::-1], np.int64)
