"""Supervised pretraining: the labels of composed music are predicted from the embedding (McCallum 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from tempocli.errors import DataError
from tempocli.training.losses import Term

if TYPE_CHECKING:
    from tempocli.training.contrastive.losses.outputs import ViewOutputs
    from tempocli.training.contrastive.recipe import ContrastiveRecipe


def label_prediction(outputs: ViewOutputs, recipe: ContrastiveRecipe, step: int) -> Term | None:
    """Compute the supervised loss on a batch, unless the recipe gives it no weight."""
    weight = recipe.losses.get("predicted_labels", 0.0)
    if not weight:
        return None
    if outputs.predicted is None or outputs.targets is None:
        raise DataError(f"the recipe {recipe.name} has the loss predicted_labels, but names no labels")
    return Term(predicted_labels(outputs.predicted, outputs.targets), weight)


def predicted_labels(logits: Tensor, targets: Tensor) -> Tensor:
    """Compute the binary cross-entropy of labels, with those that are not known left out.

    Parameters
    ----------
    logits : Tensor of float32, shape=(2 * batch, n_labels)
    targets : Tensor of float32, shape=(2 * batch, n_labels)
        1 for a label that applies, 0 for one that does not, NaN for one that is not known.

    Returns
    -------
    Tensor of float32, scalar
        The sum over labels, as the mean over the views of which any label is known; 0 without such views.

    Raises
    ------
    ValueError
        If the shapes do not match.

    References
    ----------
    McCallum et al., "Supervised and unsupervised learning of audio representations for music understanding",
    ISMIR 2022.
    """
    if logits.shape != targets.shape:
        raise ValueError(f"shapes {tuple(logits.shape)} and {tuple(targets.shape)} do not match")
    known = ~targets.isnan()
    losses = nn.functional.binary_cross_entropy_with_logits(
        logits, targets.nan_to_num(), weight=known.float(), reduction="none"
    )
    return losses.sum() / known.any(dim=1).sum().clamp(min=1)
