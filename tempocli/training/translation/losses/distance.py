"""The distance of moved vectors from those of the stretched music (McCallum 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tempocli.training.losses import Term

if TYPE_CHECKING:
    from tempocli.training.translation.losses.outputs import MovedOutputs
    from tempocli.training.translation.recipe import TranslationRecipe


def distance(outputs: MovedOutputs, recipe: TranslationRecipe, step: int) -> Term:
    """Compute the mean squared error plus one less the cosine, as a mean over the parts."""
    terms = [
        torch.mean((moved - wanted) ** 2) + 1.0 - torch.mean((moved * wanted).sum(dim=1))
        for moved, wanted in zip(outputs.moved, outputs.wanted, strict=True)
    ]
    return Term(torch.stack(terms).mean(), 1.0)
