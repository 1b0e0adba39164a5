"""Tell the metre: how alike the beats of a track are at distances of one beat, two beats, and so on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.inference.beats import MetreWeights

METRES = (2, 3, 4, 5, 6, 7)  # beats a bar
N_LAGS = 24  # beats; a multiple of all metres but five and seven
_PER_BEAT = 4  # vectors of a beat, so that its rhythm counts
_FEWEST = 12  # beats, below which nothing repeats often enough
_NOVELTY_BEATS = 4
_PART = 4096  # edges
# Of music in general, where a bar of four is by far the most common; the weights are of metres that are
# equally common.
_PRIOR = {2: 0.02, 3: 0.1, 4: 0.8, 5: 0.02, 6: 0.04, 7: 0.02}


def bar_similarity(log_mel: NDArray[np.floating], frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlate the spectra of beats with those of later beats.

    In music of three beats a bar, beats are most alike at distances of three, six and nine beats.

    Parameters
    ----------
    log_mel : ndarray, shape=(n_frames, n_mels)
    frames : ndarray of float64, shape=(n_beats,)
        Places of the beats, in frames.

    Returns
    -------
    ndarray of float64, shape=(N_LAGS,)
        Correlation at a distance of one beat, two beats, and so on; 0 where the track is too short.
    """
    out = np.zeros(N_LAGS)
    if len(frames) < _FEWEST:
        return out
    places = np.arange(_PER_BEAT * (len(frames) - 1) + 1) / _PER_BEAT
    edges = np.interp(places, np.arange(len(frames)), frames)
    vectors = _means(log_mel, edges).reshape(len(frames) - 1, -1)
    vectors -= vectors.mean(axis=0)
    for lag in range(1, min(N_LAGS, len(vectors) - 2) + 1):
        before, after = vectors[:-lag], vectors[lag:]
        scale = float(np.square(before).sum() * np.square(after).sum())
        out[lag - 1] = float((before * after).sum()) / max(scale, 1e-12) ** 0.5
    return out


def bar_novelty(log_mel: NDArray[np.floating], frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Measure how different the four beats from each beat on are from the four before it.

    Chords and parts mostly change at downbeats.

    Parameters
    ----------
    log_mel : ndarray, shape=(n_frames, n_bands)
        Of the bands of chords.
    frames : ndarray of float64, shape=(n_beats,)
        Places of the beats, in frames.

    Returns
    -------
    ndarray of float64, shape=(n_beats,)
        One minus the correlation of the mean spectra, with mean 0 and standard deviation 1.
    """
    n_beats = len(frames)
    if n_beats < _FEWEST:
        return np.zeros(n_beats)
    ends = np.append(frames, 2.0 * frames[-1] - frames[-2])
    spectra = _means(log_mel, ends)
    totals = np.concatenate([np.zeros((1, spectra.shape[1])), np.cumsum(spectra, axis=0, dtype=np.float64)])
    here = np.arange(1, n_beats)
    first, last = np.maximum(here - _NOVELTY_BEATS, 0), np.minimum(here + _NOVELTY_BEATS, n_beats)
    before = (totals[here] - totals[first]) / (here - first)[:, None]
    after = (totals[last] - totals[here]) / (last - here)[:, None]
    before -= before.mean(axis=1, keepdims=True)
    after -= after.mean(axis=1, keepdims=True)
    scale = np.sqrt(np.square(before).sum(axis=1) * np.square(after).sum(axis=1))
    novelty = np.zeros(n_beats)
    novelty[1:] = 1.0 - (before * after).sum(axis=1) / np.maximum(scale, 1e-9)
    return np.asarray((novelty - novelty.mean()) / max(float(novelty.std()), 1e-9))


def _means(log_mel: NDArray[np.floating], edges: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the mean of the frames from each edge to the next, shape=(n_edges - 1, n_mels)."""
    places = np.clip(np.round(edges).astype(np.int64), 0, len(log_mel) - 1)
    means = np.empty((len(places) - 1, log_mel.shape[1]), np.float32)
    # In parts, since the sums of all frames at once need a copy of them in single precision.
    for first in range(0, len(means), _PART):
        part = places[first : first + _PART + 1]
        # `reduceat` adds up to the end, and takes the frame itself between equal edges.
        frames = log_mel[part[0] : max(part[-1], part[-2] + 1)]
        sums = np.add.reduceat(frames, part[:-1] - part[0], axis=0, dtype=np.float32)
        means[first : first + _PART] = sums / np.maximum(np.diff(part), 1)[:, None]
    return means


def metre_probabilities(
    similarity: NDArray[np.float64], evidence: NDArray[np.float64], weights: MetreWeights
) -> NDArray[np.float64]:
    """Return the probability of each of the `METRES`.

    Parameters
    ----------
    similarity : ndarray of float64, shape=(N_LAGS,)
        From `bar_similarity`.
    evidence : ndarray of float64, shape=(n_metres,)
        Log evidence of each metre in the downbeat activations, per beat.
    weights : MetreWeights
        Of a linear classifier of both.

    Returns
    -------
    ndarray of float64, shape=(n_metres,)
        Sums to 1. Without similarities, as for a track of a few beats, that of music in general.
    """
    scores = np.log([_PRIOR[metre] for metre in METRES])
    if similarity.any():
        features = np.concatenate([similarity, evidence])
        scores = scores + np.array(weights.weights) @ features + np.array(weights.bias)
    probabilities = np.exp(scores - scores.max())
    return np.asarray(probabilities / probabilities.sum())
