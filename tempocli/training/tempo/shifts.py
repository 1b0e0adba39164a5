"""Shifting and folding of distributions on a log-tempo axis, where a shift is a change of tempo."""

from __future__ import annotations

import torch
from torch import Tensor


def fold(probabilities: Tensor, bins_per_octave: int) -> Tensor:
    """Fold a tempo distribution into one octave.

    Parameters
    ----------
    probabilities : Tensor of float32, shape=(batch, n_bins)
    bins_per_octave : int
        Resolution of the tempo axis.

    Returns
    -------
    Tensor of float32, shape=(batch, bins_per_octave)
    """
    batch, n_bins = probabilities.shape
    n_octaves = -(-n_bins // bins_per_octave)
    padded = torch.nn.functional.pad(probabilities, (0, n_octaves * bins_per_octave - n_bins))
    return padded.reshape(batch, n_octaves, bins_per_octave).sum(dim=1)


def roll(folded: Tensor, shift: Tensor) -> Tensor:
    """Shift folded distributions along their circular axis by fractional bins, row by row.

    Parameters
    ----------
    folded : Tensor of float32, shape=(batch, bins_per_octave)
    shift : Tensor of float32, shape=(batch,)
        In bins; positive is faster.

    Returns
    -------
    Tensor of float32, shape=(batch, bins_per_octave)
    """
    n_bins = folded.shape[1]
    whole = torch.floor(shift)
    part = (shift - whole)[:, None]
    places = torch.arange(n_bins, device=folded.device)[None, :] - whole.long()[:, None]
    low = folded.gather(1, places % n_bins)
    high = folded.gather(1, (places - 1) % n_bins)
    return low * (1.0 - part) + high * part


def shift(probabilities: Tensor, bins: Tensor) -> Tensor:
    """Shift distributions along their axis by fractional bins, row by row; mass beyond the ends is lost.

    Parameters
    ----------
    probabilities : Tensor of float32, shape=(batch, n_bins)
    bins : Tensor of float32, shape=(batch,)
        In bins; positive is faster.

    Returns
    -------
    Tensor of float32, shape=(batch, n_bins)
    """
    n_bins = probabilities.shape[1]
    places = torch.arange(n_bins, device=probabilities.device)[None, :] - bins[:, None]
    low = places.floor().clamp(0, n_bins - 2)
    part = places - low
    moved = probabilities.gather(1, low.long()) * (1.0 - part)
    moved = moved + probabilities.gather(1, low.long() + 1) * part
    return torch.where((places >= 0.0) & (places <= n_bins - 1.0), moved, torch.zeros_like(moved))
