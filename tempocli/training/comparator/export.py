"""Comparator checkpoint to ONNX, with its embedded references beside it."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

import numpy as np
import torch

from tempocli.bank import BUILT_IN, Bank, bank_key, embed_bank, references_path, write_bank
from tempocli.comparator import METADATA_VERSION, Comparator
from tempocli.encoder import NEUTRAL
from tempocli.errors import DataError
from tempocli.methods import ReferenceModel
from tempocli.references import bank_tempi
from tempocli.training.calibrate import calibrate, track_by
from tempocli.training.comparator.build import build_comparator
from tempocli.training.engine import load_checkpoint
from tempocli.training.export import disagreement, proven, refuse_difference, save, to_onnx
from tempocli.training.recipe import Recipe
from tempocli.training.tempo.network import NetworkConfig
from tempocli.training.tempo.sampler import Sampler

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.encoder import Calibration
    from tempocli.features import FrontEnd
    from tempocli.training.comparator.network import ComparatorNetwork
    from tempocli.training.comparator.task import ComparisonRecipe


def load_comparator(checkpoint: Path, recipe: ComparisonRecipe) -> ComparatorNetwork:
    """Build the network of a checkpoint with the averaged weights, ready for inference.

    Raises
    ------
    DataError
        If the checkpoint cannot be read or is of another recipe.
    """
    network = build_comparator(recipe)
    network.load_state_dict(load_checkpoint(checkpoint, recipe)["average"])
    return network.eval()


def export_comparator(
    network: ComparatorNetwork, recipe: ComparisonRecipe, data: Path, path: Path, windows: NDArray[np.float32]
) -> float:
    """Write a comparator as ONNX, checked against torch, and its references beside it.

    Parameters
    ----------
    network : ComparatorNetwork
        In evaluation mode.
    recipe : ComparisonRecipe
    data : Path
        Data folder; holds the stores that the recipe calibrates on.
    path : Path
        Written only when the check has passed.
    windows : ndarray of float32, shape=(n_windows, n_frames, n_mels)
        What to compare the two on; music.

    Returns
    -------
    float
        Largest difference between the two.

    Raises
    ------
    TempoError
        If the difference is 1e-4 or more; nothing is written.
    DataError
        If there is nothing to calibrate on.
    MissingExtraError
        If the extra ``train`` is not installed.
    """
    sampler = _calibration_sampler(recipe, data)
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
        scored = ReferenceModel(comparator, Bank(BUILT_IN, bank_tempi(), embeddings))
        calibration = calibrate(track_by({"compare": scored}, scored.encode), scored.bpms, sampler)
        save(copy.deepcopy(model), written, _metadata(recipe, sampler.front_end, calibration))
        key = bank_key(Comparator(written, device="cpu"))
    write_bank(references_path(path), key, embeddings)
    return difference


def _calibration_sampler(recipe: ComparisonRecipe, data: Path) -> Sampler:
    if not recipe.calibration:
        raise DataError("the recipe names no stores to calibrate the confidence on")
    clips = Recipe(
        recipe.name,
        recipe.calibration,
        network=NetworkConfig(n_frames=recipe.network.n_frames),
        views=recipe.augmentation,
    )
    return Sampler(data, clips)


def _metadata(recipe: ComparisonRecipe, front_end: FrontEnd, calibration: Calibration) -> dict[str, str]:
    return {
        "version": METADATA_VERSION,
        "name": recipe.name,
        "front_end": front_end.to_json(),
        "n_frames": json.dumps(recipe.network.n_frames),
        "calibration": calibration.to_json(),
        "prior": recipe.prior.to_json(),
    }


def comparator_parity(
    network: ComparatorNetwork, comparator: Comparator, windows: NDArray[np.float32]
) -> float:
    """Tell the largest difference between torch and ONNX, in both outputs, at batches of 1 and 32."""
    largest = 0.0
    for batch in (1, 32):
        some = np.resize(windows, (batch, *windows.shape[1:]))
        embedding = comparator.embed(some)
        log_odds = comparator.log_odds(embedding, embedding[: batch // 2 + 1])
        with torch.inference_mode():
            expected = network.embed(torch.from_numpy(some))
            a = torch.from_numpy(embedding)
            pairs = network.pair(a[:, None], a[None, : batch // 2 + 1])
        of_embeddings = disagreement(embedding, expected.numpy())
        largest = max(largest, of_embeddings, disagreement(log_odds, pairs.numpy()))
    return largest
