"""The training task of the beat network: cross-entropy on the beats and downbeats of composed music."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from tempocli.training.beats.losses import LOSSES, BeatOutputs
from tempocli.training.beats.sampler import BeatSampler
from tempocli.training.losses import total_loss

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from tempocli.training.beats.network import BeatNetwork
    from tempocli.training.beats.recipe import BeatRecipe
    from tempocli.training.beats.sampler import BeatBatch

_BATCH = 32
_THRESHOLD = 0.25
_TOLERANCE = 1.5  # activations, 70 ms


class BeatTask:
    """Training on known beats; the scores are the F-measures of peaks of the activations, in percent.

    Parameters
    ----------
    data : Path
        Data folder with the stores that the recipe names.
    recipe : BeatRecipe

    Raises
    ------
    DataError
        If the data do not match the recipe.
    """

    def __init__(self, data: Path, recipe: BeatRecipe) -> None:
        self._recipe = recipe
        sampler = BeatSampler(data, recipe)
        self.batch = sampler.batch
        self._validation = sampler.validation()

    def loss(
        self, network: BeatNetwork, batch: BeatBatch, step: int, device: str
    ) -> tuple[Tensor, dict[str, float]]:
        """Compute the loss of a batch."""
        windows, targets, known = (
            torch.from_numpy(each).to(device) for each in (batch.windows, batch.targets, batch.known)
        )
        outputs = BeatOutputs(network(windows), targets, known)
        return total_loss(LOSSES, outputs, self._recipe, step)

    @torch.inference_mode()
    def validate(self, network: BeatNetwork, device: str) -> dict[str, float]:
        """Score held-out clips."""
        batch = self._validation
        parts = torch.split(torch.from_numpy(batch.windows), _BATCH)
        activations = torch.cat([network(part.to(device)).sigmoid().cpu() for part in parts]).numpy()
        scores = {}
        for output, name in enumerate(("beat", "downbeat")):
            rows = [
                _f_measure(_peaks(found[:, output]), _peaks(target[:, output]))
                for found, target, known in zip(activations, batch.targets, batch.known, strict=True)
                if known[0, output]
            ]
            scores[f"validation_{name}"] = 100.0 * float(np.mean(rows)) if rows else 0.0
        return scores


def _peaks(curve: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the places of the local maxima, between frames by the weights of their neighbours."""
    padded = np.pad(curve, 1)
    here = (curve >= _THRESHOLD) & (curve > padded[:-2]) & (curve >= padded[2:])
    (places,) = np.nonzero(here)
    left, middle, right = padded[places], curve[places], padded[places + 2]
    return np.asarray(places + (right - left) / (left + middle + right), np.float64)


def _f_measure(found: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    if not len(found) and not len(expected):
        return 1.0
    if not len(found) or not len(expected):
        return 0.0
    near = np.abs(found[:, None] - expected[None]) <= _TOLERANCE
    hits = min(int(near.any(axis=0).sum()), int(near.any(axis=1).sum()))
    return 2.0 * hits / (len(found) + len(expected))
