"""Onset-strength curves and their modulation spectrum on a log-tempo axis.

On this axis, a time-stretch of the audio is a shift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class ModulationAxis:
    """The log-tempo axis of a modulation spectrum.

    Attributes
    ----------
    n_frames : int
        Number of frames in a window.
    frame_rate : float
        Frame rate in Hz.
    n_bins : int
        Number of bins; bin ``k`` is at ``min_bpm * 2 ** (k / bins_per_octave)``.
    bins_per_octave : int
        Resolution of the axis.
    min_bpm : float
        Tempo of bin 0, in BPM.
    multiples : tuple of float
        Multiples of each bin's tempo that are stacked: its metrical levels.
    frame_step : int
        Number of frames merged into one, 1 or a power of two.
    scale : float
        Factor between a tempo and the modulation frequency at its bin.
    """

    n_frames: int
    frame_rate: float
    n_bins: int
    bins_per_octave: int
    min_bpm: float
    multiples: tuple[float, ...]
    frame_step: int = 2
    scale: float = 1.0


class ModulationSpectrum(nn.Module):
    """Magnitude spectrum of onset curves at log-spaced modulation frequencies, stacked by multiple.

    Parameters
    ----------
    axis : ModulationAxis

    Notes
    -----
    Input has shape=(batch, curves, n_frames / frame_step); output has
    shape=(batch, curves * multiples, n_bins).
    """

    def __init__(self, axis: ModulationAxis) -> None:
        super().__init__()
        multiples = axis.multiples
        n_frames, frame_rate = axis.n_frames // axis.frame_step, axis.frame_rate / axis.frame_step
        below = round(-math.log2(min(multiples)) * axis.bins_per_octave)
        above = round(math.log2(max(multiples)) * axis.bins_per_octave)
        bins = torch.arange(-below, axis.n_bins + above, dtype=torch.float64)
        hertz = axis.scale * axis.min_bpm / 60.0 * 2.0 ** (bins / axis.bins_per_octave)
        # Modulations near or above the Nyquist frequency are left out to avoid aliasing.
        kept = hertz < 0.48 * frame_rate
        time = torch.arange(n_frames, dtype=torch.float64)
        window = 0.5 - 0.5 * torch.cos(2.0 * math.pi * (time + 0.5) / n_frames)
        phase = 2.0 * math.pi * time[:, None] * hertz[None, kept] / frame_rate
        scale = window[:, None] * 2.0 / math.sqrt(n_frames)
        self.n_kept = int(kept.sum())
        self.basis: Tensor
        self.n_missing = len(bins) - self.n_kept
        # Not stored in checkpoints, because it is computed from the settings; float32 is precise enough.
        basis = torch.cat([torch.cos(phase) * scale, torch.sin(phase) * scale], dim=1)
        self.register_buffer("basis", basis.float(), persistent=False)
        self.offsets = [round(math.log2(multiple) * axis.bins_per_octave) + below for multiple in multiples]
        self.n_bins = axis.n_bins
        self.frame_step = axis.frame_step

    def forward(self, curves: Tensor) -> Tensor:
        """Compute the spectrum of `curves`."""
        parts = curves @ self.basis  # (batch, curves, 2 * kept)
        real, imag = parts[..., : self.n_kept], parts[..., self.n_kept :]
        spectrum = torch.log1p(torch.sqrt(real * real + imag * imag + 1e-8))
        spectrum = nn.functional.pad(spectrum, (0, self.n_missing))
        return torch.cat([spectrum[..., first : first + self.n_bins] for first in self.offsets], dim=1)


def band_groups(n_mels: int, n_groups: int) -> Tensor:
    """Return the weights of the fixed onset curves: groups of neighbouring bands, and all bands together.

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
    """Scale each curve to mean 0 and standard deviation 1 over time; a constant curve becomes 0."""
    centred = curves - curves.mean(dim=-1, keepdim=True)
    deviation = torch.sqrt((centred * centred).mean(dim=-1, keepdim=True) + 1e-6)
    return centred / deviation
