"""What each cell of a grid sounds like: vectors of chroma, timbre and of the music encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_PARTS = 4  # of a cell, so that the order of its chords and its rhythm count
_N_MFCC = 13  # without the level
# Below these, differences are noise: of chroma, of the length of a spectrum; of mel cepstra, in units of
# log-mel; of vectors of unit length.
_LEAST_CHROMA, _LEAST_TIMBRE, _LEAST_EMBEDDING = 0.2, 0.1, 0.1
_LEAST_SPREAD = 0.3  # of the vectors for the discriminant: white noise has 0.16, music 0.5 and more
_N_SHAPE, _SHAPE_SCALE = 20, 0.3
_NEIGHBOURS = 3  # cells whose differences are no change of section
_SHRINKAGE = 0.1  # of the covariance of those differences


def parts_of(times: Floats) -> Floats:
    """Divide each cell of a grid into equal parts, shape=(_PARTS * n_cells + 1,)."""
    n_cells = len(times) - 1
    return np.interp(np.arange(_PARTS * n_cells + 1) / _PARTS, np.arange(n_cells + 1), times)


def chroma_vectors(chroma: Floats, *, centred: bool) -> Floats:
    """Return the pitch classes of the parts of each cell in order.

    Parameters
    ----------
    chroma : ndarray of float64, shape=(_PARTS * n_cells, 12)
        Strengths of the pitch classes in each part of a cell.
    centred : bool
        Whether to subtract the mean of the track, as labels need it: all cells of a song share its key.

    Returns
    -------
    ndarray of float64, shape=(n_cells, _PARTS * 12)
        Of length 1, or less where no pitch class stands out.
    """
    roots = np.sqrt(np.maximum(chroma, 0.0))
    roots = roots / np.maximum(np.linalg.norm(roots, axis=1, keepdims=True), 1e-9)
    roots -= roots.mean(axis=1, keepdims=True)
    vectors = roots.reshape(-1, _PARTS * 12)
    return _scaled(vectors - vectors.mean(axis=0) if centred else vectors, _LEAST_CHROMA)


def timbre_vectors(log_mel: Floats) -> Floats:
    """Return the mel cepstra of the parts of each cell in order, less those of the track.

    Parameters
    ----------
    log_mel : ndarray of float64, shape=(_PARTS * n_cells, n_mels)
        Mean of each part of a cell.

    Returns
    -------
    ndarray of float64, shape=(n_cells, _PARTS * _N_MFCC)
        Of length 1, or less where a cell is like the track.
    """
    n_mels = log_mel.shape[1]
    angles = np.pi * (np.arange(n_mels)[:, None] + 0.5) * np.arange(1, _N_MFCC + 1) / n_mels
    cepstra = (log_mel @ np.cos(angles) / n_mels).reshape(-1, _PARTS * _N_MFCC)
    return _scaled(cepstra - cepstra.mean(axis=0), _LEAST_TIMBRE)


def embedding_vectors(embedding: Floats) -> Floats:
    """Return vectors of the music encoder, less their mean, of length 1 or less, shape=(n_cells, dim)."""
    return _scaled(embedding - embedding.mean(axis=0), _LEAST_EMBEDDING)


def spectral_shape(log_mel: Floats) -> Floats:
    """Return means and deviations of the mel cepstra of the parts of each cell, without the level.

    Parameters
    ----------
    log_mel : ndarray of float64, shape=(_PARTS * n_cells, n_mels)
        Mean of each part of a cell.

    Returns
    -------
    ndarray of float64, shape=(n_cells, 2 * _N_SHAPE)
        In units of `_SHAPE_SCALE`, so that in music the length is about 0.5.
    """
    n_mels = log_mel.shape[1]
    angles = np.pi * (np.arange(n_mels)[:, None] + 0.5) * np.arange(1, _N_SHAPE + 1) / n_mels
    cepstra = (log_mel @ np.cos(angles) / n_mels).reshape(-1, _PARTS, _N_SHAPE)
    joint = np.concatenate([cepstra.mean(axis=1), cepstra.std(axis=1)], axis=1)
    return np.asarray((joint - joint.mean(axis=0)) / _SHAPE_SCALE)


def discriminant_vectors(vectors: Floats) -> Floats:
    """Return vectors in which neighbouring cells differ equally in all directions.

    Directions in which neighbours differ much count less, and those in which only farther cells differ count
    more. This is a linear discriminant of the track itself, without labels (after McFee and Ellis, "Learning
    to segment songs with ordinal linear discriminant analysis", 2014).

    Parameters
    ----------
    vectors : ndarray of float64, shape=(n_cells, dim)

    Returns
    -------
    ndarray of float64, shape=(n_cells, dim)
        Of length 1, or less if all of the track sounds alike.
    """
    centred = vectors - vectors.mean(axis=0)
    differences = [centred[lag:] - centred[:-lag] for lag in range(1, min(_NEIGHBOURS, len(centred) - 1) + 1)]
    if not differences:
        return np.zeros_like(centred)
    joint = np.concatenate(differences)
    covariance = joint.T @ joint / len(joint)
    dim = len(covariance)
    floor = _SHRINKAGE * np.trace(covariance) / dim + 1e-9
    variances, directions = np.linalg.eigh(covariance + floor * np.eye(dim))
    whitened = centred @ directions / np.sqrt(variances)
    whitened /= np.maximum(np.linalg.norm(whitened, axis=1, keepdims=True), 1e-9)
    # The differences within a steady sound are noise, however they are scaled.
    spread = float(np.square(centred).sum(axis=1).mean())
    return np.asarray(whitened * spread**2 / (spread**2 + _LEAST_SPREAD**4))


def joined(*vectors: Floats) -> Floats:
    """Join vectors of cells, so that their products are the means of the similarities by each kind."""
    return np.asarray(np.concatenate(vectors, axis=1) / len(vectors) ** 0.5)


def _scaled(vectors: Floats, least: float) -> Floats:
    """Scale vectors to length 1; those far shorter than `least` stay short."""
    squares = np.square(vectors).sum(axis=1, keepdims=True)
    return np.asarray(vectors / np.sqrt(squares + least**2))
