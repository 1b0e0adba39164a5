"""The training task of the contrastive encoder (McCallum 2022)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from tempocli.training.contrastive.losses import LOSSES, ViewOutputs
from tempocli.training.contrastive.sampler import ExcerptSampler
from tempocli.training.contrastive.statistics import effective_rank
from tempocli.training.losses import total_loss

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli.training.contrastive.network import ContrastiveNetwork
    from tempocli.training.contrastive.recipe import ContrastiveRecipe
    from tempocli.training.contrastive.sampler import Views
    from tempocli.training.contrastive.spectrogram import SpectrogramNetwork


class ContrastiveTask:
    """Contrastive training; the score is the share of tracks whose nearest view is their own, in percent.

    Parameters
    ----------
    data : Path
        Data folder with the stores that the recipe names.
    recipe : ContrastiveRecipe

    Raises
    ------
    DataError
        If the data do not match the recipe.
    """

    def __init__(self, data: Path, recipe: ContrastiveRecipe) -> None:
        self._recipe = recipe
        sampler = ExcerptSampler(data, recipe)
        self.batch = sampler.batch
        self._validation = sampler.validation()

    def loss(
        self,
        network: ContrastiveNetwork | SpectrogramNetwork,
        batch: Views,
        step: int,
        device: str,
    ) -> tuple[Tensor, dict[str, float]]:
        """Compute the loss of a batch."""
        windows = torch.from_numpy(np.concatenate([batch.a, batch.b])).to(device)
        embeddings = network(windows)
        projections = network.projection(embeddings)
        taught = None
        teacher = getattr(network, "teacher", None)
        if teacher is not None:
            # The momentum rises to 1 by the end.
            momentum = 1.0 - (1.0 - self._recipe.momentum) * (
                0.5 + 0.5 * math.cos(math.pi * step / self._recipe.steps)
            )
            teacher.follow(network, momentum)
            taught = teacher.outputs(windows, projections)
        a, b = projections.chunk(2)
        agreement, targets = (
            None if values is None else torch.from_numpy(values).to(device)
            for values in (batch.agreement, batch.targets)
        )
        predictor = getattr(network, "predictor", None)
        predicted = None if predictor is None else predictor(nn.functional.relu(embeddings))
        outputs = ViewOutputs(a, b, taught, agreement, predicted, targets)
        return total_loss(LOSSES, outputs, self._recipe, step)

    @torch.inference_mode()
    def validate(self, network: ContrastiveNetwork, device: str) -> dict[str, float]:
        """Score held-out tracks.

        Returns
        -------
        dict of str to float
            ``validation_found``, and what shows a collapse: ``validation_rank``, the effective rank of the
            embeddings of all views, and ``validation_variance``, the variance of their directions: 0 if all
            are the same, 1 if their mean is 0.
        """
        a, b = (network(torch.from_numpy(views).to(device)).cpu() for views in self._validation[:2])
        a, b = (nn.functional.normalize(views, dim=1) for views in (a, b))
        found = (a @ b.T).argmax(dim=1) == torch.arange(len(a))
        views = torch.cat([a, b])
        return {
            "validation_found": 100.0 * float(found.float().mean()),
            "validation_rank": effective_rank(views.numpy()),
            "validation_variance": float(views.var(dim=0, correction=0).sum()),
        }
