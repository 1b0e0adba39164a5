"""Soft cross-entropy on known tempi: tempo estimation as classification (Schreiber and Müller 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tempocli.training.losses import Term

if TYPE_CHECKING:
    from tempocli.training.tempo.losses.outputs import TempoOutputs
    from tempocli.training.tempo.recipe import TempoRecipe


def supervised(outputs: TempoOutputs, recipe: TempoRecipe, step: int) -> Term | None:
    """Compute the soft cross-entropy of the labelled windows."""
    if not len(outputs.labelled):
        return None
    config = recipe.network
    target = soft_targets(
        outputs.bpm,
        min_bpm=config.min_bpm,
        bins_per_octave=config.bins_per_octave,
        n_bins=config.n_bins,
        width=recipe.target_width,
    )
    return Term(cross_entropy(outputs.labelled, target), 1.0)


def soft_targets(bpm: Tensor, *, min_bpm: float, bins_per_octave: int, n_bins: int, width: float) -> Tensor:
    """Return known tempi as Gaussians over the bins; an unknown tempo (NaN) as a uniform distribution.

    Parameters
    ----------
    bpm : Tensor of float32, shape=(batch,)
        In BPM.
    min_bpm : float
        Tempo of the first bin, in BPM.
    bins_per_octave, n_bins : int
        The tempo axis.
    width : float
        Standard deviation, in bins.

    Returns
    -------
    Tensor of float32, shape=(batch, n_bins)
        Rows sum to 1.
    """
    place = torch.log2(bpm / min_bpm) * bins_per_octave
    distance = torch.arange(n_bins, device=bpm.device)[None, :] - place[:, None]
    target = torch.exp(-0.5 * (distance / width) ** 2) + 1e-12
    target = target / target.sum(dim=1, keepdim=True)
    return torch.where(torch.isnan(bpm)[:, None], torch.full_like(target, 1.0 / n_bins), target)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Compute the soft cross-entropy, averaged over the batch.

    Parameters
    ----------
    logits, target : Tensor of float32, shape=(batch, n_bins)
        Rows of `target` sum to 1.

    Returns
    -------
    Tensor of float32, scalar

    References
    ----------
    Schreiber and Müller, "A single-step approach to musical tempo estimation using a convolutional neural
    network", ISMIR 2018.
    """
    return -(target * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()
