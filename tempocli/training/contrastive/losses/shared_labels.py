"""NT-Xent with positives by shared labels beside the track's own (Guinot 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tempocli.errors import DataError
from tempocli.training.losses import Term

if TYPE_CHECKING:
    from tempocli.training.contrastive.losses.outputs import ViewOutputs
    from tempocli.training.contrastive.recipe import ContrastiveRecipe


def same_labels(outputs: ViewOutputs, recipe: ContrastiveRecipe, step: int) -> Term | None:
    """Compute the semi-supervised loss on a batch, unless the recipe gives it no weight."""
    weight = recipe.losses.get("same_labels", 0.0)
    if not weight:
        return None
    if outputs.agreement is None:
        raise DataError(f"the recipe {recipe.name} has the loss same_labels, but names no labels")
    value = shared_labels(outputs.a, outputs.b, outputs.agreement, temperature=recipe.temperature)
    return Term(value, weight)


def shared_labels(a: Tensor, b: Tensor, agreement: Tensor, *, temperature: float) -> Tensor:
    """Compute NT-Xent with several positives, each weighted by how far the labels agree.

    Without any agreement it is NT-Xent.

    Parameters
    ----------
    a, b : Tensor of float32, shape=(batch, dim)
        Projections of the two views.
    agreement : Tensor of float32, shape=(2 * batch, 2 * batch)
        How far the labels of two views agree, 0 to 1, those of `a` before those of `b`. The two views of a
        track are positives with weight 1, whatever it says; a view is never its own positive.
    temperature : float

    Returns
    -------
    Tensor of float32, scalar

    Raises
    ------
    ValueError
        If the shapes do not match.

    References
    ----------
    Guinot et al., "Semi-supervised contrastive learning of musical representations", ISMIR 2024; Khosla et
    al., "Supervised contrastive learning", NeurIPS 2020.
    """
    views = nn.functional.normalize(torch.cat([a, b]), dim=1)
    n = len(views)
    if a.shape != b.shape or agreement.shape != (n, n):
        raise ValueError(f"shapes {tuple(a.shape)}, {tuple(b.shape)}, {tuple(agreement.shape)} do not match")
    itself = torch.eye(n, dtype=torch.bool, device=views.device)
    similarity = (views @ views.T / temperature).masked_fill(itself, float("-inf"))
    log_probability = similarity.log_softmax(dim=1).masked_fill(itself, 0.0)
    positive = agreement.masked_fill(itself.roll(len(a), dims=1), 1.0).masked_fill(itself, 0.0)
    return -((positive * log_probability).sum(dim=1) / positive.sum(dim=1)).mean()
