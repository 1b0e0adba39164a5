"""The losses: soft cross-entropy on known tempi, and equivariance (Quinton 2022) on unlabelled music."""

from __future__ import annotations

import torch
from torch import Tensor


def soft_targets(bpm: Tensor, *, min_bpm: float, bins_per_octave: int, n_bins: int, width: float) -> Tensor:
    """Spread known tempi over the bins as Gaussians; an unknown tempo (NaN) is spread evenly.

    Parameters
    ----------
    bpm : Tensor of float32, shape=(batch,)
        In BPM.
    min_bpm : float
        Tempo of the first bin, in BPM.
    bins_per_octave, n_bins : int
        The tempo axis.
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
    """Equivariance (Quinton 2022) as a loss between distributions: two views must be each other's shifts.

    The predicted distributions of two views of one excerpt, folded to one octave, are each compared with
    the other's, moved by the known ratio of the rates and sharpened. Folding keeps the tempo octave out:
    unlabelled music cannot teach it, and unfolded it drifts. The target side has no gradient, and there
    is no ratio of outputs, hence no pole.

    Parameters
    ----------
    logits_a, logits_b : Tensor of float32, shape=(batch, n_bins)
    log2_ratio : Tensor of float32, shape=(batch,)
        ``log2(rate_b / rate_a)``.
    bins_per_octave : int
        Resolution of the tempo axis.
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


def shift(probabilities: Tensor, bins: Tensor) -> Tensor:
    """Shift distributions along their axis by a fraction of bins, row by row; what leaves the axis is lost.

    Parameters
    ----------
    probabilities : Tensor of float32, shape=(batch, n_bins)
    bins : Tensor of float32, shape=(batch,)
        Positive is faster.

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


def consensus(logits: Tensor, log2_rate: Tensor, *, bins_per_octave: int, sharpness: float) -> Tensor:
    """Equivariance (Quinton 2022) among several views of a recording, octaves not folded: the only loss.

    The distribution of each view is shifted back by its known rate, to where that of the unstretched
    recording would be, and is there compared with the sharpened mean of the other views'. The target has no
    gradient, and there is no ratio of outputs, hence no pole. A constant answer disagrees with its own
    shifts, and sharpening makes an answer that is spread over several tempi unstable: neither collapse is
    at rest.

    Parameters
    ----------
    logits : Tensor of float32, shape=(n_views, batch, n_bins)
        Two views or more.
    log2_rate : Tensor of float32, shape=(n_views, batch)
    bins_per_octave : int
        Resolution of the tempo axis.
    sharpness : float
        Power to which targets are raised.

    Returns
    -------
    Tensor of float32, scalar

    References
    ----------
    Quinton, "Equivariant self-supervision for musical tempo estimation", ISMIR 2022: the task; his loss is on
    the ratio of two scalar outputs. Comparing shifted distributions is how Gagneré, Essid and Peeters, ICASSP
    2024, do it, with other terms.
    """
    probabilities = torch.softmax(logits, dim=-1).flatten(0, 1)
    moved = shift(probabilities, -log2_rate.flatten() * bins_per_octave).reshape(logits.shape)
    with torch.no_grad():
        others = (moved.sum(dim=0, keepdim=True) - moved) ** sharpness
        target = others / (others.sum(dim=-1, keepdim=True) + 1e-12)
    return -(target * torch.log(moved + 1e-8)).sum(dim=-1).mean()


def off_centre(logits: Tensor, *, bins_per_octave: int) -> Tensor:
    """Tell how far a batch's mean tempo is from the middle of the axis, squared, in octaves.

    Equivariance holds as well an octave higher for all music, and training drifts there, until the end of
    the axis cuts it off. Held at the middle on average, a network that does not know the absolute tempo can
    only choose which metrical level to follow.

    Parameters
    ----------
    logits : Tensor of float32, shape=(..., n_bins)
    bins_per_octave : int
        Resolution of the tempo axis.

    Returns
    -------
    Tensor of float32, scalar
    """
    mean = torch.softmax(logits, dim=-1).flatten(0, -2).mean(dim=0)
    octaves = (torch.arange(len(mean), device=mean.device) - 0.5 * (len(mean) - 1)) / bins_per_octave
    return (mean * octaves).sum().square()
