"""The tempo encoder: onset strength on a log-tempo axis, where a time-stretch is a shift.

The representation makes equivariance (Quinton 2022) structural: a stretch by `rate` moves every modulation by
``log2(rate)`` octaves, the trunk is convolutional along that axis, and only a small context path knows
the absolute tempo, which is what chooses the tempo octave.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# Of a tempo, where the trunk looks for its metrical levels: 2/3 and 4/3 are what three against two confuses.
MULTIPLES = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 1.0, 4 / 3, 3 / 2, 2.0, 3.0, 4.0, 6.0, 8.0)
# Half-bars of five and seven beats, and what takes their beat for the half-bar of a bar of four.
ODD_MULTIPLES = (2 / 7, 2 / 5, 5 / 2, 7 / 2)
# Channels of the time branch's patches. Multiples of 16 are what onnxruntime computes fastest.
_FIRST, _SECOND = 16, 32


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
    def multiples(self) -> tuple[float, ...]:
        """Of a tempo, where the trunk looks for its metrical levels."""
        return MULTIPLES + ODD_MULTIPLES if self.odd else MULTIPLES


class ModulationSpectrum(nn.Module):
    """Magnitude of onset curves at log-spaced modulation frequencies, stacked by harmonic.

    Input has shape=(batch, curves, n_frames / frame_step); output has
    shape=(batch, curves * multiples, n_bins).
    """

    def __init__(self, config: NetworkConfig, multiples: tuple[float, ...] | None = None) -> None:
        super().__init__()
        multiples = multiples or config.multiples
        n_frames, frame_rate = config.n_frames // config.frame_step, config.frame_rate / config.frame_step
        below = round(-math.log2(min(multiples)) * config.bins_per_octave)
        above = round(math.log2(max(multiples)) * config.bins_per_octave)
        bins = torch.arange(-below, config.n_bins + above, dtype=torch.float64)
        hertz = config.scale * config.min_bpm / 60.0 * 2.0 ** (bins / config.bins_per_octave)
        # Modulations that the frame rate cannot hold are left out, not folded back.
        kept = hertz < 0.48 * frame_rate
        time = torch.arange(n_frames, dtype=torch.float64)
        window = 0.5 - 0.5 * torch.cos(2.0 * math.pi * (time + 0.5) / n_frames)
        phase = 2.0 * math.pi * time[:, None] * hertz[None, kept] / frame_rate
        scale = window[:, None] * 2.0 / math.sqrt(n_frames)
        self.n_kept = int(kept.sum())
        self.basis: Tensor
        self.n_missing = len(bins) - self.n_kept
        # Small and exact in float32; kept out of checkpoints because it follows from the settings.
        basis = torch.cat([torch.cos(phase) * scale, torch.sin(phase) * scale], dim=1)
        self.register_buffer("basis", basis.float(), persistent=False)
        self.offsets = [round(math.log2(multiple) * config.bins_per_octave) + below for multiple in multiples]
        self.n_bins = config.n_bins
        self.frame_step = config.frame_step

    def forward(self, curves: Tensor) -> Tensor:
        """Project `curves` and stack the harmonics."""
        parts = curves @ self.basis  # (batch, curves, 2 * kept)
        real, imag = parts[..., : self.n_kept], parts[..., self.n_kept :]
        spectrum = torch.log1p(torch.sqrt(real * real + imag * imag + 1e-8))
        spectrum = nn.functional.pad(spectrum, (0, self.n_missing))
        return torch.cat([spectrum[..., first : first + self.n_bins] for first in self.offsets], dim=1)


def band_groups(n_mels: int, n_groups: int) -> Tensor:
    """Make the weights of the fixed onset curves: groups of neighbouring bands, and all of them.

    Returns
    -------
    Tensor of float32, shape=(n_mels, n_groups + 1)
    """
    groups = torch.zeros(n_mels, n_groups + 1)
    per_group = n_mels // n_groups
    for group in range(n_groups):
        groups[group * per_group : (group + 1) * per_group, group] = 1.0 / per_group
    groups[:, -1] = 1.0 / n_mels
    return groups


def onset_curves(log_mel: Tensor, groups: Tensor, *, frame_step: int) -> Tensor:
    """Compute the fixed onset-strength curves, shape=(batch, curves, n_frames / frame_step)."""
    rise = nn.functional.pad(torch.relu(log_mel[:, 1:] - log_mel[:, :-1]), (0, 0, 1, 0))
    if frame_step == 2:
        rise = rise[:, 0::2] + rise[:, 1::2]
    return (rise @ groups).transpose(1, 2)


def standardise(curves: Tensor) -> Tensor:
    """Bring every curve to mean 0 and deviation 1 over time; a flat curve becomes 0."""
    centred = curves - curves.mean(dim=-1, keepdim=True)
    deviation = torch.sqrt((centred * centred).mean(dim=-1, keepdim=True) + 1e-6)
    return centred / deviation


class TimeBlock(nn.Module):
    """Residual block of a temporal convolution, on frames-last-but-one input (batch, frames, channels).

    A depthwise dilated convolution is five shifted sums, and the rest are matrix products: several times
    faster on a CPU, forth and back, than convolutions with so few channels.
    """

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.norm = nn.BatchNorm1d(width)
        self.taps = nn.Parameter(torch.randn(5, width) / math.sqrt(5.0))
        self.widen = nn.Linear(width, 3 * width)
        self.narrow = nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Add to `x` what the block finds in it."""
        batch, n_frames, width = x.shape
        y = self.norm(x.reshape(-1, width)).reshape(batch, n_frames, width)
        padded = nn.functional.pad(y, (0, 0, 2 * self.dilation, 2 * self.dilation))
        shifts = [padded[:, tap * self.dilation : tap * self.dilation + n_frames] for tap in range(5)]
        y = sum((shift * self.taps[tap] for tap, shift in enumerate(shifts)), torch.zeros_like(y))
        found: Tensor = self.narrow(torch.relu(self.widen(y)))
        return x + found


