"""A recipe's comparator, with the encoder that it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.errors import DataError
from tempocli.training.comparator.inputs import (
    ComparatorInput,
    ContrastiveInput,
    EquivariantInput,
    LearnedInput,
    SpectrumInput,
)
from tempocli.training.comparator.network import ComparatorNetwork
from tempocli.training.contrastive.export import load_contrastive
from tempocli.training.contrastive.task import ContrastiveNetwork, load_contrastive_recipe
from tempocli.training.engine import CHECKPOINT
from tempocli.training.export import load_network
from tempocli.training.recipe import find_recipe, load_recipe
from tempocli.training.tempo.network import TempoNetwork

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli.training.comparator.task import ComparisonRecipe


def build_comparator(recipe: ComparisonRecipe, encoder: Path | None = None) -> ComparatorNetwork:
    """Build the network of a recipe.

    Parameters
    ----------
    recipe : ComparisonRecipe
    encoder : Path, optional
        Folder of the run of the recipe's encoder. Without it the encoder has random weights, which a
        checkpoint of the comparator replaces, since it holds the encoder's too.

    Raises
    ------
    DataError
        If the encoder cannot be read, is of another recipe than the one named, or is none to read from.
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
    recipe = load_contrastive_recipe(find_recipe(name, "contrastive"))
    return load_contrastive(run / CHECKPOINT, recipe) if run else ContrastiveNetwork(recipe.network)


def _equivariant(name: str, run: Path | None) -> TempoNetwork:
    recipe = load_recipe(find_recipe(name))
    if recipe.network.context or recipe.network.n_activations:
        raise DataError(f"{name}: not a network that works alike along all of the tempo axis")
    return load_network(run / CHECKPOINT, recipe) if run else TempoNetwork(recipe.network)
