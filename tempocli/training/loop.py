"""Training the tempo encoder: what one step of it is; the loop itself is in `tempocli.training.engine`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tempocli.training.engine import fit
from tempocli.training.network import TempoNetwork
from tempocli.training.objectives import cross_entropy, equivariance, soft_targets
from tempocli.training.sampling import Batch, Sampler

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tempocli.training.recipe import Recipe


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    device: str = "cpu",
    threads: int = 1,
    report: Callable[[int, dict[str, float]], None] = lambda step, values: None,
) -> Path:
    """Train a tempo encoder on the stores in `data`; the rest is as `tempocli.training.engine.fit` has it.

    Raises
    ------
    DataError
        If the data do not fit the recipe, or the checkpoint is of another recipe.
    """
    task = _TempoTask(recipe, Sampler(data, recipe))
    return fit(
        lambda: TempoNetwork(recipe.network), task, recipe, out, device=device, threads=threads, report=report
    )


class _TempoTask:
    def __init__(self, recipe: Recipe, sampler: Sampler) -> None:
        self._recipe = recipe
        self.batch = sampler.batch
        self._windows, self._tempi = sampler.validation()

    def loss(
        self, network: TempoNetwork, batch: Batch, step: int, device: str
    ) -> tuple[Tensor, dict[str, float]]:
        recipe = self._recipe
        n_labelled, n_pairs = len(batch.labelled), len(batch.views_a)
        windows = np.concatenate([batch.labelled, batch.views_a, batch.views_b])
        logits, _ = network(torch.from_numpy(windows).to(device))
        bpm = torch.from_numpy(batch.bpm).to(device)
        supervised = cross_entropy(logits[:n_labelled], _targets(bpm, recipe))
        loss, values = supervised, {"supervised": supervised.item()}
        if n_pairs:
            agreement = equivariance(
                logits[n_labelled : n_labelled + n_pairs],
                logits[n_labelled + n_pairs :],
                torch.from_numpy(batch.log2_ratio).to(device),
                bins_per_octave=recipe.network.bins_per_octave,
                sharpness=recipe.sharpness,
            )
            values["equivariance"] = agreement.item()
            if step >= recipe.equivariance_start:
                loss = loss + recipe.equivariance * agreement
        return loss, values

    def validate(self, network: TempoNetwork, device: str) -> dict[str, float]:
        return validate(network, self._windows, self._tempi, self._recipe, device)


def _targets(bpm: Tensor, recipe: Recipe) -> Tensor:
    config = recipe.network
    return soft_targets(
        bpm,
        min_bpm=config.min_bpm,
        bins_per_octave=config.bins_per_octave,
        n_bins=config.n_bins,
        width=recipe.target_width,
    )


@torch.inference_mode()
def validate(
    network: TempoNetwork,
    windows: np.ndarray[Any, Any],
    tempi: np.ndarray[Any, Any],
    recipe: Recipe,
    device: str,
) -> dict[str, float]:
    """Score single windows of known tempo: Accuracy 1 and 2 at 4 %, in percent."""
    config = recipe.network
    estimates = []
    for start in range(0, len(windows), 64):
        logits, _ = network(torch.from_numpy(windows[start : start + 64]).to(device))
        estimates.append(logits.argmax(dim=1).cpu().numpy())
    bpm = config.min_bpm * 2.0 ** (np.concatenate(estimates) / config.bins_per_octave)
    right = {
        factor: np.abs(bpm - factor * tempi) <= 0.04 * factor * tempi
        for factor in (1.0, 2.0, 3.0, 1 / 2, 1 / 3)
    }
    return {
        "validation_accuracy1": 100.0 * float(right[1.0].mean()),
        "validation_accuracy2": 100.0 * float(np.any(list(right.values()), axis=0).mean()),
    }
