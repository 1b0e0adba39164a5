"""Construction of a contrastive encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from tempocli.errors import DataError
from tempocli.training.contrastive.labels import n_targets
from tempocli.training.contrastive.network import ContrastiveNetwork
from tempocli.training.contrastive.spectrogram import SpectrogramNetwork
from tempocli.training.contrastive.teacher import Teacher

if TYPE_CHECKING:
    from tempocli.training.contrastive.network import ContrastiveConfig
    from tempocli.training.contrastive.recipe import ContrastiveRecipe

_BACKBONES: dict[str, type[ContrastiveNetwork | SpectrogramNetwork]] = {
    "time": ContrastiveNetwork,
    "spectrogram": SpectrogramNetwork,
}


def build_encoder(config: ContrastiveConfig) -> ContrastiveNetwork | SpectrogramNetwork:
    """Build an encoder with initial weights.

    Raises
    ------
    DataError
        If there is no such backbone.
    """
    if config.backbone not in _BACKBONES:
        raise DataError(f"backbone {config.backbone!r} is none of {', '.join(_BACKBONES)}")
    return _BACKBONES[config.backbone](config)


def build_learner(recipe: ContrastiveRecipe) -> ContrastiveNetwork | SpectrogramNetwork:
    """Build an encoder with initial weights and what its losses need beside it.

    The parts are ``teacher`` for BYOL and clustering, and ``predictor`` for the supervised loss.

    Raises
    ------
    DataError
        If there is no such backbone, or two losses need a teacher.
    """
    encoder = build_encoder(recipe.network)
    taught = [name for name in ("byol", "clustering") if recipe.losses.get(name)]
    if len(taught) > 1:
        raise DataError(f"the recipe {recipe.name} has two losses with a teacher: {' and '.join(taught)}")
    if taught:
        encoder.teacher = Teacher(encoder, n_clusters=recipe.clusters if taught == ["clustering"] else 0)
    if recipe.losses.get("predicted_labels") and recipe.labels:
        encoder.predictor = nn.Linear(recipe.network.embedding_dim, n_targets(recipe.labels))
    return encoder
