"""Same tempo or not: the loss of tempo comparison (Henkel 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from tempocli.training.comparator.pairs import pair_masks
from tempocli.training.losses import Term

if TYPE_CHECKING:
    from tempocli.training.comparator.losses.outputs import PairOutputs
    from tempocli.training.comparator.recipe import ComparisonRecipe


def same_tempo(outputs: PairOutputs, recipe: ComparisonRecipe, step: int) -> Term:
    """Compute the loss on all pairs."""
    log_odds = outputs.network.pair(outputs.a, outputs.b)
    return Term(pair_loss(log_odds, outputs.log_rates, same=recipe.same, different=recipe.different), 1.0)


def pair_loss(log_odds: Tensor, log_rates: Tensor, *, same: float, different: float) -> Tensor:
    """Compute the binary cross-entropy of same or different, with equal weight for the two kinds of pairs.

    Parameters
    ----------
    log_odds : Tensor of float32, shape=(tracks, views, views)
    log_rates : Tensor of float32, shape=(tracks, views)
    same, different : float
        See `tempocli.training.comparator.recipe.ComparisonRecipe`.

    Returns
    -------
    Tensor of float32, scalar

    References
    ----------
    Henkel et al., "Tempo estimation as fully self-supervised binary classification", ICASSP 2024.
    """
    alike, unlike = pair_masks(log_rates, same=same, different=different)
    positive = binary_cross_entropy_with_logits(log_odds[alike], torch.ones_like(log_odds[alike]))
    negative = binary_cross_entropy_with_logits(log_odds[unlike], torch.zeros_like(log_odds[unlike]))
    return 0.5 * (positive + negative)
