"""The training task of the comparator (Henkel 2024): pairs of excerpts at known rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tempocli.training.comparator.losses import LOSSES, PairOutputs
from tempocli.training.comparator.pairs import pair_masks
from tempocli.training.comparator.sampler import PairSampler
from tempocli.training.losses import total_loss

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli.training.comparator.network import ComparatorNetwork
    from tempocli.training.comparator.recipe import ComparisonRecipe
    from tempocli.training.comparator.sampler import TrackViews


class ComparisonTask:
    """Training of a comparator (Henkel 2024); the score is the share of correct pairs, in percent.

    Parameters
    ----------
    data : Path
        Data folder with the stores that the recipe names.
    recipe : ComparisonRecipe

    Raises
    ------
    DataError
        If the data do not match the recipe.

    References
    ----------
    Henkel et al., "Tempo estimation as fully self-supervised binary classification", ICASSP 2024.
    """

    def __init__(self, data: Path, recipe: ComparisonRecipe) -> None:
        self._recipe = recipe
        self._bounds = {"same": recipe.same, "different": recipe.different}
        sampler = PairSampler(data, recipe)
        self.batch = sampler.batch
        self._validation = sampler.validation()

    def _embed(self, network: ComparatorNetwork, batch: TrackViews, device: str) -> tuple[Tensor, Tensor]:
        """Embed a batch as the two sides of all pairs of a track."""
        windows = torch.from_numpy(batch.windows).to(device)
        embedding = torch.cat([network.embed(part) for part in torch.split(windows, 256)])
        embedding = embedding.reshape(*batch.log_rates.shape, -1)
        return embedding[:, :, None], embedding[:, None, :]

    def loss(
        self, network: ComparatorNetwork, batch: TrackViews, step: int, device: str
    ) -> tuple[Tensor, dict[str, float]]:
        """Compute the loss of a batch."""
        log_rates = torch.from_numpy(batch.log_rates).to(device)
        outputs = PairOutputs(network, *self._embed(network, batch, device), log_rates)
        return total_loss(LOSSES, outputs, self._recipe, step)

    @torch.inference_mode()
    def validate(self, network: ComparatorNetwork, device: str) -> dict[str, float]:
        """Score pairs of windows of held-out tracks."""
        log_odds = network.pair(*self._embed(network, self._validation, device)).cpu()
        alike, unlike = pair_masks(torch.from_numpy(self._validation.log_rates), **self._bounds)
        return {
            "validation_same": 100.0 * float((log_odds[alike] > 0).float().mean()),
            "validation_different": 100.0 * float((log_odds[unlike] <= 0).float().mean()),
        }
