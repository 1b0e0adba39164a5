"""The time branch: learned onset curves in addition to the fixed ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

# Channels of the patches; onnxruntime is fastest with multiples of 16.
_FIRST, _SECOND = 16, 32


class TimeBlock(nn.Module):
    """Residual temporal-convolution block, for input of shape=(batch, frames, channels).

    The depthwise dilated convolution is computed as five shifted sums, the rest as matrix products. On a CPU,
    forward and backward, this is several times faster than convolutions with so few channels.
    """

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.BatchNorm1d(width)
        self.taps = nn.Parameter(torch.randn(5, width) / math.sqrt(5.0))
        self.widen = nn.Linear(width, 3 * width)
        self.narrow = nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block; the shape does not change."""
        batch, n_frames, width = x.shape
        y = self.norm(x.reshape(-1, width)).reshape(batch, n_frames, width)
        padded = nn.functional.pad(y, (0, 0, 2 * self.dilation, 2 * self.dilation))
        shifts = [padded[:, tap * self.dilation : tap * self.dilation + n_frames] for tap in range(5)]
        y = sum((shift * self.taps[tap] for tap, shift in enumerate(shifts)), torch.zeros_like(y))
        found: Tensor = self.narrow(torch.relu(self.widen(y)))
        return x + found


class TimeBranch(nn.Module):
    """Learned onset curves, at half the frame rate.

    Parameters
    ----------
    n_mels : int
        Number of mel bands of the input.
    width, n_blocks : int
        Number of channels and of residual blocks.
    n_activations : int
        Number of onset curves.

    Notes
    -----
    Input has shape=(batch, frames, n_mels); output is activations, shape=(batch, n_activations, frames / 2),
    and hidden features, shape=(batch, frames / 2, width).
    """

    def __init__(self, *, n_mels: int, width: int, n_blocks: int, n_activations: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(1)
        # Patches of 3 frames by 6 bands, every 3 bands; then 3 neighbouring patches; then all of these.
        self.n_patches = (n_mels - 6) // 3 + 1
        self.n_joined = self.n_patches // 3
        self.first = nn.Linear(18, _FIRST)
        self.second = nn.Linear(3 * _FIRST, _SECOND)
        self.gather = nn.Linear(_SECOND * self.n_joined, width)
        self.blocks = nn.ModuleList(TimeBlock(width, 2**depth) for depth in range(n_blocks))
        self.last = nn.Linear(width, n_activations)

    def forward(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Compute activations and hidden features."""
        halved = 0.5 * (log_mel[:, 0::2] + log_mel[:, 1::2])
        batch, n_frames, n_mels = halved.shape
        x = self.norm(halved.reshape(batch, 1, n_frames * n_mels)).reshape(batch, n_frames, n_mels)
        x = nn.functional.pad(x, (0, 0, 1, 1))
        stop = 3 * (self.n_patches - 1) + 1
        patches = [x[:, t : t + n_frames, f : f + stop : 3] for t in range(3) for f in range(6)]
        x = torch.relu(self.first(torch.stack(patches, dim=-1)))  # (batch, frames, patches, _FIRST)
        x = x[:, :, : 3 * self.n_joined].reshape(batch, n_frames, self.n_joined, 3 * _FIRST)
        x = torch.relu(self.second(x)).reshape(batch, n_frames, -1)
        x = torch.relu(self.gather(x))  # (batch, frames, width)
        for block in self.blocks:
            x = block(x)
        return torch.sigmoid(self.last(x)).transpose(1, 2), x
