"""Pairs of windows of one track: which have the same tempo, and which do not."""

from __future__ import annotations

import torch
from torch import Tensor


def pair_masks(log_rates: Tensor, *, same: float, different: float) -> tuple[Tensor, Tensor]:
    """Return the masks of pairs of the same tempo and of different tempi; other pairs are ignored.

    Parameters
    ----------
    log_rates : Tensor of float32, shape=(tracks, views)
    same, different : float
        See `tempocli.training.comparator.recipe.ComparisonRecipe`.

    Returns
    -------
    alike, unlike : Tensor of bool, shape=(tracks, views, views)
    """
    distance = torch.abs(log_rates[:, :, None] - log_rates[:, None, :])
    # A window is not paired with itself, and no pair is counted twice.
    upper = torch.ones_like(distance, dtype=torch.bool).triu(diagonal=1)
    return upper & (distance <= same), upper & (distance >= different)
