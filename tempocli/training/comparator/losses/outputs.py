"""Inputs of the losses of the comparator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from tempocli.training.comparator.network import ComparatorNetwork


@dataclass(frozen=True, slots=True)
class PairOutputs:
    """Embedded windows of a batch, as the two sides of all pairs of a track.

    Attributes
    ----------
    network : ComparatorNetwork
        The network to compare them with.
    a : Tensor of float32, shape=(tracks, views, 1, embedding_dim)
    b : Tensor of float32, shape=(tracks, 1, views, embedding_dim)
    log_rates : Tensor of float32, shape=(tracks, views)
        Natural logarithms of the rates of the windows.
    """

    network: ComparatorNetwork
    a: Tensor
    b: Tensor
    log_rates: Tensor
