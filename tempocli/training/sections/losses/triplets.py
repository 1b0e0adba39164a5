"""Triplets of time proximity: what is near in time is more alike than what is far (McCallum 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tempocli.training.losses import Term

if TYPE_CHECKING:
    from tempocli.training.sections.losses.outputs import TripletOutputs
    from tempocli.training.sections.recipe import SectionRecipe


def triplets(outputs: TripletOutputs, recipe: SectionRecipe, step: int) -> Term:
    """Compute the mean of how far each negative is from being farther than the positive by the margin.

    Each member learns on its own.
    """
    near = (outputs.anchors - outputs.positives).square().sum(dim=-1)
    far = (outputs.anchors - outputs.negatives).square().sum(dim=-1)
    return Term(torch.relu(near - far + recipe.margin).mean(), recipe.losses.get("triplets", 1.0))