class TimeBranch(nn.Module):
    """Learned onset curves: what to listen to, at half the frame rate.

    Input has shape=(batch, frames, n_mels); output is activations, shape=(batch, n_activations, frames / 2),
    and hidden features, shape=(batch, frames / 2, time_channels).
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.time_channels
        self.norm = nn.BatchNorm1d(1)
        # Patches of 3 frames by 6 bands, every 3 bands; then 3 neighbouring patches; then all that is left.
        self.n_patches = (config.n_mels - 6) // 3 + 1
        self.n_joined = self.n_patches // 3
        self.first = nn.Linear(18, _FIRST)
        self.second = nn.Linear(3 * _FIRST, _SECOND)
        self.gather = nn.Linear(_SECOND * self.n_joined, width)
        self.blocks = nn.ModuleList(TimeBlock(width, 2**depth) for depth in range(config.time_blocks))
        self.last = nn.Linear(width, config.n_activations)

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
        self.spectrum = ModulationSpectrum(config)
        if config.n_activations:
            self.branch = TimeBranch(config)
        width = config.channels
        self.stem = nn.Conv1d((n_curves + config.n_activations) * len(config.multiples), width, 1)
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
        self.head = nn.Sequential(nn.BatchNorm1d(width), nn.ReLU(), nn.Conv1d(width, 1, 1))
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
        x = self.stem(stacked)
        for block in self.blocks:
            x = x + block(x)
        logits, summary = self.head(x)[:, 0], [x.mean(dim=-1), x.amax(dim=-1)]
        if not self.config.context:
            return logits, torch.zeros_like(logits), torch.cat(summary, dim=1)
        embedding = self.context(torch.cat([*summary, *heard], dim=1))
        return logits, self.octave(embedding), embedding
