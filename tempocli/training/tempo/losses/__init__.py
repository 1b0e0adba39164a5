"""The losses of the tempo encoder, one per file, and their table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.training.tempo.losses.centring import off_centre
from tempocli.training.tempo.losses.consensus import consensus
from tempocli.training.tempo.losses.cross_entropy import cross_entropy, soft_targets, supervised
from tempocli.training.tempo.losses.equivariance import equivariance
from tempocli.training.tempo.losses.outputs import TempoOutputs
from tempocli.training.tempo.losses.ratio import ratio, ratios
from tempocli.training.tempo.losses.self_supervision import self_supervision

if TYPE_CHECKING:
    from collections.abc import Callable

    from tempocli.training.losses import Term
    from tempocli.training.tempo.recipe import TempoRecipe

LOSSES: dict[str, Callable[[TempoOutputs, TempoRecipe, int], Term | None]] = {
    "supervised": supervised,
    "equivariance": self_supervision,
    "ratio": ratios,
}

__all__ = [
    "LOSSES",
    "TempoOutputs",
    "consensus",
    "cross_entropy",
    "equivariance",
    "off_centre",
    "ratio",
    "soft_targets",
]
