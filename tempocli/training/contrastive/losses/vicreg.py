"""VICReg (Bardes 2022): variance, invariance and covariance of the projections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from tempocli.training.contrastive.losses.barlow_twins import check_views
from tempocli.training.losses import Term

if TYPE_CHECKING:
    from torch import Tensor

    from tempocli.training.contrastive.losses.outputs import ViewOutputs
    from tempocli.training.contrastive.recipe import ContrastiveRecipe

_EPSILON = 1e-4


def variance_kept(outputs: ViewOutputs, recipe: ContrastiveRecipe, step: int) -> Term | None:
    """Compute VICReg on a batch, if the recipe gives it a weight."""
    weight = recipe.losses.get("vicreg", 0.0)
    if not weight:
        return None
    value = vicreg(
        outputs.a,
        outputs.b,
        invariance=recipe.invariance,
        variance=recipe.variance,
        covariance=recipe.covariance,
    )
    return Term(value, weight)


def vicreg(a: Tensor, b: Tensor, *, invariance: float, variance: float, covariance: float) -> Tensor:
    """Compute VICReg: views of a track are alike, each dimension varies, and dimensions do not covary.

    Parameters
    ----------
    a, b : Tensor of float32, shape=(batch, dim)
        Projections of the two views, of two tracks or more.
    invariance, variance, covariance : float
        Weights of the three terms; 25, 25 and 1 in the paper.

    Returns
    -------
    Tensor of float32, scalar

    Raises
    ------
    ValueError
        If the shapes differ, or there is only one track.

    References
    ----------
    Bardes, Ponce and LeCun, "VICReg: variance-invariance-covariance regularization for self-supervised
    learning", ICLR 2022; on music Meseguer-Brocal et al., ICASSP 2024.
    """
    check_views(a, b)
    spread = 0.5 * (_lack_of_variance(a) + _lack_of_variance(b))
    crossed = _covariance(a) + _covariance(b)
    return invariance * nn.functional.mse_loss(a, b) + variance * spread + covariance * crossed


def _lack_of_variance(views: Tensor) -> Tensor:
    return torch.relu(1.0 - torch.sqrt(views.var(dim=0) + _EPSILON)).mean()


def _covariance(views: Tensor) -> Tensor:
    centred = views - views.mean(dim=0)
    matrix = centred.T @ centred / (len(views) - 1)
    return (matrix.square().sum() - torch.diagonal(matrix).square().sum()) / views.shape[1]
