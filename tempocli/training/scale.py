"""The scale of a network that has learned from unlabelled music alone, set by click tracks.

S1's task leaves one constant free: if every answer is off by the same factor, all ratios still hold.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from tempocli.training.network import NetworkConfig, TempoNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEAR = 1.5  # bins: 2 %


def common_shift(offsets: NDArray[np.float64]) -> float:
    """Find the shift that most answers share.

    Parameters
    ----------
    offsets : ndarray of float64, shape=(n,)
        How far answers are from the truth, in bins; a share of them in another tempo octave.

    Returns
    -------
    float
        In bins.
    """
    near = np.abs(offsets[:, None] - offsets[None, :]) <= _NEAR
    return float(np.median(offsets[near[near.sum(axis=1).argmax()]]))


@torch.inference_mode()
def tempo_offsets(
    network: TempoNetwork, windows: NDArray[np.float32], tempi: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Tell how far a network's answers to single windows are from the truth.

    Parameters
    ----------
    network : TempoNetwork
        In evaluation mode.
    windows : ndarray of float32, shape=(n, n_frames, n_mels)
    tempi : ndarray of float32, shape=(n,)
        In BPM.

    Returns
    -------
    ndarray of float64, shape=(n,)
        In bins; positive is too fast.
    """
    config = network.config
    device = next(network.parameters()).device
    answers = [
        network(torch.from_numpy(windows[start : start + 64]).to(device))[0].argmax(dim=1).cpu().numpy()
        for start in range(0, len(windows), 64)
    ]
    truth = np.log2(tempi.astype(np.float64) / config.min_bpm) * config.bins_per_octave
    return np.asarray(np.concatenate(answers) - truth)


def rescale(network: TempoNetwork, windows: NDArray[np.float32], tempi: NDArray[np.float32]) -> TempoNetwork:
    """Set a network's scale by windows of known tempo, and cut its axis to the tempi that ship.

    Parameters
    ----------
    network : TempoNetwork
        Without a context path, in evaluation mode.
    windows : ndarray of float32, shape=(n, n_frames, n_mels)
        Of click tracks.
    tempi : ndarray of float32, shape=(n,)
        In BPM.

    Returns
    -------
    TempoNetwork
        With the same weights, in evaluation mode.
    """
    shift = common_shift(tempo_offsets(network, windows, tempi))
    usual = NetworkConfig()
    scaled = TempoNetwork(
        replace(
            network.config,
            min_bpm=usual.min_bpm,
            n_bins=usual.n_bins,
            scale=2.0 ** (shift / network.config.bins_per_octave),
        )
    )
    scaled.load_state_dict(network.state_dict())
    return scaled.eval()
