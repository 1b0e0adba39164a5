"""Statistics of the log-mel bands of a window: what its sound is like, without any learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def statistics(log_mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the statistics of one window.

    Parameters
    ----------
    log_mel : ndarray of float32, shape=(n_frames, n_mels)
        At least one frame.

    Returns
    -------
    ndarray of float32, shape=(3 * n_mels,)
        Mean and standard deviation of each band, and standard deviation of its changes between frames.
    """
    change = np.diff(log_mel, axis=0).std(axis=0) if len(log_mel) > 1 else np.zeros_like(log_mel[0])
    return np.concatenate([log_mel.mean(axis=0), log_mel.std(axis=0), change])
