"""Inputs of the comparator: maps along a log-tempo axis, on which a time-stretch is a shift.

Two inputs have no encoder. The others have a pretrained encoder with frozen weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad

from tempocli.training.layers.modulation import (
    ModulationAxis,
    ModulationSpectrum,
    band_groups,
    onset_curves,
    standardise,
)
from tempocli.training.layers.time_branch import TimeBranch

if TYPE_CHECKING:
    from tempocli.training.contrastive.network import ContrastiveNetwork
    from tempocli.training.tempo.network import TempoNetwork

# Multiples of a tempo for its metrical levels; the tempo encoder has two more than the comparator.
_MULTIPLES = (1 / 4, 1 / 3, 1 / 2, 1.0, 3 / 2, 2.0, 3.0, 4.0, 6.0, 8.0)
_ACTIVATIONS = 8  # learned onset curves
# Strides of the contrastive encoder to keep: 21.5 frames/s cover all tempi, and multiples up to 620 BPM.
_KEPT_HALVINGS = 2


class AxisConfig(Protocol):
    """Sizes of the inputs; see `tempocli.training.comparator.network.ComparatorConfig`."""

    @property
    def n_frames(self) -> int: ...  # noqa: D102
    @property
    def n_mels(self) -> int: ...  # noqa: D102
    @property
    def frame_rate(self) -> float: ...  # noqa: D102
    @property
    def n_bins(self) -> int: ...  # noqa: D102
    @property
    def bins_per_octave(self) -> int: ...  # noqa: D102
    @property
    def min_bpm(self) -> float: ...  # noqa: D102
    @property
    def n_groups(self) -> int: ...  # noqa: D102


class ComparatorInput(nn.Module):
    """Module from log-mel windows to maps along the tempo axis, shape=(batch, n_channels, n_bins).

    Attributes
    ----------
    n_channels, n_bins : int
    """

    n_channels: int
    n_bins: int


class SpectrumInput(ComparatorInput):
    """The log-tempo modulation spectrum of fixed onset curves, without an encoder."""

    def __init__(self, config: AxisConfig) -> None:
        super().__init__()
        self.groups: Tensor
        self.register_buffer("groups", band_groups(config.n_mels, config.n_groups), persistent=False)
        self.spectrum = _spectrum(config, frame_step=2)
        self.n_channels, self.n_bins = (config.n_groups + 1) * len(_MULTIPLES), config.n_bins

    def forward(self, log_mel: Tensor) -> Tensor:
        """Compute the maps."""
        curves = onset_curves(log_mel, self.groups, frame_step=self.spectrum.frame_step)
        maps: Tensor = self.spectrum(standardise(curves))
        return maps


class LearnedInput(ComparatorInput):
    """The modulation spectrum of fixed onset curves and of curves learned from the pairs.

    Parameters
    ----------
    config : AxisConfig
    """

    def __init__(self, config: AxisConfig) -> None:
        super().__init__()
        self.groups: Tensor
        self.register_buffer("groups", band_groups(config.n_mels, config.n_groups), persistent=False)
        self.branch = TimeBranch(n_mels=config.n_mels, width=32, n_blocks=7, n_activations=_ACTIVATIONS)
        self.spectrum = _spectrum(config, frame_step=2)
        n_curves = config.n_groups + 1 + _ACTIVATIONS
        self.n_channels, self.n_bins = n_curves * len(_MULTIPLES), config.n_bins

    def forward(self, log_mel: Tensor) -> Tensor:
        """Compute the maps."""
        fixed = onset_curves(log_mel, self.groups, frame_step=self.spectrum.frame_step)
        learned, _ = self.branch(log_mel)
        maps: Tensor = self.spectrum(standardise(torch.cat([fixed, learned], dim=1)))
        return maps


class _Frozen(ComparatorInput):
    """An input with a frozen encoder: neither its weights nor its running statistics change."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all modules except the encoder."""
        super().train(mode)
        self.encoder.eval()
        return self


