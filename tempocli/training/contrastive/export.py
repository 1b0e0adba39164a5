"""Contrastive checkpoint to ONNX."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import torch

from tempocli.runtime import open_session
from tempocli.training.contrastive.task import ContrastiveNetwork
from tempocli.training.engine import load_checkpoint
from tempocli.training.export import disagreement, proven, refuse_difference, save, to_onnx

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.features import FrontEnd
    from tempocli.training.contrastive.task import ContrastiveRecipe


def load_contrastive(checkpoint: Path, recipe: ContrastiveRecipe) -> ContrastiveNetwork:
    """Build the network of a checkpoint with the averaged weights, ready for inference.

    Raises
    ------
    DataError
        If the checkpoint cannot be read or is of another recipe.
    """
    network = ContrastiveNetwork(recipe.network)
    network.load_state_dict(load_checkpoint(checkpoint, recipe)["average"])
    return network.eval()


def export_contrastive(
    network: ContrastiveNetwork, name: str, path: Path, front_end: FrontEnd, windows: NDArray[np.float32]
) -> float:
    """Write a contrastive encoder as ONNX (``log_mel`` to ``embedding``), checked against torch.

    Parameters
    ----------
    network : ContrastiveNetwork
        In evaluation mode.
    name : str
    path : Path
        Written only when the check has passed.
    front_end : FrontEnd
    windows : ndarray of float32, shape=(n_windows, n_frames, n_mels)
        What to compare the two on; music.

    Returns
    -------
    float
        Largest difference between the two, at batches of 1 and 32.

    Raises
    ------
    TempoError
        If the difference is 1e-4 or more; nothing is written.
    MissingExtraError
        If the extra ``train`` is not installed.
    """
    config = network.config
    example = torch.zeros(2, config.n_frames, config.n_mels)
    model = to_onnx(network, {"log_mel": example}, {"log_mel": "windows"}, ["embedding"])
    metadata = {
        "version": "contrastive-1",
        "name": name,
        "front_end": front_end.to_json(),
        "n_frames": json.dumps(config.n_frames),
    }
    with proven(path) as partial:
        save(model, partial, metadata)
        difference = _parity(network, partial, windows)
        refuse_difference(difference)
    return difference


def _parity(network: ContrastiveNetwork, path: Path, windows: NDArray[np.float32]) -> float:
    session, _ = open_session(path, "cpu", 1)
    largest = 0.0
    for batch in (1, 32):
        some = np.resize(windows, (batch, *windows.shape[1:]))
        with torch.inference_mode():
            expected = network(torch.from_numpy(some)).numpy()
        embedding = session.run(["embedding"], {"log_mel": some})[0]
        largest = max(largest, disagreement(embedding, expected))
    return largest
