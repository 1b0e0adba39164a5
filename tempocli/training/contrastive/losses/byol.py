"""BYOL (Grill 2020): one view predicts what a slowly moving copy of the network makes of the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from tempocli.training.losses import Term

if TYPE_CHECKING:
    from torch import Tensor

    from tempocli.training.contrastive.losses.outputs import ViewOutputs
    from tempocli.training.contrastive.recipe import ContrastiveRecipe


def prediction(outputs: ViewOutputs, recipe: ContrastiveRecipe, step: int) -> Term | None:
    """Compute BYOL on a batch, if the recipe gives it a weight."""
    weight = recipe.losses.get("byol", 0.0)
    if not weight or outputs.taught is None:
        return None
    taught = outputs.taught
    value = 0.5 * (byol(taught.student_a, taught.teacher_b) + byol(taught.student_b, taught.teacher_a))
    return Term(value, weight)


def byol(predicted: Tensor, target: Tensor) -> Tensor:
    """Compute the mean squared distance of unit vectors, 2 - 2 cos.

    Parameters
    ----------
    predicted : Tensor of float32, shape=(batch, dim)
        Predictions by the network from one view.
    target : Tensor of float32, shape=(batch, dim)
        Projections of the other view by the moving average of the network; without gradient.

    Returns
    -------
    Tensor of float32, scalar
        From 0 to 4.

    References
    ----------
    Grill et al., "Bootstrap your own latent: a new approach to self-supervised learning", NeurIPS 2020; on
    music Meseguer-Brocal et al., ICASSP 2024.
    """
    return 2.0 - 2.0 * nn.functional.cosine_similarity(predicted, target.detach(), dim=1).mean()
