"""The losses of the contrastive encoder, one per file, and their table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.training.contrastive.losses.barlow_twins import barlow_twins, redundancy
from tempocli.training.contrastive.losses.byol import byol, prediction
from tempocli.training.contrastive.losses.clustering import clustering, same_cluster
from tempocli.training.contrastive.losses.nt_xent import nt_xent, same_track
from tempocli.training.contrastive.losses.outputs import TaughtOutputs, ViewOutputs
from tempocli.training.contrastive.losses.predicted_labels import label_prediction, predicted_labels
from tempocli.training.contrastive.losses.shared_labels import same_labels, shared_labels
from tempocli.training.contrastive.losses.vicreg import variance_kept, vicreg

if TYPE_CHECKING:
    from collections.abc import Callable

    from tempocli.training.contrastive.recipe import ContrastiveRecipe
    from tempocli.training.losses import Term

LOSSES: dict[str, Callable[[ViewOutputs, ContrastiveRecipe, int], Term | None]] = {
    "same_track": same_track,
    "byol": prediction,
    "clustering": same_cluster,
    "barlow_twins": redundancy,
    "vicreg": variance_kept,
    "same_labels": same_labels,
    "predicted_labels": label_prediction,
}

__all__ = [
    "LOSSES",
    "TaughtOutputs",
    "ViewOutputs",
    "barlow_twins",
    "byol",
    "clustering",
    "nt_xent",
    "predicted_labels",
    "shared_labels",
    "vicreg",
]
