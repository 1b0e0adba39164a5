"""NT-Xent, the contrastive loss of SimCLR (Chen 2020), used on music by McCallum 2022."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def nt_xent(a: Tensor, b: Tensor, *, temperature: float) -> Tensor:
    """Return NT-Xent: every row of `a` must find its own row of `b` among all others, and vice versa.

    Parameters
    ----------
    a, b : Tensor of float32, shape=(batch, dim)
        Projections of the two views.
    temperature : float

    Returns
    -------
    Tensor of float32, scalar

    References
    ----------
    Chen et al., "A simple framework for contrastive learning of visual representations", ICML 2020; in music
    McCallum et al., ISMIR 2022.
    """
    views = nn.functional.normalize(torch.cat([a, b]), dim=1)
    similarity = views @ views.T / temperature
    similarity.fill_diagonal_(float("-inf"))
    target = torch.arange(len(views), device=views.device).roll(len(a))
    return nn.functional.cross_entropy(similarity, target)
