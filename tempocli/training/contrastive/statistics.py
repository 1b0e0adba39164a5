"""What an exported embedding needs besides the network: whitening, and the scale of the spectrum part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from tempocli.features.spectrum import statistics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import nn

    Floats = NDArray[np.float32]

_BATCH = 32


class Whitened(torch.nn.Module):
    """An encoder whose embeddings are centred and scaled to about equal variance in all directions.

    Parameters
    ----------
    network : Module
        From log-mel pieces to embeddings.
    mean : ndarray of float32, shape=(dim,)
    matrix : ndarray of float32, shape=(dim, dim)
    """

    def __init__(self, network: nn.Module, mean: Floats, matrix: Floats) -> None:
        super().__init__()
        self.network = network
        self.linear = torch.nn.Linear(len(matrix), len(matrix))
        with torch.no_grad():
            self.linear.weight.copy_(torch.from_numpy(matrix.T))
            self.linear.bias.copy_(torch.from_numpy(-mean @ matrix))

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Embed pieces, shape=(batch, n_frames, n_mels), to shape=(batch, dim)."""
        whitened: torch.Tensor = self.linear(self.network(log_mel))
        return whitened


def whitening(embeddings: Floats, *, strength: float) -> tuple[Floats, Floats]:
    """Compute the mean of embeddings and a matrix that evens out their variances.

    Parameters
    ----------
    embeddings : ndarray of float32, shape=(n, dim)
    strength : float
        0 keeps the variances, 1 makes them equal, between them each is raised to the power of 1 - `strength`.
        A floor of a thousandth of the largest keeps noise from being raised.

    Returns
    -------
    mean : ndarray of float32, shape=(dim,)
    matrix : ndarray of float32, shape=(dim, dim)
        Symmetric.
    """
    mean = embeddings.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(np.cov(embeddings.astype(np.float64), rowvar=False))
    floored = np.maximum(values, 1e-3 * values[-1])
    matrix = (vectors * floored ** (-0.5 * strength)) @ vectors.T
    return mean.astype(np.float32), matrix.astype(np.float32)


def effective_rank(x: Floats) -> float:
    """Return the exponential of the entropy of the normalised variances along principal axes (Roy 2007).

    Parameters
    ----------
    x : ndarray of float32, shape=(n, dim)

    Returns
    -------
    float
        1 if all vectors lie on a line, `dim` if they vary equally in all directions.
    """
    values = np.linalg.eigvalsh(np.cov(x.astype(np.float64), rowvar=False)).clip(1e-30)
    shares = values / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


@torch.inference_mode()
def embed_pieces(network: nn.Module, pieces: Iterable[Floats]) -> Floats:
    """Embed pieces, each of shape=(n_frames, n_mels), in batches, to shape=(n_pieces, dim)."""
    embeddings = []
    batch: list[Floats] = []
    for piece in pieces:
        batch.append(piece)
        if len(batch) == _BATCH:
            embeddings.append(network(torch.from_numpy(np.stack(batch))).numpy())
            batch = []
    if batch:
        embeddings.append(network(torch.from_numpy(np.stack(batch))).numpy())
    return np.concatenate(embeddings)


def spectrum_scale(windows: Iterable[Floats]) -> tuple[Floats, Floats]:
    """Compute mean and standard deviation of the statistics of windows, each shape=(3 * n_mels,)."""
    values = np.stack([statistics(window) for window in windows])
    return values.mean(axis=0), values.std(axis=0) + np.float32(1e-3)
