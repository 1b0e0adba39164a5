"""Centring: keeps the mean tempo, which equivariance (Quinton 2022) leaves free, at the middle."""

from __future__ import annotations

import torch
from torch import Tensor


def off_centre(logits: Tensor, *, bins_per_octave: int) -> Tensor:
    """Return how far a batch's mean tempo is from the middle of the axis, squared, in octaves.

    Equivariance holds as well an octave higher for all music, and training drifts there, until the end of
    the axis cuts it off. Held at the middle on average, a network that does not know the absolute tempo can
    only choose which metrical level to follow.

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
