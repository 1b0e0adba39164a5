"""The trained encoders of the study: what of a run is kept to be measured, on another machine, too."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import torch

from study import records
from tempocli.errors import DataError
from tempocli.training.checkpoint import CHECKPOINT, load_network
from tempocli.training.contrastive.build import build_encoder, build_learner
from tempocli.training.engine import HISTORY
from tempocli.training.identity import identity
from tempocli.training.kinds import train

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli.training.contrastive.network import ContrastiveNetwork
    from tempocli.training.contrastive.recipe import ContrastiveRecipe
    from tempocli.training.contrastive.spectrogram import SpectrogramNetwork

ENCODER = "encoder.pt"
_LEFT_OUT = ("projection.", "teacher.", "predictor.")  # only the losses use them


def train_encoder(recipe: ContrastiveRecipe, data: Path, folder: Path, device: str) -> dict[str, Any]:
    """Train a run, or go on with it, unless its encoder is there already.

    Parameters
    ----------
    recipe : ContrastiveRecipe
    data : Path
        Data folder.
    folder : Path
        Run folder.
    device : str
        ``"cpu"`` or ``"cuda"``.

    Returns
    -------
    dict
        ``recipe`` (identity), ``weights`` (averaged, without those that only losses use), ``curves``,
        ``cpu_seconds``, ``seconds`` (of the clock) and ``device``.

    Raises
    ------
    DataError
        If the data do not match the recipe, or the folder has a run of another one.
    """
    kept = folder / ENCODER
    if kept.is_file():
        return load_encoder(kept, recipe)
    began, started = time.process_time(), time.perf_counter()
    train(recipe, data, folder, device=device)
    network = load_network(build_learner(recipe), folder / CHECKPOINT, recipe)
    weights = {name: value for name, value in network.state_dict().items() if not name.startswith(_LEFT_OUT)}
    found = {
        "recipe": identity(recipe),
        "weights": weights,
        "curves": records.curves(folder / HISTORY),
        "cpu_seconds": round(time.process_time() - began, 1),
        "seconds": round(time.perf_counter() - started, 1),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
    }
    partial = kept.with_suffix(".partial")
    torch.save(found, partial)
    os.replace(partial, kept)
    return found


def load_encoder(path: Path, recipe: ContrastiveRecipe) -> dict[str, Any]:
    """Load what `train_encoder` kept.

    Raises
    ------
    DataError
        If it is damaged, or of another recipe.
    """
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        made_by = json.loads(found["recipe"])
    except Exception as error:  # torch raises many kinds for a damaged file
        raise DataError(f"{path}: damaged ({error})") from error
    if made_by != json.loads(identity(recipe)):
        raise DataError(f"{path}: was made by another recipe; delete it to run it again")
    return found


def network_of(found: dict[str, Any], recipe: ContrastiveRecipe) -> ContrastiveNetwork | SpectrogramNetwork:
    """Return the encoder, ready for inference; its projection has no trained weights."""
    network = build_encoder(recipe.network)
    network.load_state_dict(found["weights"], strict=False)
    return network.eval()
