"""Change the tempo of a vector: its rhythm part is shifted along the log-tempo axis.

McCallum et al. ("Tempo estimation as fully self-supervised binary classification" and "Similar but faster:
manipulation of tempo in music audio embeddings for tempo prediction and search", ICASSP 2024) learn such a
translation. Here the axis is built so that it is a shift; docs/embedding.md compares both.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tempocli.embedding.track import unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.features.rhythm import RhythmAxis

    Floats = NDArray[np.float32]

MAX_RATE = 4.0


def shift_rhythm(rhythm: Floats, rate: float, axis: RhythmAxis) -> Floats:
    """Return the rhythm of the same music played at another rate.

    Parameters
    ----------
    rhythm : ndarray of float32, shape=(..., n_bands * n_bins)
        Rhythm parts.
    rate : float
        More than 1 is faster; 1/4 to 4.
    axis : RhythmAxis

    Returns
    -------
    ndarray of float32, shape=(..., n_bands * n_bins)
        Of unit length. What is shifted off the axis is lost.

    Raises
    ------
    ValueError
        If the rate is out of range.
    """
    if not 1.0 / MAX_RATE <= rate <= MAX_RATE:
        raise ValueError(f"rate {rate:g} is not in {1.0 / MAX_RATE:g} to {MAX_RATE:g}")
    bands = rhythm.reshape(*rhythm.shape[:-1], axis.n_bands, axis.n_bins)
    places = np.arange(axis.n_bins) - axis.bins_per_octave * math.log2(rate)
    below = np.floor(places).astype(np.int64)
    weight = (places - below).astype(np.float32)
    # A bin of zeros at each end stands for everything outside.
    padded = np.pad(bands, [(0, 0)] * (bands.ndim - 1) + [(1, 1)])
    last = axis.n_bins + 1
    low = padded[..., np.clip(below + 1, 0, last)]
    high = padded[..., np.clip(below + 2, 0, last)]
    return unit((low * (1.0 - weight) + high * weight).reshape(rhythm.shape))


def tempo_blind(rhythm: Floats, axis: RhythmAxis) -> Floats:
    """Return what a rhythm has in common with itself at any tempo.

    It is the magnitude of the Fourier transform along the log-tempo axis, which a shift does not change.

    Parameters
    ----------
    rhythm : ndarray of float32, shape=(..., n_bands * n_bins)
    axis : RhythmAxis

    Returns
    -------
    ndarray of float32, shape=(..., n_bands * n_kept)
        Of unit length.
    """
    bands = rhythm.reshape(*rhythm.shape[:-1], axis.n_bands, axis.n_bins)
    # Twice the length, so that what leaves one end does not enter at the other. The mean is left out.
    magnitude = np.abs(np.fft.rfft(bands, 2 * axis.n_bins, axis=-1))[..., 1 : 1 + axis.n_bins // 4]
    return unit(np.asarray(magnitude, np.float32).reshape(*rhythm.shape[:-1], -1))
