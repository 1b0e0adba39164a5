"""The comparator (S2): an embedding of a window, and a symmetric network that says whether two share a tempo.

The input is the log-tempo modulation spectrum and no learned encoder: there a stretch is a shift, so the
question *same or different?* is whether two spectra lie at the same place, whatever their shapes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tempocli.training.network import (
    ModulationSpectrum,
    NetworkConfig,
    band_groups,
    onset_curves,
    standardise,
)

# Of a tempo, where its metrical levels are looked for. The encoder has two more; the model that ships, these.
_MULTIPLES = (1 / 4, 1 / 3, 1 / 2, 1.0, 3 / 2, 2.0, 3.0, 4.0, 6.0, 8.0)


@dataclass(frozen=True, slots=True)
class ComparatorConfig:
    """Sizes of the comparator.

    Attributes
    ----------
    n_frames, n_mels : int
        Shape of a window.
    frame_rate : float
        Frames a second, in Hz.
    n_bins, bins_per_octave, min_bpm
        The axis on which the spectrum is read, wider than tempo itself so that nothing falls off its ends.
    n_groups : int
        Onset-strength curves of neighbouring bands; their mean is one more.
    channels, n_blocks : int
        Width and depth of the convolutions along the axis.
    maps : int
        Channels of the convolutions' output, which the embedding is a projection of.
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
    """Log-odds that two embeddings are of the same tempo; exactly symmetric.

    It sees the sum, the absolute difference and the product of the two, none of which knows an order.
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
        """Compare; shapes (..., embedding_dim) that broadcast, result without the last axis."""
        # The sum is projected before it is broadcast, which makes a table of pairs a third cheaper.
        hidden = (self.both(a) + self.both(b)) + self.difference(torch.abs(a - b)) + self.product(a * b)
        log_odds: Tensor = self.rest(hidden)
        return log_odds[..., 0]


class SpectrumTrunk(nn.Module):
    """Log-mel windows to feature maps along the tempo axis, shape=(batch, maps * n_bins)."""

    def __init__(self, config: ComparatorConfig) -> None:
        super().__init__()
        axis = NetworkConfig(
            n_frames=config.n_frames,
            n_mels=config.n_mels,
            frame_rate=config.frame_rate,
            n_bins=config.n_bins,
            bins_per_octave=config.bins_per_octave,
            min_bpm=config.min_bpm,
        )
        self.groups: Tensor
        self.register_buffer("groups", band_groups(config.n_mels, config.n_groups), persistent=False)
        self.spectrum = ModulationSpectrum(axis, _MULTIPLES)
        width = config.channels
        self.stem = nn.Conv1d((config.n_groups + 1) * len(_MULTIPLES), width, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.Conv1d(width, width, 5, padding=2),
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.Dropout(config.dropout),
                nn.Conv1d(width, width, 1),
            )
            for _ in range(config.n_blocks)
        )
        self.head = nn.Sequential(nn.BatchNorm1d(width), nn.ReLU(), nn.Conv1d(width, config.maps, 1))
        self.n_features = config.maps * config.n_bins

    def forward(self, log_mel: Tensor) -> Tensor:
        """Compute the maps."""
        x = self.stem(
            self.spectrum(
                standardise(onset_curves(log_mel, self.groups, frame_step=self.spectrum.frame_step))
            )
        )
        for block in self.blocks:
            x = x + block(x)
        maps: Tensor = self.head(x)
        return maps.flatten(1)


class ComparatorNetwork(nn.Module):
    """Windows to embeddings, and pairs of embeddings to log-odds, in one graph.

    Parameters
    ----------
    config : ComparatorConfig
    """

    def __init__(self, config: ComparatorConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = SpectrumTrunk(config)
        self.project = nn.Sequential(
            nn.BatchNorm1d(self.trunk.n_features),
            nn.Dropout(config.dropout),
            nn.Linear(self.trunk.n_features, config.embedding_dim),
            nn.LayerNorm(config.embedding_dim),
        )
        self.pair = PairNetwork(config.embedding_dim, config.pair_dim)

    def embed(self, log_mel: Tensor) -> Tensor:
        """Embed windows, shape=(batch, n_frames, n_mels), to shape=(batch, embedding_dim)."""
        embedding: Tensor = self.project(self.trunk(log_mel))
        return embedding

    def forward(self, log_mel: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Embed windows, and compare embeddings each with each; the two have nothing to do with each other.

        Parameters
        ----------
        log_mel : Tensor of float32, shape=(batch, n_frames, n_mels)
        a : Tensor of float32, shape=(n_a, embedding_dim)
        b : Tensor of float32, shape=(n_b, embedding_dim)

        Returns
        -------
        embedding : Tensor of float32, shape=(batch, embedding_dim)
        log_odds : Tensor of float32, shape=(n_a, n_b)
            Of the same tempo.
        """
        return self.embed(log_mel), self.pair(a[:, None], b[None])
