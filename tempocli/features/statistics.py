"""Quantile and median without `numpy.ma`: numpy's own functions import it, which costs 8 ms at start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def quantile(values: NDArray[Any], q: float) -> float:
    """Compute a quantile by linear interpolation, as `numpy.quantile` does.

    Parameters
    ----------
    values : ndarray of float, shape=(n,)
        At least one value, none of them NaN.
    q : float
        From 0 to 1.

    Raises
    ------
    ValueError
        If there are no values, or `q` is not within 0 to 1.
    """
    if not len(values) or not 0.0 <= q <= 1.0:
        raise ValueError(f"no quantile {q:g} of {len(values)} values")
    place = q * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    ordered = np.partition(values, [below, above])
    low, high = float(ordered[below]), float(ordered[above])
    return low + (high - low) * (place - below)


def median(values: NDArray[Any]) -> float:
    """Compute the median; for an even number of values, the mean of the middle two."""
    return quantile(values, 0.5)


def largest_near(distribution: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return for each bin the largest value at most `width` bins away, shape=(n_bins,)."""
    padded = np.pad(distribution, width, mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 2 * width + 1).max(axis=1))
