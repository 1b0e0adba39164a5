"""Inputs of the losses of a section encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class TripletOutputs:
    """Vectors of anchors, of cells near them, and of cells farther away in the same tracks.

    Attributes
    ----------
    anchors, positives, negatives : Tensor of float32, shape=(n_triplets, members, embedding_dim)
        Of unit length for each member.
    """

    anchors: Tensor
    positives: Tensor
    negatives: Tensor
