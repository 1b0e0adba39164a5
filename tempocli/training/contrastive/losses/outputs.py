"""Inputs of the losses of the contrastive encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class ViewOutputs:
    """The two views of the tracks of a batch.

    Attributes
    ----------
    a, b : Tensor of float32, shape=(tracks, projection_dim)
        Projections; row ``k`` of both belongs to the same track.
    """

    a: Tensor
    b: Tensor
