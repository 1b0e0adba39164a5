"""Equivariant self-supervision (Quinton 2022), with the form and weight set by the recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.training.losses import Term
from tempocli.training.tempo.losses.centring import off_centre
from tempocli.training.tempo.losses.consensus import consensus
from tempocli.training.tempo.losses.equivariance import equivariance

if TYPE_CHECKING:
    from tempocli.training.tempo.losses.outputs import TempoOutputs
    from tempocli.training.tempo.recipe import TempoRecipe


def self_supervision(outputs: TempoOutputs, recipe: TempoRecipe, step: int) -> Term | None:
    """Compute the loss on the views: folded to an octave with labels, not folded without labels."""
    views, log2_rate = outputs.views, outputs.log2_rate
    if not len(views) or not recipe.equivariance:
        return None
    bins, sharpness = recipe.network.bins_per_octave, recipe.sharpness
    if recipe.mix:
        value = equivariance(
            views[0], views[1], log2_rate[1] - log2_rate[0], bins_per_octave=bins, sharpness=sharpness
        )
    else:
        value = consensus(views, log2_rate, bins_per_octave=bins, sharpness=sharpness)
        value = value + recipe.centring * off_centre(views, bins_per_octave=bins)
    return Term(value, recipe.equivariance if step >= recipe.equivariance_start else 0.0)
