"""Construction of a recipe's comparator, with its encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.errors import DataError
from tempocli.training.checkpoint import CHECKPOINT, load_network
from tempocli.training.comparator.inputs import (
    ComparatorInput,
    ContrastiveInput,
    EquivariantInput,
    LearnedInput,
    SpectrumInput,
)
from tempocli.training.comparator.network import ComparatorNetwork
from tempocli.training.contrastive.network import ContrastiveNetwork
from tempocli.training.contrastive.recipe import ContrastiveRecipe
from tempocli.training.recipe import find_recipe, read_recipe
from tempocli.training.tempo.network import TempoNetwork
from tempocli.training.tempo.recipe import TempoRecipe

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli.training.comparator.recipe import ComparisonRecipe


def build_comparator(recipe: ComparisonRecipe, encoder: Path | None = None) -> ComparatorNetwork:
    """Build the network of a recipe.

    Parameters
    ----------
    recipe : ComparisonRecipe
    encoder : Path, optional
        Run folder of the recipe's encoder. Without it the encoder has random weights; a checkpoint of the
        comparator contains the encoder's weights and replaces them.

    Raises
    ------
    DataError
        If the encoder cannot be read, was made with another recipe, or is not suitable as an input.
    """
    return ComparatorNetwork(recipe.network, _source(recipe, encoder), ratios=recipe.ratio > 0.0)


def _source(recipe: ComparisonRecipe, run: Path | None) -> ComparatorInput:
    if recipe.input == "modulation":
        return SpectrumInput(recipe.network)
    if recipe.input == "learned":
        return LearnedInput(recipe.network)
    if recipe.input == "contrastive":
        return ContrastiveInput(_contrastive(recipe.encoder, run), recipe.network)
    return EquivariantInput(_equivariant(recipe.encoder, run))


def _contrastive(name: str, run: Path | None) -> ContrastiveNetwork:
    recipe = read_recipe(find_recipe(name), ContrastiveRecipe)
    network = ContrastiveNetwork(recipe.network)
    return load_network(network, run / CHECKPOINT, recipe) if run else network


def _equivariant(name: str, run: Path | None) -> TempoNetwork:
    recipe = read_recipe(find_recipe(name), TempoRecipe)
    if recipe.network.context or recipe.network.n_activations:
        raise DataError(f"{name}: not a network that works alike along all of the tempo axis")
    network = TempoNetwork(recipe.network)
    return load_network(network, run / CHECKPOINT, recipe) if run else network
