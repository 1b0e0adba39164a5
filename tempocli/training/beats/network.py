"""The beat network (after Davies and Böck 2019, and Böck and Davies 2020): dilated convolutions over time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

FRAME_STEP = 4  # frames per activation


@dataclass(frozen=True, slots=True)
class BeatConfig:
    """Sizes of the beat network.

    Attributes
    ----------
    n_frames, n_mels : int
        Shape of a window; a multiple of `FRAME_STEP` frames. 1,536 frames are 17.8 s.
    channels : tuple of int
        Channels of the two convolutions over time and bands.
    width : int
        Channels of the residual blocks.
    n_blocks : int
        Number of residual blocks, each with twice the dilation of the previous one.
    dropout : float
    """

    n_frames: int = 1536
    n_mels: int = 40
    channels: tuple[int, ...] = (16, 32)
    width: int = 64
    n_blocks: int = 8
    dropout: float = 0.1


class BeatBlock(nn.Module):
    """Residual block of two convolutions over time side by side, one with twice the dilation of the other.

    Parameters
    ----------
    width : int
        Number of channels.
    dilation : int
        The smaller dilation.
    dropout : float
    """

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.near = nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation)
        self.far = nn.Conv1d(width, width, 5, padding=4 * dilation, dilation=2 * dilation)
        self.dropout = nn.Dropout(dropout)
        self.join = nn.Conv1d(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block; the shape does not change."""
        y = self.norm(x)
        y = torch.relu(torch.cat([self.near(y), self.far(y)], dim=1))
        joined: Tensor = self.join(self.dropout(y))
        return x + joined


class BeatNetwork(nn.Module):
    """Network from log-mel windows to the logits of a beat and of a downbeat, at a quarter of the frame rate.

    Parameters
    ----------
    config : BeatConfig
    """

    def __init__(self, config: BeatConfig) -> None:
        super().__init__()
        self.config = config
        first, second = config.channels
        self.norm = nn.BatchNorm2d(1)
        # Over time and bands; each halves both.
        self.first = nn.Conv2d(1, first, (5, 3), stride=(2, 2), padding=(2, 1))
        self.second = nn.Conv2d(first, second, (5, 3), stride=(2, 2), padding=(2, 1))
        bands = (config.n_mels + 3) // 4
        self.gather = nn.Conv1d(second * bands, config.width, 1)
        self.blocks = nn.ModuleList(
            BeatBlock(config.width, 2**depth, config.dropout) for depth in range(config.n_blocks)
        )
        self.last = nn.Conv1d(config.width, 2, 1)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Compute logits.

        Parameters
        ----------
        log_mel : Tensor, shape=(batch, n_frames, n_mels)

        Returns
        -------
        Tensor, shape=(batch, n_frames / FRAME_STEP, 2)
            Logits of a beat and of a downbeat; activation ``k`` is at frame ``FRAME_STEP * k``.
        """
        x = self.norm(log_mel.unsqueeze(1))
        x = torch.relu(self.second(torch.relu(self.first(x))))  # (batch, channels, frames, bands)
        batch, channels, n_frames, bands = x.shape
        x = torch.relu(self.gather(x.transpose(2, 3).reshape(batch, channels * bands, n_frames)))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.last(x).transpose(1, 2)
        return logits
