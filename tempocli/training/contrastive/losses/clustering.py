"""Clustering as in DINO (Caron 2021): both views fall into the same cluster, and all clusters are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.training.losses import Term

if TYPE_CHECKING:
    from torch import Tensor

    from tempocli.training.contrastive.losses.outputs import ViewOutputs
    from tempocli.training.contrastive.recipe import ContrastiveRecipe


def same_cluster(outputs: ViewOutputs, recipe: ContrastiveRecipe, step: int) -> Term | None:
    """Compute the clustering loss on a batch, if the recipe gives it a weight."""
    weight = recipe.losses.get("clustering", 0.0)
    if not weight or outputs.taught is None:
        return None
    taught = outputs.taught
    # The teacher's temperature rises, since sharp clusters at the start do not change any more.
    progress = min(1.0, step / max(1.0, 0.3 * recipe.steps))
    temperature = recipe.teacher_temperature * (0.5 + 0.5 * progress)
    pairs = ((taught.student_a, taught.teacher_b), (taught.student_b, taught.teacher_a))
    values = [
        clustering(student, teacher, taught.centre, temperature=0.1, teacher_temperature=temperature)
        for student, teacher in pairs
    ]
    return Term(0.5 * (values[0] + values[1]), weight)


def clustering(
    student: Tensor, teacher: Tensor, centre: Tensor, *, temperature: float, teacher_temperature: float
) -> Tensor:
    """Compute the cross-entropy between the clusters of a teacher and of the network.

    Parameters
    ----------
    student : Tensor of float32, shape=(batch, clusters)
        Logits by the network from one view.
    teacher : Tensor of float32, shape=(batch, clusters)
        Logits of the other view by the moving average of the network; without gradient.
    centre : Tensor of float32, shape=(clusters,)
        Moving mean of the teacher's logits, which is subtracted so that no cluster takes everything.
    temperature, teacher_temperature : float
        The teacher's is lower: its clusters are sharper, so that not all become equally probable.

    Returns
    -------
    Tensor of float32, scalar

    References
    ----------
    Caron et al., "Emerging properties in self-supervised vision transformers", ICCV 2021; on music
    Meseguer-Brocal et al., ICASSP 2024.
    """
    wanted = ((teacher - centre) / teacher_temperature).softmax(dim=1).detach()
    return -(wanted * (student / temperature).log_softmax(dim=1)).sum(dim=1).mean()
