"""The network of Quinton 2022: one number that is proportional to the tempo."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn

from tempocli.training.tempo.network import NetworkConfig, TempoNetwork

HIDDEN = 16
REFERENCE_BPM = 100.0  # the tempo of an output of 1, before the scale is set
_WIDTH = 1.5  # bins: standard deviation of the distribution around the tempo
_KERNEL = 5
_DILATIONS = tuple(2**k for k in range(10))


class ScalarNetwork(nn.Module):
    """Temporal convolutions from log-mel windows to one number without a scale (after Boeck and Davies 2020).

    Whatever takes distributions gets a narrow one around the tempo that the number means. The number is not
    kept from being negative or near 0, as in the paper.

    Parameters
    ----------
    config : NetworkConfig
        Of the sizes, only those of the window, the axis and the scale are used; the embedding has the length
        `HIDDEN`.

    References
    ----------
    Quinton, "Equivariant self-supervision for musical tempo estimation", ISMIR 2022.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.norm = nn.BatchNorm2d(1)
        self.bands = nn.Sequential(
            nn.Conv2d(1, HIDDEN, 3, padding=1),
            nn.ELU(),
            nn.MaxPool2d((1, 3)),
            nn.Conv2d(HIDDEN, HIDDEN, 3, padding=1),
            nn.ELU(),
            nn.MaxPool2d((1, 3)),
            nn.Conv2d(HIDDEN, HIDDEN, (1, config.n_mels // 9)),
            nn.ELU(),
        )
        self.blocks = nn.ModuleList(_Block(dilation) for dilation in _DILATIONS)
        self.hidden = nn.Linear(HIDDEN, HIDDEN)
        self.last = nn.Linear(HIDDEN, 1)
        bins = torch.arange(config.n_bins, dtype=torch.float32)
        self.bins: Tensor
        self.register_buffer("bins", bins, persistent=False)

    def forward(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Encode windows, shape=(batch, n_frames, n_mels), to logits and embedding."""
        logits, _, embedding = self.parts(log_mel)
        return logits, embedding

    def parts(self, log_mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode windows, as `TempoNetwork.parts` does; there is no context."""
        x = self.bands(self.norm(log_mel[:, None]))[..., 0]
        for block in self.blocks:
            x = block(x)
        embedding: Tensor = self.hidden(nn.functional.elu(x).mean(dim=-1))
        place = self.place(self.scalar(embedding)).clamp(0.0, self.config.n_bins - 1.0)
        # Limited, so that rounding stays small far from the tempo.
        logits = -0.5 * ((self.bins - place[:, None]) / _WIDTH).clamp(-6.0, 6.0) ** 2
        return logits, torch.zeros_like(logits), embedding

    def scalar(self, embedding: Tensor) -> Tensor:
        """Return the number of each window, shape=(batch,), from its embedding."""
        number: Tensor = self.last(nn.functional.elu(embedding))[:, 0]
        return number

    def place(self, scalar: Tensor) -> Tensor:
        """Return the place of numbers on the tempo axis, in bins, which may lie outside; the sign is lost."""
        config = self.config
        bpm = REFERENCE_BPM * scalar.abs().clamp(min=1e-6)
        return torch.log2(bpm / (config.min_bpm * config.scale)) * config.bins_per_octave


class _Block(nn.Module):
    def __init__(self, dilation: int) -> None:
        super().__init__()
        reach = dilation * (_KERNEL - 1) // 2
        self.conv = nn.Conv1d(HIDDEN, HIDDEN, _KERNEL, padding=reach, dilation=dilation)
        self.mix, self.past = nn.Conv1d(HIDDEN, HIDDEN, 1), nn.Conv1d(HIDDEN, HIDDEN, 1)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.past(x) + self.mix(nn.functional.elu(self.conv(x)))
        return found


AnyTempo: TypeAlias = TempoNetwork | ScalarNetwork


def build_tempo(config: NetworkConfig) -> AnyTempo:
    """Build the network of a recipe of kind ``tempo`` with initial weights."""
    return ScalarNetwork(config) if config.scalar else TempoNetwork(config)
