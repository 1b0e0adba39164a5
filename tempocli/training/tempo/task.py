"""The training task of the tempo encoder: its batches, losses and scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tempocli.evaluation import metrics
from tempocli.training.losses import total_loss
from tempocli.training.tempo.losses import LOSSES, TempoOutputs
from tempocli.training.tempo.sampler import TempoSampler
from tempocli.training.tempo.scalar import ScalarNetwork
from tempocli.training.tempo.scale import scale_shift, tempo_offsets

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli.training.tempo.recipe import TempoRecipe
    from tempocli.training.tempo.sampler import Batch
    from tempocli.training.tempo.scalar import AnyTempo


class TempoTask:
    """Training of a tempo encoder: batches, loss and score.

    Parameters
    ----------
    data : Path
        Data folder with the stores that the recipe names.
    recipe : TempoRecipe

    Raises
    ------
    DataError
        If the data do not match the recipe.
    """

    def __init__(self, data: Path, recipe: TempoRecipe) -> None:
        self._recipe = recipe
        sampler = TempoSampler(data, recipe)
        self.batch = sampler.batch
        self._windows, self._tempi = sampler.validation()

    def loss(
        self, network: AnyTempo, batch: Batch, step: int, device: str
    ) -> tuple[Tensor, dict[str, float]]:
        """Compute the loss of a batch."""
        n_labelled = len(batch.labelled)
        views = batch.views.reshape(-1, *batch.labelled.shape[1:])
        windows = torch.from_numpy(np.concatenate([batch.labelled, views])).to(device)
        logits, octave, embedding = network.parts(windows)
        scalars = None
        if isinstance(network, ScalarNetwork):
            scalars = network.scalar(embedding[n_labelled:]).reshape(batch.log2_rate.shape)
        outputs = TempoOutputs(
            labelled=logits[:n_labelled] + octave[:n_labelled],
            bpm=torch.from_numpy(batch.bpm).to(device),
            # Without the context, which encodes the absolute tempo and so is not equivariant.
            views=logits[n_labelled:].reshape(*batch.log2_rate.shape, logits.shape[-1]),
            log2_rate=torch.from_numpy(batch.log2_rate).to(device),
            scalars=scalars,
        )
        return total_loss(LOSSES, outputs, self._recipe, step)

    def validate(self, network: AnyTempo, device: str) -> dict[str, float]:
        """Score single windows of held-out clips."""
        return validate(network, self._windows, self._tempi, self._recipe)


def validate(
    network: AnyTempo,
    windows: np.ndarray[Any, Any],
    tempi: np.ndarray[Any, Any],
    recipe: TempoRecipe,
) -> dict[str, float]:
    """Score single windows of known tempo: Accuracy 1 and Accuracy 2 at 4 %, in percent.

    Click tracks are scored after the scale has been set with them.
    """
    offsets = tempo_offsets(network, windows, tempi)
    if recipe.scale:
        offsets -= scale_shift(recipe.network, offsets)
    truth = tempi.astype(np.float64)
    estimates = truth * 2.0 ** (offsets / recipe.network.bins_per_octave)
    return {
        "validation_accuracy1": 100.0 * float(metrics.accuracy1(truth, estimates).mean()),
        "validation_accuracy2": 100.0 * float(metrics.accuracy2(truth, estimates).mean()),
    }
