"""The training task of the section encoder (McCallum 2019)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from tempocli.training.losses import total_loss
from tempocli.training.sections.losses import LOSSES, TripletOutputs
from tempocli.training.sections.sampler import CellSampler

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from tempocli.training.sections.network import SectionNetwork
    from tempocli.training.sections.recipe import SectionRecipe
    from tempocli.training.sections.sampler import Triplets


class SectionTask:
    """Training by triplets; the score is the share of held-out triplets in the right order, in percent.

    Parameters
    ----------
    data : Path
        Data folder with the stores that the recipe names.
    recipe : SectionRecipe

    Raises
    ------
    DataError
        If the data do not match the recipe.
    """

    def __init__(self, data: Path, recipe: SectionRecipe) -> None:
        self._recipe = recipe
        sampler = CellSampler(data, recipe)
        self.batch = sampler.batch
        self._validation = sampler.validation()

    def loss(
        self, network: SectionNetwork, batch: Triplets, step: int, device: str
    ) -> tuple[Tensor, dict[str, float]]:
        """Compute the loss of a batch."""
        return total_loss(LOSSES, _outputs(network, batch, device), self._recipe, step)

    @torch.inference_mode()
    def validate(self, network: SectionNetwork, device: str) -> dict[str, float]:
        """Score held-out tracks."""
        outputs = _outputs(network, self._validation, device)
        near = (outputs.anchors * outputs.positives).sum(dim=(1, 2))
        far = (outputs.anchors * outputs.negatives).sum(dim=(1, 2))
        return {"validation_nearer": 100.0 * float((near > far).float().mean())}


def _outputs(network: SectionNetwork, batch: Triplets, device: str) -> TripletOutputs:
    members = network.config.members
    joined = network(torch.from_numpy(batch.cells).to(device))
    vectors = joined.unflatten(1, (members, -1)) * math.sqrt(members)
    places = (torch.from_numpy(each).to(device) for each in batch[1:])
    return TripletOutputs(*(vectors[each] for each in places))
