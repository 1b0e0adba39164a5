"""Checkpoints of training runs: written atomically, and loaded only with the same recipe."""

from __future__ import annotations

import json
import os
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from tempocli.errors import DataError
from tempocli.training.identity import differences, identity, read_identity

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli.training.recipe import Recipe

CHECKPOINT = "checkpoint.pt"

Network = TypeVar("Network", bound=nn.Module)


def save_checkpoint(
    path: Path,
    recipe: Recipe,
    step: int,
    network: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
) -> None:
    """Write a checkpoint atomically."""
    state = {
        "recipe": identity(recipe),
        "step": step,
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load_checkpoint(path: Path, recipe: Recipe, device: str = "cpu") -> dict[str, Any]:
    """Load a checkpoint and check that it was made with this recipe.

    Parameters
    ----------
    path : Path
    recipe : Recipe
        The recipe of the run; settings that do not affect the weights may differ.
    device : str
        Device of the tensors.

    Returns
    -------
    dict
        ``step``, and the states ``network``, ``average`` and ``optimiser``.

    Raises
    ------
    DataError
        If the checkpoint cannot be read, or was made with another recipe.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (RuntimeError, EOFError, ValueError, UnpicklingError) as error:
        # torch's message is long and not helpful for a file that is not a checkpoint.
        raise DataError(f"{path}: not a checkpoint that can be read") from error
    try:
        made_by = read_identity(str(state["recipe"]), type(recipe))
        changed = differences(made_by, json.loads(identity(recipe)))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise DataError(f"{path}: not a checkpoint that can be read") from error
    if changed:
        raise DataError(
            f"{path}: was made by another recipe ({'; '.join(changed)}); choose another --out, or that recipe"
        )
    return state


def load_network(network: Network, path: Path, recipe: Recipe) -> Network:
    """Load the averaged weights of a checkpoint into a network, for inference.

    Parameters
    ----------
    network : Module
        As the recipe builds it; its weights are replaced.
    path : Path
        The checkpoint.
    recipe : Recipe

    Returns
    -------
    Module
        The same network, in evaluation mode.

    Raises
    ------
    DataError
        If the checkpoint cannot be read or was made with another recipe.
    """
    network.load_state_dict(load_checkpoint(path, recipe)["average"])
    return network.eval()
