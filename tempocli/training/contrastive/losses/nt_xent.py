"""NT-Xent, the contrastive loss of SimCLR (Chen 2020), used on music by McCallum 2022."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tempocli.training.losses import Term

if TYPE_CHECKING:
    from tempocli.training.contrastive.losses.outputs import ViewOutputs
    from tempocli.training.contrastive.recipe import ContrastiveRecipe


def same_track(outputs: ViewOutputs, recipe: ContrastiveRecipe, step: int) -> Term | None:
    """Compute NT-Xent on a batch, unless the recipe gives it no weight."""
    weight = recipe.losses.get("same_track", 1.0)
    if not weight:
        return None
    return Term(nt_xent(outputs.a, outputs.b, temperature=recipe.temperature), weight)


def nt_xent(a: Tensor, b: Tensor, *, temperature: float) -> Tensor:
    """Compute NT-Xent: each row of `a` is classified as its row of `b` among all other rows, and vice versa.

    Parameters
    ----------
    a, b : Tensor of float32, shape=(batch, dim)
        Projections of the two views.
    temperature : float

    Returns
    -------
    Tensor of float32, scalar

    References
    ----------
    Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020; in music
    McCallum et al., ISMIR 2022.
    """
    views = nn.functional.normalize(torch.cat([a, b]), dim=1)
    similarity = views @ views.T / temperature
    similarity.fill_diagonal_(float("-inf"))
    target = torch.arange(len(views), device=views.device).roll(len(a))
    return nn.functional.cross_entropy(similarity, target)
