"""The tempo encoder: onset strength on a log-tempo axis, where a time-stretch is a shift.

The representation makes equivariance (Quinton 2022) structural: a stretch by `rate` moves every modulation by
``log2(rate)`` octaves, the trunk is convolutional along that axis, and only a small context path knows
the absolute tempo, which is what chooses the tempo octave.
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

# Of a tempo, where the trunk looks for its metrical levels: 2/3 and 4/3 are what three against two confuses.
MULTIPLES = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 1.0, 4 / 3, 3 / 2, 2.0, 3.0, 4.0, 6.0, 8.0)
# Half-bars of five and seven beats, and what takes their beat for the half-bar of a bar of four.
ODD_MULTIPLES = (2 / 7, 2 / 5, 5 / 2, 7 / 2)


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes of the network; the defaults are the shipped model's.

    Attributes
    ----------
    n_frames : int
        Frames of one window.
    n_mels : int
        Mel bands.
    frame_rate : float
        Frames a second, in Hz.
    n_bins : int
        Bins of the tempo axis; bin ``k`` is ``min_bpm * 2 ** (k / bins_per_octave)``.
    bins_per_octave : int
        Resolution of the tempo axis.
    min_bpm : float
        Tempo of bin 0.
    scale : float
        Factor between a tempo and the modulation frequency at its bin; other than 1 in a network whose
        scale has been set after its training (`tempocli.training.tempo.scale`).
    frame_step : int
        Frames that the modulation spectrum takes as one, 1 or 2. Two hold the modulations that matter; one
        holds the fastest multiples of fast tempi as well, whose absence would tell the absolute tempo.
    n_groups : int
        Fixed onset-strength curves, each of neighbouring bands; their mean is one more.
    n_activations : int
        Learned onset curves; 0 leaves the time branch out.
    channels, n_blocks : int
        Width and depth of the trunk.
    time_channels, time_blocks : int
        Width and depth of the time branch.
    embedding_dim : int
        Length of the embedding.
    dropout, context_dropout : float
        In the trunk, and in the context path, which would else learn the synthesiser by heart.
    context : bool
        Whether there is a context path. Without it nothing knows the absolute tempo, and the embedding is
        what the trunk holds, `2 * channels` long.
    odd : bool
        Whether the trunk also looks at the metrical levels of five and seven beats.
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
    """Log-mel windows to tempo logits and an embedding.

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
            # Normalised over the batch, feature by feature: within one window, what all music has in common
            # would drown what tells pieces apart, and the context would die of it.
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
        """Encode windows, with what the context adds to the logits kept apart.

        Returns
        -------
        logits : Tensor of float32, shape=(batch, n_bins)
            Without the context: what knows no absolute tempo.
        octave : Tensor of float32, shape=(batch, n_bins)
            What the context adds; zeros where there is none.
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
