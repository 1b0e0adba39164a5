"""The recipe of a section encoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tempocli.training.recipe import NOT_IN_WEIGHTS, Recipe
from tempocli.training.sections.network import SectionConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionRecipe(Recipe):
    """One training run of a section encoder.

    Attributes
    ----------
    seed, steps, learning_rate, weight_decay, ema, held_out, validate_every, checkpoint_every
        See `tempocli.training.recipe.Schedule`.
    name : str
        Name of the model.
    stores : dict of str to float
        Share of each store of unlabelled music in a batch, by folder name.
    losses : dict of str to float
        Weight of ``triplets``; 1 if it is not named.
    tracks : int
        Tracks per step.
    cells : int
        Maximum number of consecutive cells of a track, which stand for bars.
    shortest, longest : float
        Length of a cell, in seconds: one is drawn for each track, with a uniform logarithm.
    near : int
        Maximum distance of a positive from its anchor, in cells.
    gap, far : int
        Minimum and maximum distance of a negative beyond the positives, and from its anchor, in cells.
    triplets : int
        Triplets per anchor.
    margin : float
        By how much the squared distance of the negative should exceed that of the positive.
    semitones : float
        Maximum pitch shift, drawn for each track.
    network : SectionConfig
    """

    kind: ClassVar[str] = "sections"
    stores: dict[str, float]
    tracks: int = 8
    cells: int = 64
    shortest: float = 1.3
    longest: float = 3.0
    near: int = 4
    gap: int = 4
    far: int = 40
    triplets: int = 8
    margin: float = 0.3
    semitones: float = 3.0
    steps: int = 1200
    ema: float = 0.99
    held_out: int = 12
    validate_every: int = field(default=100, metadata=NOT_IN_WEIGHTS)
    checkpoint_every: int = field(default=100, metadata=NOT_IN_WEIGHTS)
    network: SectionConfig = field(default_factory=SectionConfig)

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if not 0.1 <= self.shortest <= self.longest <= 30.0:
            raise ValueError("shortest and longest are no lengths of cells within 0.1 to 30 s")
        if self.near < 1 or self.far < self.near + self.gap:
            raise ValueError("near, gap and far leave no place for negatives")
        if self.cells <= self.near + self.gap:
            raise ValueError("cells is too small for negatives")
