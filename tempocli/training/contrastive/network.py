"""The contrastive encoder (after McCallum 2022, smaller): convolutions over time, then pooling."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tempocli.training.layers.residual import dilated_trunk


@dataclass(frozen=True, slots=True)
class ContrastiveConfig:
    """Sizes of the encoder.

    Attributes
    ----------
    backbone : str
        ``"time"`` for `ContrastiveNetwork`, ``"spectrogram"`` for
        `tempocli.training.contrastive.spectrogram.SpectrogramNetwork`.
    n_frames, n_mels : int
        Shape of a window; 256 frames are 3 s.
    frame_step : int
        Number of frames that are averaged before the first convolution; twice as many for ``"spectrogram"``.
    channels : tuple of int
        Channels of the convolutions, each of which halves the frame rate.
    n_blocks : int
        Number of residual blocks after them, each with twice the dilation of the previous one; only for the
        backbone ``"time"``.
    embedding_dim, projection_dim : int
        Length of the embedding, and of its projection, used only by the loss.
    projection_norm : bool
        Whether the projection has a batch normalisation, without which BYOL's collapses.
    """

    backbone: str = "time"
    n_frames: int = 256
    n_mels: int = 40
    frame_step: int = 1
    channels: tuple[int, ...] = (64, 128, 192, 256)
    n_blocks: int = 2
    embedding_dim: int = 256
    projection_dim: int = 128
    projection_norm: bool = False


class ContrastiveNetwork(nn.Module):
    """Network from log-mel windows to embeddings by convolutions over time, all bands being channels.

    The projection is used only by the loss.

    Parameters
    ----------
    config : ContrastiveConfig
    """

    def __init__(self, config: ContrastiveConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = [nn.BatchNorm1d(config.n_mels)]
        before = config.n_mels
        for width in config.channels:
            layers += [nn.Conv1d(before, width, 5, stride=2, padding=2), nn.BatchNorm1d(width), nn.ReLU()]
            before = width
        self.stem = nn.Sequential(*layers)
        self.blocks = dilated_trunk(before, config.n_blocks)
        self.embedding = nn.Linear(2 * before, config.embedding_dim)
        self.projection = projection(config)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Embed windows, shape=(batch, n_frames, n_mels), to shape=(batch, embedding_dim)."""
        embedding: Tensor = self.embedding(self.pooled(log_mel))
        return embedding

    def pooled(self, log_mel: Tensor) -> Tensor:
        """Return what the embedding is a linear function of, shape=(batch, 2 * channels[-1]).

        It is the mean and the maximum over time of the last features of windows, which may have any length.
        """
        x = nn.functional.avg_pool1d(log_mel.transpose(1, 2), self.config.frame_step)
        x = self.blocks(self.stem(x))
        return torch.cat([x.mean(dim=-1), x.amax(dim=-1)], dim=1)


def projection(config: ContrastiveConfig) -> nn.Sequential:
    """Build the projection of an embedding that a loss compares."""
    norm = [nn.BatchNorm1d(config.embedding_dim)] if config.projection_norm else []
    return nn.Sequential(
        nn.ReLU(),
        nn.Linear(config.embedding_dim, config.embedding_dim),
        *norm,
        nn.ReLU(),
        nn.Linear(config.embedding_dim, config.projection_dim),
    )
