"""The loss on tempi an octave apart and their direction: an addition to Henkel 2024."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from tempocli.training.comparator.pairs import pair_masks
from tempocli.training.losses import Term

if TYPE_CHECKING:
    from tempocli.training.comparator.losses.outputs import PairOutputs
    from tempocli.training.comparator.recipe import ComparisonRecipe

_OCTAVE = math.log(2.0)


def octave_ratio(outputs: PairOutputs, recipe: ComparisonRecipe, step: int) -> Term | None:
    """Compute the loss on pairs of different tempi, or return ``None`` if its weight is 0."""
    if recipe.ratio <= 0.0:
        return None
    octave, faster = outputs.network.ratio(outputs.a, outputs.b)
    value = ratio_loss(octave, faster, outputs.log_rates, same=recipe.same, different=recipe.different)
    return Term(value, recipe.ratio)


def ratio_loss(octave: Tensor, faster: Tensor, log_rates: Tensor, *, same: float, different: float) -> Tensor:
    """Compute the binary cross-entropy of octave or not, for pairs of different tempi, and of its direction.

    Parameters
    ----------
    octave, faster : Tensor of float32, shape=(tracks, views, views)
        Log-odds; see `tempocli.training.comparator.network.RatioHead`.
    log_rates : Tensor of float32, shape=(tracks, views)
    same, different : float
        See `tempocli.training.comparator.recipe.ComparisonRecipe`.

    Returns
    -------
    Tensor of float32, scalar
        0 if no pair is an octave apart.
    """
    _, unlike = pair_masks(log_rates, same=same, different=different)
    upwards = log_rates[:, None, :] - log_rates[:, :, None]
    apart = unlike & ((torch.abs(upwards) - _OCTAVE).abs() <= same)
    if not apart.any():
        return octave.sum() * 0.0
    positive = binary_cross_entropy_with_logits(octave[apart], torch.ones_like(octave[apart]))
    others = octave[unlike & ~apart]
    negative = binary_cross_entropy_with_logits(others, torch.zeros_like(others))
    way = binary_cross_entropy_with_logits(faster[apart], (upwards[apart] > 0).float())
    return (positive + negative + way) / 3.0
