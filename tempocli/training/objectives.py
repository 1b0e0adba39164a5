"""The losses: soft cross-entropy on known tempi, and S1's equivariance on unlabelled music."""

from __future__ import annotations

import torch
from torch import Tensor


def soft_targets(bpm: Tensor, *, min_bpm: float, bins_per_octave: int, n_bins: int, width: float) -> Tensor:
    """Spread known tempi over the bins as Gaussians; an unknown tempo (NaN) is spread evenly.

    Parameters
    ----------
    bpm : Tensor of float32, shape=(batch,)
        In BPM.
    width : float
        Standard deviation, in bins.

    Returns
    -------
    Tensor of float32, shape=(batch, n_bins)
        Rows sum to 1.
    """
    place = torch.log2(bpm / min_bpm) * bins_per_octave
    distance = torch.arange(n_bins, device=bpm.device)[None, :] - place[:, None]
    target = torch.exp(-0.5 * (distance / width) ** 2) + 1e-12
    target = target / target.sum(dim=1, keepdim=True)
    return torch.where(torch.isnan(bpm)[:, None], torch.full_like(target, 1.0 / n_bins), target)


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Soft cross-entropy, mean over the batch; both of shape=(batch, n_bins)."""
    return -(target * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()


def fold(probabilities: Tensor, bins_per_octave: int) -> Tensor:
    """Fold a tempo distribution into one octave.

    Parameters
    ----------
    probabilities : Tensor of float32, shape=(batch, n_bins)

    Returns
    -------
    Tensor of float32, shape=(batch, bins_per_octave)
    """
    batch, n_bins = probabilities.shape
    n_octaves = -(-n_bins // bins_per_octave)
    padded = torch.nn.functional.pad(probabilities, (0, n_octaves * bins_per_octave - n_bins))
    return padded.reshape(batch, n_octaves, bins_per_octave).sum(dim=1)


def roll(folded: Tensor, shift: Tensor) -> Tensor:
    """Shift folded distributions along their circular axis by a fraction of bins, row by row.

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


def equivariance(
    logits_a: Tensor, logits_b: Tensor, log2_ratio: Tensor, *, bins_per_octave: int, sharpness: float
) -> Tensor:
    """S1's equivariance as a loss between distributions: two views must be each other's shifts.

    The predicted distributions of two views of one excerpt, folded to one octave, are each compared with
    the other's, moved by the known ratio of the rates and sharpened. Folding keeps the tempo octave out:
    unlabelled music cannot teach it, and unfolded it drifts. The target side has no gradient, and there
    is no ratio of outputs, hence no pole.

    Parameters
    ----------
    logits_a, logits_b : Tensor of float32, shape=(batch, n_bins)
    log2_ratio : Tensor of float32, shape=(batch,)
        ``log2(rate_b / rate_a)``.
    sharpness : float
        Power to which targets are raised; 1 leaves them as they are.

    Returns
    -------
    Tensor of float32, scalar

    References
    ----------
    Quinton, "Equivariant self-supervision for musical tempo estimation", ISMIR 2022.
    """
    folded_a = fold(torch.softmax(logits_a, dim=1), bins_per_octave)
    folded_b = fold(torch.softmax(logits_b, dim=1), bins_per_octave)
    shift = log2_ratio * bins_per_octave

    def one_way(source: Tensor, target: Tensor, move: Tensor) -> Tensor:
        moved = roll(source.detach(), move) ** sharpness
        moved = moved / moved.sum(dim=1, keepdim=True)
        return -(moved * torch.log(target + 1e-8)).sum(dim=1).mean()

    return 0.5 * (one_way(folded_a, folded_b, shift) + one_way(folded_b, folded_a, -shift))
