"""Export of a contrastive encoder to ONNX."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch

from tempocli.inference.session.runtime import open_session
from tempocli.training.contrastive.sampler import ExcerptSampler
from tempocli.training.export import in_torch, parity, proven, refuse_difference, save, to_onnx

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tempocli.training.contrastive.network import ContrastiveNetwork
    from tempocli.training.contrastive.recipe import ContrastiveRecipe


def export_contrastive(
    network: ContrastiveNetwork, recipe: ContrastiveRecipe, data: Path, path: Path
) -> float:
    """Export a contrastive encoder to ONNX (``log_mel`` to ``embedding``) and verify it against torch.

    Parameters
    ----------
    network : ContrastiveNetwork
        In evaluation mode.
    recipe : ContrastiveRecipe
    data : Path
        Data folder with the stores that the recipe names.
    path : Path
        Written only if the check passes.

    Returns
    -------
    float
        Largest difference from torch.

    Raises
    ------
    TempoError
        If the difference is 1e-4 or more; nothing is written.
    MissingExtraError
        If the extra ``train`` is not installed.
    """
    sampler = ExcerptSampler(data, recipe)
    config = network.config
    example = torch.zeros(2, config.n_frames, config.n_mels)
    model = to_onnx(network, {"log_mel": example}, {"log_mel": "windows"}, ["embedding"])
    metadata = {
        "version": "contrastive-1",
        "name": recipe.name,
        "model_version": recipe.version,
        "front_end": sampler.front_end.to_json(),
        "n_frames": json.dumps(config.n_frames),
    }
    with proven(path) as partial:
        save(model, partial, metadata)
        difference = parity(_run(partial), in_torch(network), sampler.validation()[0])
        refuse_difference(difference)
    return difference


def _run(path: Path) -> Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], ...]]:
    session = open_session(path, "cpu", 1)
    width = session.width("embedding")

    def run(windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        return tuple(session.run({"embedding": (len(windows), width)}, {"log_mel": windows}))

    return run
