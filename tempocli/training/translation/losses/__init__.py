"""The losses of a translation, one per file, and their table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.training.translation.losses.distance import distance
from tempocli.training.translation.losses.outputs import MovedOutputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tempocli.training.losses import Term
    from tempocli.training.translation.recipe import TranslationRecipe

LOSSES: dict[str, Callable[[MovedOutputs, TranslationRecipe, int], Term | None]] = {"distance": distance}

__all__ = ["LOSSES", "MovedOutputs"]
