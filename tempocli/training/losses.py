"""The losses of a training step, weighted and summed.

Each kind has a table ``LOSSES`` in its package ``losses``: it maps names to functions from the network's
outputs, the recipe and the step to a `Term`. To add a loss, add one file there and one line in that table;
its weight can come from the recipe's table ``losses``, so that no other file changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tempocli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from tempocli.training.recipe import Recipe


class Term(NamedTuple):
    """One loss of a step.

    Attributes
    ----------
    value : Tensor of float32, scalar
    weight : float
        With 0, the value is logged but not part of the total loss.
    """

    value: Tensor
    weight: float


def total_loss(
    losses: Mapping[str, Callable[[Any, Any, int], Term | None]], outputs: Any, recipe: Recipe, step: int
) -> tuple[Tensor, dict[str, float]]:
    """Sum the weighted losses of a step.

    Parameters
    ----------
    losses : mapping of str to callable
        The table of the kind; a loss that does not apply returns ``None``.
    outputs : object
        The network's outputs for the batch, in the form that the kind's losses take.
    recipe : Recipe
    step : int

    Returns
    -------
    loss : Tensor of float32, scalar
    values : dict of str to float
        The total, ``loss``, and each loss by its name.

    Raises
    ------
    DataError
        If the recipe gives a weight to a loss that is not registered, or no loss has a weight.
    """
    unknown = recipe.losses.keys() - losses.keys()
    if unknown:
        raise DataError(
            f"the recipe {recipe.name} names losses that do not exist: {', '.join(sorted(unknown))}"
        )
    terms = {name: loss(outputs, recipe, step) for name, loss in losses.items()}
    counted = {name: term for name, term in terms.items() if term is not None}
    weighted = [term.weight * term.value for term in counted.values() if term.weight]
    if not weighted:
        raise DataError(f"the recipe {recipe.name} gives no loss a weight")
    total = sum(weighted[1:], start=weighted[0])
    values = {name: term.value.item() for name, term in counted.items()}
    return total, values | {"loss": total.item()}
