"""The losses of the contrastive encoder, one per file, and their table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.training.contrastive.losses.nt_xent import nt_xent, same_track
from tempocli.training.contrastive.losses.outputs import ViewOutputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tempocli.training.contrastive.recipe import ContrastiveRecipe
    from tempocli.training.losses import Term

LOSSES: dict[str, Callable[[ViewOutputs, ContrastiveRecipe, int], Term | None]] = {
    "same_track": same_track,
}

__all__ = ["LOSSES", "ViewOutputs", "nt_xent"]
