"""Probing of an embedding: how often nearest neighbours share a property (McCallum 2024)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from tempocli.axis import TOLERANCE
from tempocli.training.data.views import stretch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tempocli.training.contrastive.network import ContrastiveNetwork
    from tempocli.training.contrastive.spectrogram import SpectrogramNetwork
    from tempocli.training.data.store import Clip, Store

_NEIGHBOURS = 5
# Rates 9 % apart. None is 1, so that all copies are interpolated and equally blurred.
_RATES = tuple(1.01 * np.exp(0.09 * np.arange(-2, 3)))
_RATE_SECONDS = 12.0


def neighbour_share(
    embeddings: NDArray[np.float32], shared: NDArray[np.bool_], allowed: NDArray[np.bool_] | None = None
) -> tuple[float, float]:
    """Return how often the five nearest neighbours share a property, and how often all pairs do.

    Parameters
    ----------
    embeddings : ndarray of float32, shape=(n, dim)
        Compared by cosine similarity.
    shared : ndarray of bool, shape=(n, n)
        Whether each pair shares the property.
    allowed : ndarray of bool, shape=(n, n), optional
        Pairs that count as neighbours; by default all. No item is its own neighbour.

    Returns
    -------
    share, chance : float
        NaN if no pair counts.
    """
    count = len(embeddings)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    pairs = ~np.eye(count, dtype=bool) if allowed is None else allowed & ~np.eye(count, dtype=bool)
    similarity = np.where(pairs, unit @ unit.T, -np.inf)
    nearest = np.argsort(-similarity, axis=1)[:, :_NEIGHBOURS]
    rows = np.arange(count)[:, None]
    counted = shared[rows, nearest][pairs[rows, nearest]]
    if not len(counted):
        return math.nan, math.nan
    return float(counted.mean()), float(shared[pairs].mean())


def tempo_pairs(bpms: NDArray[np.float64], *, folded: bool) -> NDArray[np.bool_]:
    """Return which pairs have the same tempo within 4 %; if `folded`, up to a power of two."""
    octaves = np.abs(np.log2(bpms[:, None] / bpms[None]))
    if folded:
        octaves = np.abs(octaves - np.round(octaves))
    return np.asarray(octaves <= np.log2(1.0 + TOLERANCE))


def equal_pairs(names: Sequence[str]) -> NDArray[np.bool_]:
    """Return which pairs have equal names."""
    array = np.array(names)
    return np.asarray(array[:, None] == array[None])


@torch.inference_mode()
def rate_share(
    network: ContrastiveNetwork | SpectrogramNetwork, store: Store, clips: Sequence[Clip]
) -> float:
    """Return how often an excerpt is nearest to the copy of another excerpt at the same rate.

    Parameters
    ----------
    network : ContrastiveNetwork or SpectrogramNetwork
        In evaluation mode.
    store : Store
    clips : sequence of Clip
        Clips too short for two excerpts are skipped.

    Returns
    -------
    float
        NaN if all are too short.
    """
    n_frames = network.config.n_frames
    needed = max(1, round(_RATE_SECONDS * store.front_end.frame_rate / n_frames)) * n_frames
    right = []
    for clip in clips:
        if clip.length < 2 * (needed * max(_RATES) + 2):
            continue
        frames = store.frames_of(clip)
        a, b = (_embed_rates(network, frames, start, needed) for start in (0.0, clip.length / 2.0))
        right += ((a @ b.T).argmax(dim=1) == torch.arange(len(_RATES))).tolist()
    return float(np.mean(right)) if right else math.nan


def _embed_rates(
    network: ContrastiveNetwork | SpectrogramNetwork, frames: NDArray[np.float16], start: float, needed: int
) -> Tensor:
    copies = np.stack([stretch(frames, start=start, rate=float(rate), n_frames=needed) for rate in _RATES])
    windows = torch.from_numpy(copies.reshape(-1, network.config.n_frames, frames.shape[1]))
    return normalize(network(windows).reshape(len(_RATES), -1, network.config.embedding_dim).mean(dim=1))
