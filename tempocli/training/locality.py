"""What an embedding holds: how often nearest neighbours share tempo, style or package (S4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from tempocli.training.contrastive import KEPT_OUT_SHARE
from tempocli.training.sampling import is_kept_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tempocli.training.contrastive import ContrastiveNetwork
    from tempocli.training.store import Clip, Store

_NEIGHBOURS = 5
_TOLERANCE = 0.04
_MAX_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class Locality:
    """Shares of neighbours, from 0 to 1, and what chance alone would give.

    Attributes
    ----------
    tempo, folded : float
        Within 4 %, and within 4 % of it or of it times a power of two.
    tempo_elsewhere : float
        Within 4 %, among neighbours of another style: styles have their tempi, which would answer for it.
    style : float
        Of one style.
    group : float
        Of one package.
    """

    tempo: float
    folded: float
    tempo_elsewhere: float
    style: float
    group: float


def neighbour_share(
    embeddings: NDArray[np.float32], shared: NDArray[np.bool_], allowed: NDArray[np.bool_] | None = None
) -> tuple[float, float]:
    """Tell how often the nearest five neighbours share something, and how often any others do.

    Parameters
    ----------
    embeddings : ndarray of float32, shape=(n, dim)
        Compared by cosine.
    shared : ndarray of bool, shape=(n, n)
        What pairs share.
    allowed : ndarray of bool, shape=(n, n), optional
        Pairs that count as neighbours; by default all. Nothing is its own neighbour.

    Returns
    -------
    share, chance : float
        NaN when there are no neighbours that count.
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
    """Tell which pairs share a tempo within 4 %, or, folded, up to a power of two."""
    octaves = np.abs(np.log2(bpms[:, None] / bpms[None]))
    if folded:
        octaves = np.abs(octaves - np.round(octaves))
    return np.asarray(octaves <= np.log2(1.0 + _TOLERANCE))


def equal_pairs(names: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which pairs have one name."""
    array = np.array(names)
    return np.asarray(array[:, None] == array[None])


def measure(
    network: ContrastiveNetwork, labelled: Store, unlabelled: Store, *, clips: int = 800
) -> tuple[Locality, Locality]:
    """Measure an encoder on music it was not trained on.

    Parameters
    ----------
    network : ContrastiveNetwork
        In evaluation mode.
    labelled : Store
        Clips of known tempo and style; the encoder was trained on none of them.
    unlabelled : Store
        Its packages that were kept out of the training are used.
    clips : int
        Of the labelled store, at the most.

    Returns
    -------
    found, chance : Locality
    """
    known = [clip for clip in labelled.clips if clip.bpm is not None][:clips]
    embeddings = embed_clips(network, labelled, known)
    bpms = np.array([clip.bpm for clip in known], np.float64)
    style = equal_pairs([clip.style for clip in known])
    kept_out = [clip for clip in unlabelled.clips if is_kept_out(clip, KEPT_OUT_SHARE)]
    pairs = [
        neighbour_share(embeddings, tempo_pairs(bpms, folded=False)),
        neighbour_share(embeddings, tempo_pairs(bpms, folded=True)),
        neighbour_share(embeddings, tempo_pairs(bpms, folded=False), ~style),
        neighbour_share(embeddings, style),
        neighbour_share(
            embed_clips(network, unlabelled, kept_out), equal_pairs([clip.group for clip in kept_out])
        ),
    ]
    return Locality(*(found for found, _ in pairs)), Locality(*(chance for _, chance in pairs))


@torch.inference_mode()
def embed_clips(network: ContrastiveNetwork, store: Store, clips: list[Clip]) -> NDArray[np.float32]:
    """Embed clips: the mean of the embeddings of their windows, shape=(n_clips, embedding_dim)."""
    n_frames = network.config.n_frames
    reach = int(_MAX_SECONDS * store.front_end.frame_rate)
    means = []
    for clip in clips:
        frames = np.asarray(store.frames[clip.start : clip.start + min(clip.length, reach)], np.float32)
        whole = max(1, len(frames) // n_frames)
        windows = np.resize(frames, (whole * n_frames, frames.shape[1])).reshape(whole, n_frames, -1)
        means.append(network(torch.from_numpy(windows)).mean(dim=0).numpy())
    return np.stack(means)
