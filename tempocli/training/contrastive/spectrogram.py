"""The backbone of the music embedding: a residual network over time and mel bands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tempocli.training.contrastive.network import projection

if TYPE_CHECKING:
    from tempocli.training.contrastive.network import ContrastiveConfig


class SpectrogramNetwork(nn.Module):
    """Network from log-mel windows to embeddings by residual convolutions over time and bands.

    Pairs of frames, or more (`frame_step`), are averaged first. Each stage halves time and bands. The bands
    left are then combined by one convolution, since at which frequencies something sounds matters, and when
    does not: the embedding is made of the mean and the maximum over time. The projection is used only by the
    loss.

    Parameters
    ----------
    config : ContrastiveConfig
        The first of its channels are those of the first convolution, the others those of the stages.
    """

    def __init__(self, config: ContrastiveConfig) -> None:
        super().__init__()
        self.config = config
        first, *widths = config.channels
        self.bands = nn.BatchNorm1d(config.n_mels)
        self.stem = nn.Sequential(
            nn.Conv2d(1, first, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(first), nn.ReLU()
        )
        n_bands, before = _half(config.n_mels), first
        stages = []
        for width in widths:
            stages.append(_Stage(before, width))
            n_bands, before = _half(n_bands), width
        self.stages = nn.Sequential(*stages)
        self.combine = nn.Sequential(
            nn.Conv2d(before, before, (1, n_bands), bias=False), nn.BatchNorm2d(before), nn.ReLU()
        )
        self.embedding = nn.Linear(2 * before, config.embedding_dim)
        self.projection = projection(config)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Embed windows, shape=(batch, n_frames, n_mels), to shape=(batch, embedding_dim)."""
        embedding: Tensor = self.embedding(self.pooled(log_mel))
        return embedding

    def pooled(self, log_mel: Tensor) -> Tensor:
        """Return what the embedding is a linear function of, shape=(batch, 2 * channels[-1])."""
        x = nn.functional.avg_pool1d(self.bands(log_mel.transpose(1, 2)), 2 * self.config.frame_step)
        x = x.transpose(1, 2)[:, None].contiguous(memory_format=torch.channels_last)
        x = self.combine(self.stages(self.stem(x))).squeeze(-1)
        return torch.cat([x.mean(dim=-1), x.amax(dim=-1)], dim=1)


class _Stage(nn.Module):
    """A residual block that halves time and bands."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False), nn.Conv2d(before, width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.main(x) + self.shortcut(x))


def _half(size: int) -> int:
    return (size + 1) // 2
