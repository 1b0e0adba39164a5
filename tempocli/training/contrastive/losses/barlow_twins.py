"""Barlow Twins (Zbontar 2021): the views of a track correlate, the dimensions do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tempocli.training.losses import Term

if TYPE_CHECKING:
    from torch import Tensor

    from tempocli.training.contrastive.losses.outputs import ViewOutputs
    from tempocli.training.contrastive.recipe import ContrastiveRecipe

_EPSILON = 1e-5  # that of batch normalisation


def redundancy(outputs: ViewOutputs, recipe: ContrastiveRecipe, step: int) -> Term | None:
    """Compute Barlow Twins on a batch, if the recipe gives it a weight."""
    weight = recipe.losses.get("barlow_twins", 0.0)
    if not weight:
        return None
    return Term(barlow_twins(outputs.a, outputs.b, off_diagonal=recipe.off_diagonal), weight)


def barlow_twins(a: Tensor, b: Tensor, *, off_diagonal: float) -> Tensor:
    """Compute the distance of the cross-correlation of two views from the identity.

    Parameters
    ----------
    a, b : Tensor of float32, shape=(batch, dim)
        Projections of the two views, of two tracks or more.
    off_diagonal : float
        Weight of the squares of the correlations between different dimensions.

    Returns
    -------
    Tensor of float32, scalar

    Raises
    ------
    ValueError
        If the shapes differ, or there is only one track.

    References
    ----------
    Zbontar et al., "Barlow Twins: self-supervised learning via redundancy reduction", ICML 2021; on music
    Meseguer-Brocal et al., ICASSP 2024.
    """
    check_views(a, b)
    correlation = _normalised(a).T @ _normalised(b) / len(a)
    diagonal = torch.diagonal(correlation)
    others = correlation.square().sum() - diagonal.square().sum()
    return (diagonal - 1.0).square().sum() + off_diagonal * others


def check_views(a: Tensor, b: Tensor) -> None:
    """Raise ValueError if two views are not of the same shape, or of fewer than two tracks."""
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"views of the shapes {tuple(a.shape)} and {tuple(b.shape)}")
    if len(a) < 2:
        raise ValueError("statistics of a batch need two tracks or more")


def _normalised(views: Tensor) -> Tensor:
    variance, mean = torch.var_mean(views, dim=0, correction=0)
    return (views - mean) / torch.sqrt(variance + _EPSILON)
