"""The translation f(z, rate): a small network on a vector and a rate (McCallum 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence


class TranslationNetwork(nn.Module):
    """Network that moves the vector of a track to that of the same music at another rate.

    Parameters
    ----------
    dims : sequence of int
        Lengths of the parts of a vector.
    width : int
        Width of the two hidden layers.
    """

    def __init__(self, dims: Sequence[int], width: int) -> None:
        super().__init__()
        self.dims = list(dims)
        dim = sum(self.dims)
        self.layers = nn.Sequential(
            nn.Linear(dim + 1, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, dim)
        )
        # Begins as the identity.
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, vector: Tensor, rate: Tensor) -> Tensor:
        """Move vectors, shape=(batch, dim), to rates, shape=(batch, 1); each part has unit length."""
        moved = vector + self.layers(torch.cat([vector, torch.log(rate)], dim=1))
        parts = [nn.functional.normalize(part, dim=1) for part in moved.split(self.dims, dim=1)]
        return torch.cat(parts, dim=1)
