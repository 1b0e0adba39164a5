"""Equivariant self-supervision (Quinton 2022) without labels: several views must agree, unfolded."""

from __future__ import annotations

import torch
from torch import Tensor

from tempocli.training.tempo.shifts import shift


def consensus(logits: Tensor, log2_rate: Tensor, *, bins_per_octave: int, sharpness: float) -> Tensor:
    """Return the loss of equivariance among several views of a recording, octaves not folded.

    The distribution of each view is shifted back by its known rate, to where that of the unstretched
    recording would be, and is there compared with the sharpened mean of the other views'. The target has no
    gradient, and there is no ratio of outputs, hence no pole. A constant answer disagrees with its own
    shifts, and sharpening makes an answer that is spread over several tempi unstable: neither collapse is
    at rest.

    Parameters
    ----------
    logits : Tensor of float32, shape=(n_views, batch, n_bins)
        Two views or more.
    log2_rate : Tensor of float32, shape=(n_views, batch)
    bins_per_octave : int
        Resolution of the tempo axis.
    sharpness : float
        Power to which targets are raised.

    Returns
    -------
    Tensor of float32, scalar

    References
    ----------
    Quinton, "Equivariant self-supervision for musical tempo estimation", ISMIR 2022: the task; his loss is on
    the ratio of two scalar outputs. Comparing shifted distributions is how Gagneré, Essid and Peeters, ICASSP
    2024, do it, with other terms.
    """
    probabilities = torch.softmax(logits, dim=-1).flatten(0, 1)
    moved = shift(probabilities, -log2_rate.flatten() * bins_per_octave).reshape(logits.shape)
    with torch.no_grad():
        others = (moved.sum(dim=0, keepdim=True) - moved) ** sharpness
        target = others / (others.sum(dim=-1, keepdim=True) + 1e-12)
    return -(target * torch.log(moved + 1e-8)).sum(dim=-1).mean()
