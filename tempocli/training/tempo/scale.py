"""The tempo scale of a network trained on unlabelled music only, set with click tracks.

Equivariance leaves one constant free: if all estimates are off by the same factor, their ratios are still
correct. Click tracks give this factor up to octaves, since the octave of a plain click is ambiguous. The
octave follows from training, which holds the mean tempo of music at the middle of its axis
(`losses.off_centre`); this is mapped to the middle of the axis of the shipped models.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tempocli.training.tempo.network import NetworkConfig
from tempocli.training.tempo.scalar import AnyTempo, ScalarNetwork, build_tempo

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEAR = 1.5  # bins: 2 %


def middle_shift(config: NetworkConfig) -> float:
    """Return the distance of the middle of an axis from the middle of the default axis, in bins."""
    usual = NetworkConfig()
    octaves = math.log2(config.min_bpm / usual.min_bpm)
    return octaves * config.bins_per_octave + (config.n_bins - usual.n_bins) / 2.0


def common_shift(offsets: NDArray[np.float64], *, expected: float, bins_per_octave: int) -> float:
    """Find the most common shift, up to octaves, in the octave around the expected shift.

    Parameters
    ----------
    offsets : ndarray of float64, shape=(n,)
        Errors of the estimates, in bins.
    expected : float
        Expected shift, in bins.
    bins_per_octave : int
        Resolution of the tempo axis.

    Returns
    -------
    float
        In bins.
    """

    def fold(bins: NDArray[np.float64]) -> NDArray[np.float64]:
        return (bins + 0.5 * bins_per_octave) % bins_per_octave - 0.5 * bins_per_octave

    apart = fold(offsets[None, :] - offsets[:, None])
    near = np.abs(apart) <= _NEAR
    best = int(near.sum(axis=1).argmax())
    shift = offsets[best] + np.median(apart[best][near[best]])
    return float(expected + fold(shift - expected))


def scale_shift(config: NetworkConfig, offsets: NDArray[np.float64]) -> float:
    """Return the shift that the errors of a network on click tracks have in common, in bins.

    The outputs of a scalar network mean nothing before, so that its octave comes from the clicks, too.
    """
    if config.scalar:
        return float(np.median(offsets))
    return common_shift(offsets, expected=middle_shift(config), bins_per_octave=config.bins_per_octave)


@torch.inference_mode()
def tempo_offsets(
    network: AnyTempo, windows: NDArray[np.float32], tempi: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Compute the errors of a network's estimates on single windows.

    Parameters
    ----------
    network : TempoNetwork or ScalarNetwork
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

    def places(some: Tensor) -> Tensor:
        if isinstance(network, ScalarNetwork):
            return network.place(network.scalar(network.parts(some)[2]))
        found: Tensor = network(some)[0].argmax(dim=1)
        return found

    answers = [
        places(torch.from_numpy(windows[start : start + 64]).to(device)).cpu().numpy()
        for start in range(0, len(windows), 64)
    ]
    truth = np.log2(tempi.astype(np.float64) / config.min_bpm) * config.bins_per_octave
    return np.asarray(np.concatenate(answers) - truth)


def rescale(network: AnyTempo, windows: NDArray[np.float32], tempi: NDArray[np.float32]) -> AnyTempo:
    """Set a network's scale with windows of known tempo, and cut its axis to the default tempo range.

    Parameters
    ----------
    network : TempoNetwork or ScalarNetwork
        Without a context path, in evaluation mode.
    windows : ndarray of float32, shape=(n, n_frames, n_mels)
        Windows of click tracks.
    tempi : ndarray of float32, shape=(n,)
        In BPM.

    Returns
    -------
    TempoNetwork or ScalarNetwork
        With the same weights, in evaluation mode.
    """
    config, usual = network.config, NetworkConfig()
    shift = scale_shift(config, tempo_offsets(network, windows, tempi))
    scaled = build_tempo(
        replace(
            config,
            min_bpm=usual.min_bpm,
            n_bins=usual.n_bins,
            scale=2.0 ** (shift / config.bins_per_octave),
        )
    )
    scaled.load_state_dict(network.state_dict())
    return scaled.eval()
