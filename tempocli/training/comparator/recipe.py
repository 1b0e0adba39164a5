"""The recipe of a comparator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tempocli.inference.priors import OctavePrior
from tempocli.training.comparator.network import ComparatorConfig
from tempocli.training.data.views import ViewConfig
from tempocli.training.recipe import NOT_IN_WEIGHTS, Recipe

_WITHOUT_ENCODER = ("modulation", "learned")
INPUTS = (*_WITHOUT_ENCODER, "equivariant", "contrastive")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRecipe(Recipe):
    """One training run of a comparator.

    Attributes
    ----------
    seed, steps, learning_rate, weight_decay, ema, held_out, validate_every, checkpoint_every
        See `tempocli.training.recipe.Schedule`.
    name : str
        Name of the model.
    stores : dict of str to float
        Share of each store of unlabelled music in a batch, by folder name; tempi that a store may hold are
        never read.
    input : str
        What the comparator reads, one of `INPUTS`: no encoder, or a frozen one that was trained without
        labels, by a recipe of kind ``tempo`` or ``contrastive``.
    encoder : str
        Recipe of the encoder, if the input has one.
    tracks, views : int
        Tracks in a step, and windows cut from each; every two windows of a track are a pair.
    neighbourhood : float
        Seconds of a track within which its windows lie: tempi drift.
    same, different : float
        Largest difference of log-rates that is the same tempo, and smallest that is another; in between a
        pair counts for nothing.
    spread : float
        Rates are ``exp(u)`` with ``u`` within plus or minus this.
    copies, hard : float
        Share of views at the rate of another view, and of the others that lie within 12 % of one.
    octaves : float
        Share of those others that are exactly an octave from one, beside the few that always are.
    ratio : float
        Weight of the loss of telling such octaves, and which way; 0 leaves it out.
    calibration : dict of str to float
        Stores of clips of known tempo on which the export fits the confidence; training never opens them.
    prior : OctavePrior
        Of the decoder; like `calibration` it has no part in the training.
    network : ComparatorConfig
    augmentation : ViewConfig
        How a window may differ from its track, its rate left aside.
    """

    kind: ClassVar[str] = "comparison"
    stores: dict[str, float]
    input: str = "modulation"
    encoder: str = ""
    tracks: int = 32
    views: int = 6
    neighbourhood: float = 45.0
    same: float = 0.012
    different: float = 0.028
    spread: float = 0.45
    copies: float = 0.3
    hard: float = 0.5
    octaves: float = 0.0
    ratio: float = 0.0
    calibration: dict[str, float] = field(default_factory=dict, metadata=NOT_IN_WEIGHTS)
    prior: OctavePrior = field(default_factory=OctavePrior, metadata=NOT_IN_WEIGHTS)
    network: ComparatorConfig = field(default_factory=ComparatorConfig)
    augmentation: ViewConfig = field(default_factory=ViewConfig)

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if self.input not in INPUTS:
            raise ValueError(f"the input is none of {', '.join(INPUTS)}")
        if (self.input in _WITHOUT_ENCODER) == bool(self.encoder):
            raise ValueError("an encoder goes with the inputs equivariant and contrastive, and with no other")

    @property
    def encoder_recipe(self) -> str:
        """Name of the recipe whose trained encoder the network reads from; empty for none."""
        return self.encoder
