"""The training task of the tempo encoder: its batches, losses and scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tempocli import metrics
from tempocli.training.tempo.losses import consensus, cross_entropy, equivariance, off_centre, soft_targets
from tempocli.training.tempo.sampler import TempoSampler
from tempocli.training.tempo.scale import common_shift, middle_shift, tempo_offsets

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli.training.tempo.network import TempoNetwork
    from tempocli.training.tempo.recipe import TempoRecipe
    from tempocli.training.tempo.sampler import Batch


class TempoTask:
    """One step of training a tempo encoder, and its score.

    Parameters
    ----------
    data : Path
        Data folder; holds the stores that the recipe names.
    recipe : TempoRecipe

    Raises
    ------
    DataError
        If the data do not fit the recipe.
    """

    def __init__(self, data: Path, recipe: TempoRecipe) -> None:
        self._recipe = recipe
        sampler = TempoSampler(data, recipe)
        self.batch = sampler.batch
        self._windows, self._tempi = sampler.validation()

    def loss(
        self, network: TempoNetwork, batch: Batch, step: int, device: str
    ) -> tuple[Tensor, dict[str, float]]:
        """Compute the loss of a batch."""
        recipe = self._recipe
        n_labelled, n_views = len(batch.labelled), len(batch.views)
        views = batch.views.reshape(-1, *batch.labelled.shape[1:])
        windows = torch.from_numpy(np.concatenate([batch.labelled, views])).to(device)
        # The equivariance loss is for what knows no absolute tempo; the context is there to know it.
        logits, octave, _ = network.parts(windows)
        loss, values = torch.zeros((), device=device), {}
        if n_labelled:
            bpm = torch.from_numpy(batch.bpm).to(device)
            loss = cross_entropy(logits[:n_labelled] + octave[:n_labelled], _targets(bpm, recipe))
            values["supervised"] = loss.item()
        if n_views:
            log2_rate = torch.from_numpy(batch.log2_rate).to(device)
            agreement = _agreement(logits[n_labelled:].reshape(*log2_rate.shape, -1), log2_rate, recipe)
            values["equivariance"] = agreement.item()
            if step >= recipe.equivariance_start:
                loss = loss + recipe.equivariance * agreement
        values["loss"] = loss.item()
        return loss, values

    def validate(self, network: TempoNetwork, device: str) -> dict[str, float]:
        """Score single windows of clips held out."""
        return validate(network, self._windows, self._tempi, self._recipe)


def _agreement(logits: Tensor, log2_rate: Tensor, recipe: TempoRecipe) -> Tensor:
    bins_per_octave, sharpness = recipe.network.bins_per_octave, recipe.sharpness
    if not recipe.mix:
        agreement = consensus(logits, log2_rate, bins_per_octave=bins_per_octave, sharpness=sharpness)
        return agreement + recipe.centring * off_centre(logits, bins_per_octave=bins_per_octave)
    return equivariance(
        logits[0],
        logits[1],
        log2_rate[1] - log2_rate[0],
        bins_per_octave=bins_per_octave,
        sharpness=sharpness,
    )


def _targets(bpm: Tensor, recipe: TempoRecipe) -> Tensor:
    config = recipe.network
    return soft_targets(
        bpm,
        min_bpm=config.min_bpm,
        bins_per_octave=config.bins_per_octave,
        n_bins=config.n_bins,
        width=recipe.target_width,
    )


def validate(
    network: TempoNetwork,
    windows: np.ndarray[Any, Any],
    tempi: np.ndarray[Any, Any],
    recipe: TempoRecipe,
) -> dict[str, float]:
    """Score single windows of known tempo: Accuracy 1 and 2 at 4 %, in percent.

    Those of click tracks are scored after they have set the scale.
    """
    offsets = tempo_offsets(network, windows, tempi)
    if recipe.scale:
        bins = recipe.network.bins_per_octave
        offsets -= common_shift(offsets, expected=middle_shift(recipe.network), bins_per_octave=bins)
    truth = tempi.astype(np.float64)
    estimates = truth * 2.0 ** (offsets / recipe.network.bins_per_octave)
    return {
        "validation_accuracy1": 100.0 * float(metrics.accuracy1(truth, estimates).mean()),
        "validation_accuracy2": 100.0 * float(metrics.accuracy2(truth, estimates).mean()),
    }
