"""The section encoder: what a bar sounds like, from its log-mel bands in some parts of it (McCallum 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class SectionConfig:
    """Sizes of the encoder.

    Attributes
    ----------
    n_parts, n_mels : int
        Shape of a cell: equal parts of it, and mel bands.
    channels : tuple of int
        Channels of the convolutions. Each halves the bands; all but the first one halve the parts.
    width : int
        Width of the two hidden layers after them.
    embedding_dim : int
        Length of the vector of a member.
    members : int
        Networks of the same sizes and other initial weights, whose vectors are joined: single ones differ by
        chance.
    """

    n_parts: int = 16
    n_mels: int = 96
    channels: tuple[int, ...] = (24, 48, 96)
    width: int = 128
    embedding_dim: int = 64
    members: int = 2


class SectionNetwork(nn.Module):
    """Networks from cells to vectors of unit length, joined to one of unit length.

    Parameters
    ----------
    config : SectionConfig
    """

    def __init__(self, config: SectionConfig) -> None:
        super().__init__()
        self.config = config
        self.members = nn.ModuleList(_Member(config) for _ in range(config.members))

    def forward(self, cells: Tensor) -> Tensor:
        """Embed cells, shape=(batch, n_parts, n_mels), to shape=(batch, members * embedding_dim)."""
        return torch.cat([member(cells) for member in self.members], dim=1) / math.sqrt(len(self.members))


class _Member(nn.Module):
    """Network of convolutions and dense layers from cells to vectors of unit length.

    Parameters
    ----------
    config : SectionConfig
    """

    def __init__(self, config: SectionConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n_parts, n_bands = config.n_parts, config.n_mels
        for number, (before, width) in enumerate(pairwise((1, *config.channels))):
            halved = 2 if number else 1
            layers += [
                nn.Conv2d(before, width, 3, stride=(halved, 2), padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            n_parts, n_bands = (n_parts + halved - 1) // halved, (n_bands + 1) // 2
        self.convolutions = nn.Sequential(*layers)
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Linear(config.channels[-1] * n_parts * n_bands, config.width),
            nn.ReLU(),
            nn.Linear(config.width, config.width),
            nn.ReLU(),
            nn.Linear(config.width, config.embedding_dim),
        )

    def forward(self, cells: Tensor) -> Tensor:
        """Embed cells, shape=(batch, n_parts, n_mels), to shape=(batch, embedding_dim)."""
        return nn.functional.normalize(self.dense(self.convolutions(cells[:, None])), dim=1)
