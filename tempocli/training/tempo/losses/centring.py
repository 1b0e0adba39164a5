"""Centring: keep the mean tempo, which equivariance (Quinton 2022) leaves free, at the middle of the axis."""

from __future__ import annotations

import torch
from torch import Tensor


def off_centre(logits: Tensor, *, bins_per_octave: int) -> Tensor:
    """Compute the squared distance of a batch's mean tempo from the middle of the axis, in octaves.

    Equivariance still holds if all tempi are an octave higher, so training drifts towards the end of the
    axis. With the mean held at the middle, a network that does not know the absolute tempo can only choose
    which metrical level to follow.

    Parameters
    ----------
    logits : Tensor of float32, shape=(..., n_bins)
    bins_per_octave : int
        Resolution of the tempo axis.

    Returns
    -------
    Tensor of float32, scalar
    """
    mean = torch.softmax(logits, dim=-1).flatten(0, -2).mean(dim=0)
    octaves = (torch.arange(len(mean), device=mean.device) - 0.5 * (len(mean) - 1)) / bins_per_octave
    return (mean * octaves).sum().square()
