"""Equivariant self-supervision (Quinton 2022) in addition to labels, with octaves folded."""

from __future__ import annotations

import torch
from torch import Tensor

from tempocli.training.tempo.shifts import fold, roll


def equivariance(
    logits_a: Tensor, logits_b: Tensor, log2_ratio: Tensor, *, bins_per_octave: int, sharpness: float
) -> Tensor:
    """Compute the equivariance loss between two views, whose distributions should be shifts of each other.

    The predicted distributions of two views of one excerpt are folded to one octave. Each is compared with
    the other, shifted by the known ratio of the rates and sharpened. Folding removes the tempo octave, which
    cannot be learned from unlabelled music and would drift. The target has no gradient. The loss has no pole,
    since it uses no ratio of outputs.

    Parameters
    ----------
    logits_a, logits_b : Tensor of float32, shape=(batch, n_bins)
    log2_ratio : Tensor of float32, shape=(batch,)
        ``log2(rate_b / rate_a)``.
    bins_per_octave : int
        Resolution of the tempo axis.
    sharpness : float
        Exponent applied to the targets; 1 for no sharpening.

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
