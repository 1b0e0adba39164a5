"""Cross-entropy of the activations of beats and of downbeats (Böck and Davies 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from tempocli.training.losses import Term

if TYPE_CHECKING:
    from tempocli.training.beats.losses import BeatOutputs
    from tempocli.training.beats.recipe import BeatRecipe


def beats(outputs: BeatOutputs, recipe: BeatRecipe, step: int) -> Term:
    """Compute the binary cross-entropy of the beats."""
    return _entropy(outputs, 0, recipe.losses.get("beats", 1.0))


def downbeats(outputs: BeatOutputs, recipe: BeatRecipe, step: int) -> Term:
    """Compute the binary cross-entropy of the downbeats, over the windows whose bars are known."""
    return _entropy(outputs, 1, recipe.losses.get("downbeats", 1.0))


def _entropy(outputs: BeatOutputs, output: int, weight: float) -> Term:
    entropy = nn.functional.binary_cross_entropy_with_logits(
        outputs.logits[..., output], outputs.targets[..., output], reduction="none"
    )
    known = outputs.known[..., output]
    return Term((entropy * known).mean() / known.mean().clamp(min=1e-3), weight)
