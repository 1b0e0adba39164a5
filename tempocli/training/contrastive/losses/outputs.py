"""Inputs of the losses of the contrastive encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class TaughtOutputs:
    """What the network and its teacher make of the two views; see `tempocli.training.contrastive.teacher`.

    Attributes
    ----------
    student_a, student_b : Tensor of float32, shape=(tracks, dim)
        Predictions, or logits of clusters, by the network.
    teacher_a, teacher_b : Tensor of float32, shape=(tracks, dim)
        Projections, or logits of clusters, by its moving average; without gradient.
    centre : Tensor of float32, shape=(dim,)
        Moving mean of the teacher's outputs.
    """

    student_a: Tensor
    student_b: Tensor
    teacher_a: Tensor
    teacher_b: Tensor
    centre: Tensor


@dataclass(frozen=True, slots=True)
class ViewOutputs:
    """The two views of the tracks of a batch.

    Attributes
    ----------
    a, b : Tensor of float32, shape=(tracks, projection_dim)
        Projections; row ``k`` of both belongs to the same track.
    taught : TaughtOutputs or None
        For losses with a teacher.
    agreement : Tensor of float32, shape=(2 * tracks, 2 * tracks), or None
        How far the labels of two views agree, those of `a` before those of `b`; for losses with labels.
    predicted, targets : Tensor of float32, shape=(2 * tracks, n_labels), or None
        Logits of labels, and the labels, NaN where they are not known; for the supervised loss.
    """

    a: Tensor
    b: Tensor
    taught: TaughtOutputs | None = None
    agreement: Tensor | None = None
    predicted: Tensor | None = None
    targets: Tensor | None = None
