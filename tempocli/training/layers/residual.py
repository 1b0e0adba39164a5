"""The residual trunk of all networks."""

from __future__ import annotations

from torch import Tensor, nn


class ResidualTrunk(nn.ModuleList):
    """A sequence of residual blocks, each adding its output to its input; shapes do not change."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply all blocks."""
        for block in self:
            x = x + block(x)
        return x


def axis_trunk(width: int, n_blocks: int, dropout: float) -> ResidualTrunk:
    """Build a trunk of convolutions along the tempo axis, with pre-activation blocks.

    Parameters
    ----------
    width : int
        Number of channels.
    n_blocks : int
    dropout : float

    Returns
    -------
    ResidualTrunk
        For tensors of shape=(batch, width, n_bins).
    """
    return ResidualTrunk(
        nn.Sequential(
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, width, 5, padding=2),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv1d(width, width, 1),
        )
        for _ in range(n_blocks)
    )


def axis_head(width: int, n_outputs: int) -> nn.Sequential:
    """Build the head of an `axis_trunk`, with output shape=(batch, n_outputs, n_bins)."""
    return nn.Sequential(nn.BatchNorm1d(width), nn.ReLU(), nn.Conv1d(width, n_outputs, 1))


def dilated_trunk(width: int, n_blocks: int) -> ResidualTrunk:
    """Build a trunk of convolutions over time, each block with twice the dilation of the previous one.

    Parameters
    ----------
    width : int
        Number of channels.
    n_blocks : int

    Returns
    -------
    ResidualTrunk
        For tensors of shape=(batch, width, n_frames).
    """
    return ResidualTrunk(
        nn.Sequential(
            nn.Conv1d(width, width, 3, padding=2**depth, dilation=2**depth),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        )
        for depth in range(n_blocks)
    )
