"""Export of a translation to ONNX."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import torch

from tempocli.inference.session.runtime import open_session
from tempocli.training.export import parity, proven, refuse_difference, save, to_onnx
from tempocli.training.translation.task import VectorSampler

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.training.translation.network import TranslationNetwork
    from tempocli.training.translation.recipe import TranslationRecipe

    Floats = NDArray[np.float32]

_FORMAT = "translation-1"


def export_translation(
    network: TranslationNetwork, recipe: TranslationRecipe, data: Path, path: Path
) -> float:
    """Export a translation to ONNX (``vector`` and ``rate`` to ``moved``) and verify it against torch.

    Parameters and errors are those of `tempocli.training.contrastive.export.export_contrastive`.
    """
    sampler = VectorSampler(data, recipe)
    dim = sum(network.dims)
    examples = {"vector": torch.ones(2, dim), "rate": torch.ones(2, 1)}
    model = to_onnx(network, examples, {"vector": "tracks", "rate": "tracks"}, ["moved"])
    metadata = {
        "version": _FORMAT,
        "name": recipe.name,
        "model_version": recipe.version,
        "parts": json.dumps(recipe.parts),
        "embedding": json.dumps(sampler.spec.record()),
    }
    vectors, _, rates = sampler.validation()
    with proven(path) as partial:
        save(model, partial, metadata)
        session = open_session(partial, "cpu", 1)

        def ours(joined: Floats) -> tuple[Floats, ...]:
            inputs = {"vector": joined[:, :dim].copy(), "rate": joined[:, dim:].copy()}
            return tuple(session.run({"moved": (len(joined), dim)}, inputs))

        @torch.inference_mode()
        def theirs(joined: Floats) -> tuple[Floats, ...]:
            moved = network(torch.from_numpy(joined[:, :dim]), torch.from_numpy(joined[:, dim:]))
            return (moved.numpy(),)

        difference = parity(ours, theirs, np.concatenate([vectors, rates], axis=1))
        refuse_difference(difference)
    return difference
