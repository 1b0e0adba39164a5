"""The losses of the comparator, one per file, and their table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.training.comparator.losses.octave_ratio import octave_ratio, ratio_loss
from tempocli.training.comparator.losses.outputs import PairOutputs
from tempocli.training.comparator.losses.same_tempo import pair_loss, same_tempo

if TYPE_CHECKING:
    from collections.abc import Callable

    from tempocli.training.comparator.recipe import ComparisonRecipe
    from tempocli.training.losses import Term

LOSSES: dict[str, Callable[[PairOutputs, ComparisonRecipe, int], Term | None]] = {
    "same_tempo": same_tempo,
    "ratio": octave_ratio,
}

__all__ = ["LOSSES", "PairOutputs", "pair_loss", "ratio_loss"]
