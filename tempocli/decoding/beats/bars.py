"""Decode the downbeat activations at beats into bars and metre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.decoding.beats.metre import METRES, metre_probabilities

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.inference.beats import MetreWeights

_RATE = 0.25  # share of downbeats among the beats that the network learned from
_SLIP = 1e-3  # probability that a beat does not go on counting
# Of one standard deviation, in the log odds of a downbeat; from 0.2 to 3 on composed music, the best.
_NOVELTY_WEIGHT = 1.0
_LEAST = 0.02  # of the probability of a downbeat, and of none


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Bars of a sequence of beats.

    Attributes
    ----------
    positions : ndarray of int64, shape=(n_beats,)
        Position of each beat in its bar, from 1.
    downbeat : ndarray of float64, shape=(n_beats,)
        Probability that each beat is a downbeat, 0 to 1.
    metre : int
        Beats a bar.
    confidence : float
        Probability of the metre.
    """

    positions: NDArray[np.int64]
    downbeat: NDArray[np.float64]
    metre: int
    confidence: float


# One state for each position of each metre; a metre's states are neighbours.
_METRE = np.concatenate([np.full(metre, metre) for metre in METRES])
_POSITION = np.concatenate([np.arange(1, metre + 1) for metre in METRES])
_FIRST = np.cumsum([0, *METRES[:-1]])
_BEFORE = np.arange(len(_METRE)) - 1 + np.where(_POSITION == 1, _METRE, 0)
_AFTER = np.arange(len(_METRE)) + 1 - np.where(_POSITION == _METRE, _METRE, 0)


def find_bars(
    beat: NDArray[np.float64],
    downbeat: NDArray[np.float64],
    similarity: NDArray[np.float64],
    novelty: NDArray[np.float64],
    weights: MetreWeights,
    *,
    metre: int | None = None,
) -> Bars:
    """Find the metre, and the position of each beat by a hidden Markov model (after Böck et al. 2016).

    A track has one metre. Its counting may start anew at any beat, which is improbable.

    Parameters
    ----------
    beat, downbeat : ndarray of float64, shape=(n_beats,)
        Activations at the beats, 0 to 1; at least one beat.
    similarity : ndarray of float64, shape=(N_LAGS,)
        See `tempocli.decoding.beats.metre.bar_similarity`.
    novelty : ndarray of float64, shape=(n_beats,)
        See `tempocli.decoding.beats.metre.bar_novelty`.
    weights : MetreWeights
        Of the classifier of the metre.
    metre : int, optional
        The metre, if it is known.
    """
    observed = _observed(beat, downbeat)
    if metre is None:
        probabilities = metre_probabilities(similarity, _forward(observed)[1] / len(beat), weights)
        best = int(probabilities.argmax())
        confidence = float(probabilities[best])
    else:
        best, confidence = METRES.index(metre), 1.0
    # Not for the metre, of which the similarities tell more.
    observed[:, _POSITION == 1] *= np.exp(_NOVELTY_WEIGHT * novelty)[:, None]
    forward, _ = _forward(observed)
    states = slice(_FIRST[best], _FIRST[best] + METRES[best])
    posterior = (forward * _backward(observed))[:, states]
    posterior /= posterior.sum(axis=1, keepdims=True)
    return Bars(
        positions=_best_path(observed[:, states]),
        downbeat=posterior[:, 0],
        metre=METRES[best],
        confidence=confidence,
    )


def metre_evidence(beat: NDArray[np.float64], downbeat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log evidence of each metre in activations at beats, per beat, shape=(n_metres,)."""
    return _forward(_observed(beat, downbeat))[1] / len(beat)


def _observed(beat: NDArray[np.float64], downbeat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the likelihood ratio of each state at each beat."""
    share = np.clip(downbeat / np.maximum(np.maximum(beat, downbeat), 0.05), _LEAST, 1.0 - _LEAST)
    yes, no = share / _RATE, (1.0 - share) / (1.0 - _RATE)
    return np.asarray(np.where(_POSITION == 1, yes[:, None], no[:, None]))


def _per_metre(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over the states of each metre, shape=(n_metres,)."""
    return np.asarray(np.add.reduceat(values, _FIRST))


def _forward(observed: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the probability of each state given the beats up to it, and the log evidence of each metre."""
    states = 1.0 / _METRE
    rows = np.empty_like(observed)
    evidence = np.zeros(len(METRES))
    for index, likelihood in enumerate(observed):
        if index:
            states = (1.0 - _SLIP) * states[_BEFORE] + _SLIP / _METRE
        states = states * likelihood
        scale = _per_metre(states)
        evidence += np.log(scale)
        states = states / np.repeat(scale, METRES)
        rows[index] = states
    return rows, evidence


def _backward(observed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the likelihood of the beats after each one, up to a factor per metre."""
    rows = np.ones_like(observed)
    states = rows[-1]
    for index in range(len(observed) - 1, 0, -1):
        seen = states * observed[index]
        states = (1.0 - _SLIP) * seen[_AFTER] + _SLIP * np.repeat(_per_metre(seen) / METRES, METRES)
        states = states / np.repeat(_per_metre(states), METRES)
        rows[index - 1] = states
    return rows


def _best_path(observed: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the most probable positions of one metre (Viterbi)."""
    n_beats, metre = observed.shape
    emitted = np.log(observed)
    stays, slips = np.log(1.0 - _SLIP + _SLIP / metre), np.log(_SLIP / metre)
    score = emitted[0]
    came = np.empty((n_beats, metre), np.int64)
    usual = (np.arange(metre) - 1) % metre
    for index in range(1, n_beats):
        top = int(score.argmax())
        going, jumping = score[usual] + stays, score[top] + slips
        came[index] = np.where(going >= jumping, usual, top)
        score = np.maximum(going, jumping) + emitted[index]
    path = [int(score.argmax())]
    for index in range(n_beats - 1, 0, -1):
        path.append(int(came[index][path[-1]]))
    return np.array(path[::-1], np.int64) + 1
