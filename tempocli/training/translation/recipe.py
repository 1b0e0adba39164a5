"""The recipe of a network that moves vectors to another tempo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tempocli.training.recipe import NOT_IN_WEIGHTS, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationRecipe(Recipe):
    """One training run of a translation.

    Attributes
    ----------
    seed, steps, learning_rate, weight_decay, ema, held_out, validate_every, checkpoint_every
        See `tempocli.training.recipe.Schedule`.
    name : str
        Name of the model.
    stores : dict of str to float
        Share of each store of unlabelled music in a batch, by folder name.
    model : str
        The music encoder whose vectors are moved: the name of a bundled model, or the path of an ONNX file.
    parts : tuple of str
        Parts of the vector that the network reads and moves: ``timbre`` and ``rhythm``.
    tracks : int
        Tracks per step.
    slowest, fastest : float
        Range of the rates, which are drawn with a uniform logarithm.
    width : int
        Width of the two hidden layers.
    """

    kind: ClassVar[str] = "translation"
    stores: dict[str, float]
    model: str = "music"
    parts: tuple[str, ...] = ("timbre", "rhythm")
    tracks: int = 32
    slowest: float = 0.75
    fastest: float = 1.5
    width: int = 1024
    steps: int = 600
    learning_rate: float = 1e-3
    ema: float = 0.99
    held_out: int = 12
    validate_every: int = field(default=100, metadata=NOT_IN_WEIGHTS)
    checkpoint_every: int = field(default=100, metadata=NOT_IN_WEIGHTS)

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if not set(self.parts) <= {"timbre", "rhythm"} or not self.parts:
            raise ValueError("parts are timbre and rhythm, or one of them")
        if not 0.25 <= self.slowest < self.fastest <= 4.0:
            raise ValueError("slowest and fastest are no range of rates within 0.25 to 4")
