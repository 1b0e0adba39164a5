"""The ratio loss of Quinton 2022, on a network with one number as its output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.errors import DataError
from tempocli.training.losses import Term

if TYPE_CHECKING:
    from torch import Tensor

    from tempocli.training.tempo.losses.outputs import TempoOutputs
    from tempocli.training.tempo.recipe import TempoRecipe


def ratios(outputs: TempoOutputs, recipe: TempoRecipe, step: int) -> Term | None:
    """Compute the ratio loss of the first two views, unless the recipe gives it no weight."""
    weight = recipe.losses.get("ratio", 0.0)
    if not weight:
        return None
    if outputs.scalars is None:
        raise DataError(f"the recipe {recipe.name} has the loss ratio, but its network is not scalar")
    rates = outputs.log2_rate.exp2()
    return Term(ratio(outputs.scalars[0], outputs.scalars[1], rates[0], rates[1]), weight)


def ratio(z_a: Tensor, z_b: Tensor, rate_a: Tensor, rate_b: Tensor) -> Tensor:
    """Compute how far the ratio of two outputs is from the ratio of the rates, both ways.

    The outputs are not kept from 0, so that the loss has a pole there, and a batch may have a huge one. A
    constant output gives the ratio 1 and no minimum. The outputs are right up to one factor, which may be
    negative.

    Parameters
    ----------
    z_a, z_b : Tensor of float32, shape=(batch,)
        Outputs for two views.
    rate_a, rate_b : Tensor of float32, shape=(batch,)
        Rates of the views.

    Returns
    -------
    Tensor of float32, scalar

    References
    ----------
    Quinton, "Equivariant self-supervision for musical tempo estimation", ISMIR 2022.
    """
    one = (z_a / z_b - rate_a / rate_b).abs().mean()
    other = (z_b / z_a - rate_b / rate_a).abs().mean()
    return 0.5 * (one + other)
