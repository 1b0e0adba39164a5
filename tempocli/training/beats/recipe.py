"""The recipe of a beat network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tempocli.training.beats.network import BeatConfig
from tempocli.training.data.views import ViewConfig
from tempocli.training.recipe import NOT_IN_WEIGHTS, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatRecipe(Recipe):
    """One training run of a beat network.

    Attributes
    ----------
    seed, steps, learning_rate, weight_decay, ema, held_out, validate_every, checkpoint_every
        See `tempocli.training.recipe.Schedule`.
    name : str
        Name of the model.
    mix : dict of str to float
        Share of each store of clips with known beats in a batch, by folder name.
    batch_size : int
        Windows per step.
    beatless : float
        Share of windows without beats: silence, noise, or events at random times.
    semitones : float
        Maximum pitch shift, drawn for each window; 0 for none.
    overlay : str
        Store of the unlabelled music that `views.overlay` mixes under the clips; empty for none.
    metres : str
        Store of music in metres from two to seven, by which the export fits the classifier of the metre.
    network : BeatConfig
    views : ViewConfig
        Stretch and augmentation of the windows.
    """

    kind: ClassVar[str] = "beats"
    mix: dict[str, float]
    batch_size: int = 32
    beatless: float = 0.03
    semitones: float = 3.0
    overlay: str = ""
    metres: str = field(default="beats-bars", metadata=NOT_IN_WEIGHTS)
    ema: float = 0.995
    validate_every: int = field(default=250, metadata=NOT_IN_WEIGHTS)
    network: BeatConfig = field(default_factory=BeatConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
