"""Expressive performance of a score: rubato, slow attacks, swells, pulsating pads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tempocli.training.synth.score import EXPRESSION_RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.training.synth.score import Score

# General MIDI programs with sustained notes: organs, strings, winds, voices, pads.
SUSTAINED = frozenset((*range(16, 24), *range(40, 45), *range(48, 55), *range(56, 80), *range(88, 96)))
_CHORD_SECONDS = 0.06  # notes within this time are one attack


def rubato(score: Score, rng: np.random.Generator, *, depth: float) -> None:
    """Vary the tempo of a score smoothly; its mean over the score does not change.

    Parameters
    ----------
    score : Score
        Its notes and beats are moved in place.
    rng : numpy.random.Generator
    depth : float
        Maximum relative deviation of the tempo.
    """
    n_steps = int(np.ceil(score.duration * EXPRESSION_RATE)) + 1
    times = np.linspace(0.0, score.duration, n_steps)
    # Rubato follows phrases, not beats: one turning point every two to six beats.
    every = 60.0 / score.bpm * rng.uniform(2.0, 6.0)
    knots = rng.normal(0.0, 1.0, int(score.duration / every) + 3)
    place = times / every
    below = place.astype(np.int64)
    weight = 0.5 - 0.5 * np.cos(np.pi * (place - below))
    deviation = knots[below] * (1.0 - weight) + knots[below + 1] * weight
    deviation -= deviation[:-1].mean()
    deviation *= depth / np.abs(deviation).max()
    warped = np.concatenate(([0.0], np.cumsum(1.0 + deviation[:-1]))) * (times[1] - times[0])
    for index, note in enumerate(score.notes):
        start, stop = np.interp([note.time, note.time + note.duration], times, warped)
        held = stop - start if note.time + note.duration <= score.duration else note.duration
        score.notes[index] = replace(note, time=float(start), duration=float(held))
    score.beats = [replace(beat, time=float(np.interp(beat.time, times, warped))) for beat in score.beats]


def slow_attacks(score: Score, channel: int, *, attack: float, floor: float) -> None:
    """Add slow attacks to the notes of a channel, like those of bows and voices.

    Parameters
    ----------
    score : Score
        Its expression is changed.
    channel : int
    attack : float
        Time from the start of a note to its full level, in seconds; shorter if the next note starts earlier.
    floor : float
        Initial level, 0 to 1; higher is more legato.
    """
    times = np.array(sorted(note.time for note in score.notes if note.channel == channel))
    if not len(times):
        return
    starts = times[np.concatenate(([True], np.diff(times) > _CHORD_SECONDS))]
    gaps = np.diff(starts, append=np.inf)
    clock = _clock(score)
    current = np.searchsorted(starts, clock, "right") - 1
    elapsed = clock - starts[np.maximum(current, 0)]
    rise = np.minimum(elapsed / np.minimum(attack, 0.8 * gaps[np.maximum(current, 0)]), 1.0)
    level = floor + (1.0 - floor) * np.sin(0.5 * np.pi * rise) ** 2
    _multiply(score, channel, np.where(current >= 0, level, 1.0))


def hairpins(score: Score, channel: int, rng: np.random.Generator, *, period: float) -> None:
    """Add a crescendo and diminuendo to every phrase of a channel.

    Parameters
    ----------
    score : Score
        Its expression is changed.
    channel : int
    rng : numpy.random.Generator
    period : float
        Length of a phrase, in seconds.
    """
    phase = _clock(score) / period + rng.random()
    depth = rng.uniform(0.3, 0.85)
    _multiply(score, channel, 1.0 - depth * (0.5 + 0.5 * np.cos(2.0 * np.pi * phase)))


def pulsate(score: Score, channel: int, *, rate: float, depth: float, start: float, stop: float) -> None:
    """Modulate the level of a channel from `start` to `stop`, like a low-frequency oscillator.

    Parameters
    ----------
    score : Score
        Its expression is changed.
    channel : int
    rate : float
        In Hz.
    depth : float
        0 to 1.
    start, stop : float
        In seconds.
    """
    clock = _clock(score)
    level = 1.0 - depth * (0.5 + 0.5 * np.cos(2.0 * np.pi * rate * (clock - start)))
    _multiply(score, channel, np.where((clock >= start) & (clock < stop), level, 1.0))


def _clock(score: Score) -> NDArray[np.float64]:
    return np.arange(int(np.ceil(score.duration * EXPRESSION_RATE))) / EXPRESSION_RATE


def _multiply(score: Score, channel: int, level: NDArray[np.float64]) -> None:
    before = score.expression.get(channel)
    score.expression[channel] = (level if before is None else level * np.array(before)).tolist()