class EquivariantInput(_Frozen):
    """The last maps along the tempo axis of the network of the recipe `equivariant`.

    Its embedding cannot be used here: it is their mean and maximum over the axis, which lose the position.

    Parameters
    ----------
    encoder : TempoNetwork
        Without a time branch and without a context path.
    """

    encoder: TempoNetwork

    def __init__(self, encoder: TempoNetwork) -> None:
        super().__init__(encoder)
        self.n_channels, self.n_bins = encoder.config.channels, encoder.config.n_bins

    def forward(self, log_mel: Tensor) -> Tensor:
        """Compute the maps."""
        encoder = self.encoder
        curves = onset_curves(log_mel, encoder.groups, frame_step=encoder.config.frame_step)
        x = encoder.blocks(encoder.stem(encoder.spectrum(standardise(curves))))
        maps: Tensor = encoder.head[:-1](x)
        return maps


class ContrastiveInput(_Frozen):
    """The modulation spectrum of a contrastive encoder's last features over time.

    The embedding itself is their mean and maximum over time, which lose all timing. The features are combined
    into `n_groups` + 1 curves with learned weights.

    Parameters
    ----------
    encoder : ContrastiveNetwork
    config : AxisConfig
    """

    encoder: ContrastiveNetwork

    def __init__(self, encoder: ContrastiveNetwork, config: AxisConfig) -> None:
        super().__init__(encoder)
        n_curves = config.n_groups + 1
        self.groups = nn.Linear(encoder.config.channels[-1], n_curves, bias=False)
        self.spectrum = _spectrum(config, frame_step=2**_KEPT_HALVINGS)
        self.n_channels, self.n_bins = n_curves * len(_MULTIPLES), config.n_bins

    def forward(self, log_mel: Tensor) -> Tensor:
        """Compute the maps."""
        features = dense_features(self.encoder, log_mel, _KEPT_HALVINGS)
        rise = pad(torch.relu(features[..., 1:] - features[..., :-1]), (1, 0))
        maps: Tensor = self.spectrum(standardise(self.groups(rise.transpose(1, 2)).transpose(1, 2)))
        return maps


def _spectrum(config: AxisConfig, *, frame_step: int) -> ModulationSpectrum:
    return ModulationSpectrum(
        ModulationAxis(
            n_frames=config.n_frames,
            frame_rate=config.frame_rate,
            n_bins=config.n_bins,
            bins_per_octave=config.bins_per_octave,
            min_bpm=config.min_bpm,
            multiples=_MULTIPLES,
            frame_step=frame_step,
        )
    )


def dense_features(encoder: ContrastiveNetwork, log_mel: Tensor, halvings: int) -> Tensor:
    """Compute a contrastive encoder's features before pooling, at a higher frame rate than its own.

    The strides after the first `halvings` become dilations: the same features, at more positions in time.

    Parameters
    ----------
    encoder : ContrastiveNetwork
    log_mel : Tensor of float32, shape=(batch, n_frames, n_mels)
    halvings : int

    Returns
    -------
    Tensor of float32, shape=(batch, channels, n_frames / 2**halvings)
    """
    dilation, done = 1, 0

    def follow(layers: nn.Module, x: Tensor) -> Tensor:
        nonlocal dilation, done
        for layer in layers.children():
            if not isinstance(layer, nn.Conv1d):
                x = layer(x)
                continue
            kept = layer.stride[0] == 2 and done < halvings
            spread = layer.dilation[0] * dilation
            x = conv1d(
                x,
                layer.weight,
                layer.bias,
                stride=2 if kept else 1,
                padding=spread * (layer.kernel_size[0] // 2),
                dilation=spread,
            )
            done += kept
            dilation *= layer.stride[0] // (2 if kept else 1)
        return x

    x = follow(encoder.stem, log_mel.transpose(1, 2))
    for block in encoder.blocks:
        x = x + follow(block, x)
    return x
