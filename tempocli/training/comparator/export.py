"""Export of a comparator to ONNX, with its reference embeddings in a file beside it."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

import numpy as np
import torch

from tempocli.errors import DataError
from tempocli.inference.calibration import NEUTRAL
from tempocli.inference.comparator import Comparator
from tempocli.inference.methods import ReferenceModel
from tempocli.inference.references.bank import (
    BUILT_IN,
    Bank,
    bank_key,
    embed_bank,
    references_path,
    write_bank,
)
from tempocli.inference.references.patterns import AXIS
from tempocli.inference.spec import FORMATS
from tempocli.training.calibrate import calibrate, track_by
from tempocli.training.comparator.sampler import PairSampler
from tempocli.training.export import in_torch, parity, proven, refuse_difference, save, to_onnx
from tempocli.training.tempo.network import NetworkConfig
from tempocli.training.tempo.recipe import TempoRecipe
from tempocli.training.tempo.sampler import TempoSampler

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.features.front_end import FrontEnd
    from tempocli.inference.calibration import Calibration
    from tempocli.training.comparator.network import ComparatorNetwork
    from tempocli.training.comparator.recipe import ComparisonRecipe


def export_comparator(network: ComparatorNetwork, recipe: ComparisonRecipe, data: Path, path: Path) -> float:
    """Export a comparator to ONNX, verify it against torch, and write its reference embeddings beside it.

    Parameters
    ----------
    network : ComparatorNetwork
        In evaluation mode.
    recipe : ComparisonRecipe
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
    DataError
        If the recipe names no stores for the calibration.
    MissingExtraError
        If the extra ``train`` is not installed.
    """
    sampler = _calibration_sampler(recipe, data)
    windows = PairSampler(data, recipe).music(32)
    config = network.config
    inputs = {
        "log_mel": torch.zeros(2, config.n_frames, config.n_mels),
        "a": torch.zeros(3, config.embedding_dim),
        "b": torch.zeros(4, config.embedding_dim),
    }
    varying = {"log_mel": "windows", "a": "n_a", "b": "n_b"}
    model = to_onnx(network, inputs, varying, ["embedding", "log_odds"])
    with proven(path) as written:
        save(model, written, _metadata(recipe, sampler.front_end, NEUTRAL))
        comparator = Comparator(written, device="cpu")
        difference = comparator_parity(network, comparator, windows)
        refuse_difference(difference)
        embeddings = embed_bank(comparator)
        scored = ReferenceModel(comparator, Bank(BUILT_IN, AXIS, embeddings))
        calibration = calibrate(track_by(scored.spec, scored.encode), scored.spec.axis, sampler)
        save(copy.deepcopy(model), written, _metadata(recipe, sampler.front_end, calibration))
        key = bank_key(Comparator(written, device="cpu"))
    write_bank(references_path(path), key, embeddings)
    return difference


def _calibration_sampler(recipe: ComparisonRecipe, data: Path) -> TempoSampler:
    if not recipe.calibration:
        raise DataError("the recipe names no stores to calibrate the confidence on")
    clips = TempoRecipe(
        name=recipe.name,
        mix=recipe.calibration,
        held_out=recipe.held_out,
        network=NetworkConfig(n_frames=recipe.network.n_frames),
        views=recipe.augmentation,
    )
    return TempoSampler(data, clips)


def _metadata(recipe: ComparisonRecipe, front_end: FrontEnd, calibration: Calibration) -> dict[str, str]:
    return {
        "version": FORMATS["comparator"],
        "name": recipe.name,
        "model_version": recipe.version,
        "front_end": front_end.to_json(),
        "n_frames": json.dumps(recipe.network.n_frames),
        "calibration": calibration.to_json(),
        "prior": recipe.prior.to_json(),
    }


def comparator_parity(
    network: ComparatorNetwork, comparator: Comparator, windows: NDArray[np.float32]
) -> float:
    """Return the largest difference between torch and ONNX over both outputs."""
    of_embeddings = parity(lambda some: (comparator.embed(some),), in_torch(network.embed), windows)
    of_pairs = parity(
        lambda some: (comparator.log_odds(some, some[: len(some) // 2 + 1]),),
        in_torch(lambda some: network.pair(some[:, None], some[None, : len(some) // 2 + 1])),
        comparator.embed(windows),
    )
    return float(np.maximum(of_embeddings, of_pairs))
