"""The tempo encoder: onset strength on a log-tempo axis, where a time-stretch is a shift.

The network is equivariant (Quinton 2022) by construction: a stretch by `rate` moves every modulation by
``log2(rate)`` octaves, and the trunk is convolutional along that axis. Only a small context path knows the
absolute tempo; it selects the tempo octave.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tempocli.training.layers.modulation import (
    ModulationAxis,
    ModulationSpectrum,
    band_groups,
    onset_curves,
    standardise,
)
from tempocli.training.layers.residual import axis_head, axis_trunk
from tempocli.training.layers.time_branch import TimeBranch

# Multiples of a tempo at which the trunk reads its metrical levels; 2/3 and 4/3 resolve three against two.
MULTIPLES = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 1.0, 4 / 3, 3 / 2, 2.0, 3.0, 4.0, 6.0, 8.0)
# Half-bars of five and seven beats, and the inverse, where the beat is mistaken for a half-bar.
ODD_MULTIPLES = (2 / 7, 2 / 5, 5 / 2, 7 / 2)


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes of the network; the defaults are the shipped model's.

    Attributes
    ----------
    n_frames : int
        Number of frames in a window.
    n_mels : int
        Number of mel bands.
    frame_rate : float
        Frame rate in Hz.
    n_bins : int
        Number of bins of the tempo axis; bin ``k`` is at ``min_bpm * 2 ** (k / bins_per_octave)``.
    bins_per_octave : int
        Resolution of the tempo axis.
    min_bpm : float
        Tempo of bin 0, in BPM.
    scale : float
        Factor between a tempo and the modulation frequency at its bin; not 1 if the scale was set after
        training (`tempocli.training.tempo.scale`).
    frame_step : int
        Number of frames that the modulation spectrum merges into one, 1 or 2. 2 is enough for the important
        modulations; 1 also covers the fastest multiples of fast tempi, whose absence would reveal the
        absolute tempo.
    n_groups : int
        Number of fixed onset-strength curves, each of neighbouring bands; their mean is added as one more.
    n_activations : int
        Number of learned onset curves; 0 for no time branch.
    channels, n_blocks : int
        Width and depth of the trunk.
    time_channels, time_blocks : int
        Width and depth of the time branch.
    embedding_dim : int
        Length of the embedding.
    dropout, context_dropout : float
        Dropout in the trunk, and in the context path, which would otherwise overfit to the synthesiser.
    context : bool
        Whether there is a context path. Without it the network does not know the absolute tempo, and the
        embedding is the pooled output of the trunk, of length `2 * channels`.
    odd : bool
        Whether the trunk also reads the metrical levels of five and seven beats.
    scalar : bool
        Whether the network is `tempocli.training.tempo.scalar.ScalarNetwork`.
    """

    n_frames: int = 1024
    n_mels: int = 40
    frame_rate: float = 22050 / 256
    n_bins: int = 160
    bins_per_octave: int = 48
    min_bpm: float = 30.0
    scale: float = 1.0
    frame_step: int = 2
    n_groups: int = 8
    n_activations: int = 8
    channels: int = 64
    n_blocks: int = 3
    time_channels: int = 32
    time_blocks: int = 7
    embedding_dim: int = 128
    dropout: float = 0.1
    context_dropout: float = 0.1
    context: bool = True
    odd: bool = False
    scalar: bool = False

    @property
    def axis(self) -> ModulationAxis:
        """The axis of the modulation spectrum."""
        return ModulationAxis(
            n_frames=self.n_frames,
            frame_rate=self.frame_rate,
            n_bins=self.n_bins,
            bins_per_octave=self.bins_per_octave,
            min_bpm=self.min_bpm,
            multiples=MULTIPLES + ODD_MULTIPLES if self.odd else MULTIPLES,
            frame_step=self.frame_step,
            scale=self.scale,
        )


class TempoNetwork(nn.Module):
    """Network from log-mel windows to tempo logits and an embedding.

    Parameters
    ----------
    config : NetworkConfig
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.groups: Tensor
        n_curves = config.n_groups + 1
        self.register_buffer("groups", band_groups(config.n_mels, config.n_groups), persistent=False)
        self.spectrum = ModulationSpectrum(config.axis)
        if config.n_activations:
            self.branch = TimeBranch(
                n_mels=config.n_mels,
                width=config.time_channels,
                n_blocks=config.time_blocks,
                n_activations=config.n_activations,
            )
        width = config.channels
        self.stem = nn.Conv1d((n_curves + config.n_activations) * len(config.axis.multiples), width, 1)
        self.blocks = axis_trunk(width, config.n_blocks, config.dropout)
        self.head = axis_head(width, 1)
        if config.context:
            n_context = 2 * width + (2 * config.time_channels if config.n_activations else 0)
            # Batch normalisation per feature: normalised within a window, the features common to all music
            # would dominate those that differ between pieces, and the context would learn nothing.
            self.context = nn.Sequential(
                nn.BatchNorm1d(n_context),
                nn.Dropout(config.context_dropout),
                nn.Linear(n_context, config.embedding_dim),
                nn.BatchNorm1d(config.embedding_dim),
                nn.ReLU(),
                nn.Dropout(config.context_dropout),
            )
            self.octave = nn.Linear(config.embedding_dim, config.n_bins)

    def forward(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Encode windows.

        Parameters
        ----------
        log_mel : Tensor of float32, shape=(batch, n_frames, n_mels)

        Returns
        -------
        logits : Tensor of float32, shape=(batch, n_bins)
        embedding : Tensor of float32, shape=(batch, embedding_dim)
        """
        logits, octave, embedding = self.parts(log_mel)
        return logits + octave, embedding

    def parts(self, log_mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode windows, with the contribution of the context to the logits returned separately.

        Returns
        -------
        logits : Tensor of float32, shape=(batch, n_bins)
            Logits without the context, independent of the absolute tempo.
        octave : Tensor of float32, shape=(batch, n_bins)
            Contribution of the context; zeros without a context path.
        embedding : Tensor of float32, shape=(batch, embedding_dim)
        """
        curves = onset_curves(log_mel, self.groups, frame_step=self.config.frame_step)
        heard = []
        if self.config.n_activations:
            activations, hidden = self.branch(log_mel)
            curves = torch.cat([curves, activations], dim=1)
            heard = [hidden.mean(dim=1), hidden.amax(dim=1)]
        stacked = self.spectrum(standardise(curves))
        x = self.blocks(self.stem(stacked))
        logits, summary = self.head(x)[:, 0], [x.mean(dim=-1), x.amax(dim=-1)]
        if not self.config.context:
            return logits, torch.zeros_like(logits), torch.cat(summary, dim=1)
        embedding = self.context(torch.cat([*summary, *heard], dim=1))
        return logits, self.octave(embedding), embedding
