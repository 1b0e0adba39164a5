"""Inputs of the losses of a translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class MovedOutputs:
    """Vectors moved by the network, and those of the stretched music.

    Attributes
    ----------
    moved, wanted : tuple of Tensor of float32, shape=(tracks, dim)
        One tensor for each part, of unit length.
    """

    moved: tuple[Tensor, ...]
    wanted: tuple[Tensor, ...]
