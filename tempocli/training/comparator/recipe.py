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
        Share of each store of unlabelled music in a batch, by folder name; tempi in a store are never read.
    input : str
        Input of the comparator, one of `INPUTS`: without an encoder, or with a frozen encoder trained without
        labels by a recipe of kind ``tempo`` or ``contrastive``.
    encoder : str
        Recipe of the encoder, if the input has one.
    tracks, views : int
        Tracks per step, and windows per track; every two windows of a track form a pair.
    neighbourhood : float
        Length of the part of a track that its windows are cut from, in seconds; short, since tempi drift.
    same, different : float
        Maximum difference of log-rates for the same tempo, and minimum for different tempi; pairs in between
        are ignored.
    spread : float
        Rates are ``exp(u)`` with ``u`` in [-spread, spread].
    copies, hard : float
        Share of views at the rate of another view, and share of the other views within 12 % of one.
    octaves : float
        Share of the other views exactly an octave from one, in addition to the few drawn in any case.
    ratio : float
        Weight of the loss on octaves and their direction; 0 for none.
    calibration : dict of str to float
        Stores of clips of known tempo for calibration at export; not used in training.
    prior : OctavePrior
        Prior of the decoder; not used in training.
    network : ComparatorConfig
    augmentation : ViewConfig
        Augmentation of the windows, apart from the rate.
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
        """Name of the recipe of the trained encoder that the network uses; empty for none."""
        return self.encoder
