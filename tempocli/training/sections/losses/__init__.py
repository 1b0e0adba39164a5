"""The losses of a section encoder, one per file, and their table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.training.sections.losses.outputs import TripletOutputs
from tempocli.training.sections.losses.triplets import triplets

if TYPE_CHECKING:
    from collections.abc import Callable

    from tempocli.training.losses import Term
    from tempocli.training.sections.recipe import SectionRecipe

LOSSES: dict[str, Callable[[TripletOutputs, SectionRecipe, int], Term | None]] = {"triplets": triplets}

__all__ = ["LOSSES", "TripletOutputs"]
