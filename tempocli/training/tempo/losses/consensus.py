"""Equivariant self-supervision (Quinton 2022) without labels: agreement of several views, octaves kept."""

from __future__ import annotations

import torch
from torch import Tensor

from tempocli.training.tempo.shifts import shift


def consensus(logits: Tensor, log2_rate: Tensor, *, bins_per_octave: int, sharpness: float) -> Tensor:
    """Compute the equivariance loss among several views of a recording, without folding octaves.

    The distribution of each view is shifted back by its known rate, to that of the unstretched recording, and
    compared with the sharpened mean of the other views' distributions. The target has no gradient. The loss
    has no pole, since it uses no ratio of outputs. It prevents two kinds of collapse: a constant output
    disagrees with its own shifts, and sharpening makes an output spread over several tempi unstable.

    Parameters
    ----------
    logits : Tensor of float32, shape=(n_views, batch, n_bins)
        Two views or more.
    log2_rate : Tensor of float32, shape=(n_views, batch)
    bins_per_octave : int
        Resolution of the tempo axis.
    sharpness : float
        Exponent applied to the targets.

    Returns
    -------
    Tensor of float32, scalar

    References
    ----------
    Quinton, "Equivariant self-supervision for musical tempo estimation", ISMIR 2022, introduced the task; its
    loss uses the ratio of two scalar outputs. Gagneré, Essid and Peeters, ICASSP 2024, compare shifted
    distributions, with other loss terms.
    """
    probabilities = torch.softmax(logits, dim=-1).flatten(0, 1)
    moved = shift(probabilities, -log2_rate.flatten() * bins_per_octave).reshape(logits.shape)
    with torch.no_grad():
        others = (moved.sum(dim=0, keepdim=True) - moved) ** sharpness
        target = others / (others.sum(dim=-1, keepdim=True) + 1e-12)
    return -(target * torch.log(moved + 1e-8)).sum(dim=-1).mean()
