"""Means of frames over cells of a grid, such as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def means(frames: NDArray[np.floating], places: Floats) -> Floats:
    """Average frames between places, shares of frames included.

    Parameters
    ----------
    frames : ndarray, shape=(n_frames, n_bands)
        Frame ``k`` stands for the time from ``k`` to ``k + 1``.
    places : ndarray of float64, shape=(n_cells + 1,)
        Edges of the cells, in frames, in order.

    Returns
    -------
    ndarray of float64, shape=(n_cells, n_bands)
    """
    sums = np.zeros((len(frames) + 1, frames.shape[1]))
    np.cumsum(frames, axis=0, dtype=np.float64, out=sums[1:])
    inside = np.clip(places, 0.0, len(frames))
    below = np.minimum(inside.astype(np.int64), len(frames) - 1)
    at = sums[below] + (inside - below)[:, None] * frames[below]
    return np.diff(at, axis=0) / np.maximum(np.diff(inside), 1e-9)[:, None]


def centred_cells(log_mel: NDArray[np.floating], edges: Floats, n_parts: int) -> NDArray[np.float32]:
    """Average log-mel frames over equal parts of each cell, and subtract the mean spectrum of all cells.

    Parameters
    ----------
    log_mel : ndarray, shape=(n_frames, n_mels)
    edges : ndarray of float64, shape=(n_cells + 1,)
        Edges of the cells, in frames, in order.
    n_parts : int

    Returns
    -------
    ndarray of float32, shape=(n_cells, n_parts, n_mels)
    """
    n_cells = len(edges) - 1
    places = np.interp(np.arange(n_parts * n_cells + 1) / n_parts, np.arange(n_cells + 1), edges)
    cells = means(log_mel, places).reshape(n_cells, n_parts, -1)
    return np.asarray(cells - cells.mean(axis=(0, 1)), np.float32)
