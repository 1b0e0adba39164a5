"""The comparator: it embeds windows, and a symmetric network compares two embeddings.

Its inputs are maps along a log-tempo axis (`tempocli.training.comparator.inputs`), on which a time-stretch is
a shift. Two windows have the same tempo if their maps have the same position, whatever their shapes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tempocli.training.comparator.inputs import ComparatorInput, SpectrumInput
from tempocli.training.layers.residual import axis_head, axis_trunk


@dataclass(frozen=True, slots=True)
class ComparatorConfig:
    """Sizes of the comparator.

    Attributes
    ----------
    n_frames, n_mels : int
        Shape of a window.
    frame_rate : float
        Frame rate in Hz.
    n_bins, bins_per_octave, min_bpm
        The axis of the modulation spectrum, wider than the tempo range so that nothing is lost at its ends.
    n_groups : int
        Number of onset-strength curves of neighbouring bands; their mean is added as one more.
    channels, n_blocks : int
        Width and depth of the convolutions along the axis.
    maps : int
        Output channels of the convolutions; the embedding is a projection of the output.
    embedding_dim, pair_dim : int
        Length of an embedding, and width of the pair network.
    dropout : float
    """

    n_frames: int = 1024
    n_mels: int = 40
    frame_rate: float = 22050 / 256
    n_bins: int = 176
    bins_per_octave: int = 48
    min_bpm: float = 27.0
    n_groups: int = 8
    channels: int = 48
    n_blocks: int = 3
    maps: int = 6
    embedding_dim: int = 128
    pair_dim: int = 64
    dropout: float = 0.1


class PairNetwork(nn.Module):
    """Log-odds that two embeddings have the same tempo; exactly symmetric.

    Its inputs are the sum, the absolute difference and the product of the two, which do not depend on order.
    """

    def __init__(self, embedding_dim: int, width: int) -> None:
        super().__init__()
        self.both = nn.Linear(embedding_dim, width, bias=False)
        self.difference = nn.Linear(embedding_dim, width)
        self.product = nn.Linear(embedding_dim, width, bias=False)
        self.rest = nn.Sequential(
            nn.GELU(), nn.Linear(width, width // 2), nn.GELU(), nn.Linear(width // 2, 1)
        )

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Compare embeddings of broadcastable shapes (..., embedding_dim); the result lacks the last axis."""
        # Project before broadcasting the sum, which makes a table of pairs a third cheaper.
        hidden = (self.both(a) + self.both(b)) + self.difference(torch.abs(a - b)) + self.product(a * b)
        log_odds: Tensor = self.rest(hidden)
        return log_odds[..., 0]


class RatioHead(nn.Module):
    """Log-odds that two embeddings of different tempi are an octave apart, and that the second is faster."""

    def __init__(self, embedding_dim: int, width: int) -> None:
        super().__init__()
        self.octave = PairNetwork(embedding_dim, width)
        self.speed = nn.Sequential(nn.Linear(embedding_dim, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log-odds that the tempi are an octave apart (symmetric), and that `b` is faster."""
        return self.octave(a, b), (self.speed(b) - self.speed(a))[..., 0]


class AxisTrunk(nn.Module):
    """Convolutions along the tempo axis, with flattened output of shape=(batch, maps * n_bins).

    Parameters
    ----------
    source : ComparatorInput
        Computes the first maps from log-mel windows.
    config : ComparatorConfig
    """

    def __init__(self, source: ComparatorInput, config: ComparatorConfig) -> None:
        super().__init__()
        self.source = source
        width = config.channels
        self.stem = nn.Conv1d(source.n_channels, width, 1)
        self.blocks = axis_trunk(width, config.n_blocks, config.dropout)
        self.head = axis_head(width, config.maps)
        self.n_features = config.maps * source.n_bins

    def forward(self, log_mel: Tensor) -> Tensor:
        """Compute the maps."""
        maps: Tensor = self.head(self.blocks(self.stem(self.source(log_mel))))
        return maps.flatten(1)


class ComparatorNetwork(nn.Module):
    """Network from windows to embeddings, and from pairs of embeddings to log-odds, in one graph.

    Parameters
    ----------
    config : ComparatorConfig
    source : ComparatorInput, optional
        Input of the network; by default the modulation spectrum.
    ratios : bool
        Whether to add a head for tempi an octave apart; see `RatioHead`.
    """

    def __init__(
        self, config: ComparatorConfig, source: ComparatorInput | None = None, *, ratios: bool = False
    ) -> None:
        super().__init__()
        self.config = config
        self.trunk = AxisTrunk(source or SpectrumInput(config), config)
        self.project = nn.Sequential(
            nn.BatchNorm1d(self.trunk.n_features),
            nn.Dropout(config.dropout),
            nn.Linear(self.trunk.n_features, config.embedding_dim),
            nn.LayerNorm(config.embedding_dim),
        )
        self.pair = PairNetwork(config.embedding_dim, config.pair_dim)
        if ratios:
            self.ratio = RatioHead(config.embedding_dim, config.pair_dim)

    def embed(self, log_mel: Tensor) -> Tensor:
        """Embed windows, shape=(batch, n_frames, n_mels), to shape=(batch, embedding_dim)."""
        embedding: Tensor = self.project(self.trunk(log_mel))
        return embedding

    def forward(self, log_mel: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Embed windows, and compare all pairs of embeddings; the two outputs are independent.

        Parameters
        ----------
        log_mel : Tensor of float32, shape=(batch, n_frames, n_mels)
        a : Tensor of float32, shape=(n_a, embedding_dim)
        b : Tensor of float32, shape=(n_b, embedding_dim)

        Returns
        -------
        embedding : Tensor of float32, shape=(batch, embedding_dim)
        log_odds : Tensor of float32, shape=(n_a, n_b)
            Log-odds of the same tempo.
        """
        return self.embed(log_mel), self.pair(a[:, None], b[None])
