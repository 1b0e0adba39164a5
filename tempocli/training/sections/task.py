"""The training task of the section encoder (McCallum 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tempocli.training.losses import total_loss
from tempocli.training.sections.losses import LOSSES, TripletOutputs
from tempocli.training.sections.sampler import CellSampler

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

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
        self, network: SectionNetwork, batch: list[Triplets], step: int, device: str
    ) -> tuple[Tensor, dict[str, float]]:
        """Compute the mean loss of the members, each of its own triplets."""
        found = [
            total_loss(LOSSES, _outputs(member, triplets, device), self._recipe, step)
            for member, triplets in zip(network.members, batch, strict=True)
        ]
        mean = torch.stack([loss for loss, _ in found]).mean()
        values = {name: sum(values[name] for _, values in found) / len(found) for name in found[0][1]}
        return mean, values

    @torch.inference_mode()
    def validate(self, network: SectionNetwork, device: str) -> dict[str, float]:
        """Score held-out tracks."""
        outputs = _outputs(network, self._validation, device)
        near = (outputs.anchors * outputs.positives).sum(dim=1)
        far = (outputs.anchors * outputs.negatives).sum(dim=1)
        return {"validation_nearer": 100.0 * float((near > far).float().mean())}


def _outputs(network: nn.Module, batch: Triplets, device: str) -> TripletOutputs:
    vectors = network(torch.from_numpy(batch.cells).to(device))
    places = (torch.from_numpy(each).to(device) for each in batch[1:])
    return TripletOutputs(*(vectors[each] for each in places))
