"""Construction of a translation for the vectors of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.inference.music import MusicEncoder
from tempocli.training.translation.network import TranslationNetwork

if TYPE_CHECKING:
    from tempocli.training.translation.recipe import TranslationRecipe


def build_translation(recipe: TranslationRecipe) -> TranslationNetwork:
    """Build the network of a recipe, with initial weights.

    Raises
    ------
    ModelError
        If the model whose vectors are moved is unknown or damaged.
    """
    dims = {part.name: part.dim for part in MusicEncoder(recipe.model, device="cpu").spec.parts}
    return TranslationNetwork([dims[name] for name in recipe.parts], recipe.width)
