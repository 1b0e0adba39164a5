"""The recipe of a tempo encoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tempocli.training.data.views import ViewConfig
from tempocli.training.recipe import NOT_IN_WEIGHTS, Recipe
from tempocli.training.tempo.network import NetworkConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TempoRecipe(Recipe):
    """One training run of a tempo encoder.

    Attributes
    ----------
    seed, steps, learning_rate, weight_decay, ema, held_out, validate_every, checkpoint_every
        See `tempocli.training.recipe.Schedule`.
    name : str
        Name of the model.
    mix : dict of str to float
        Share of each labelled store in a batch, by folder name; empty to train on unlabelled music only.
    unlabelled : str
        Folder name of the store of unlabelled music; empty for none.
    calibration : tuple of str
        Stores of `mix` whose held-out clips the confidence is fitted on; all by default. Not used in
        training.
    scale : str
        Folder name of a store of click tracks. At export they set the scale of a network that was trained on
        unlabelled music only; they are not used in training.
    batch_size, unlabelled_size : int
        Number of labelled windows, and of unlabelled recordings, per step.
    n_views : int
        Number of views of each unlabelled recording.
    elsewhere : float
        Probability that a view shows another excerpt of the recording than the previous view.
    beatless : float
        Share of labelled windows without a tempo.
    target_width : float
        Standard deviation of the target, in bins.
    equivariance : float
        Weight of the equivariance loss (Quinton 2022) from step `equivariance_start` on.
    equivariance_start : int
        First step at which the equivariance loss has a weight.
    sharpness : float
        Exponent that sharpens the targets of the equivariance loss: `losses.equivariance`, folded to
        an octave, with labels, and `losses.consensus` without.
    centring : float
        Weight of `losses.off_centre`, used together with `losses.consensus`.
    octave_tilt : float
        Exponent of the tempo in the decoder's octave prior, see `tempocli.inference.priors.PowerPrior`. Not
        used in training.
    network : NetworkConfig
    views : ViewConfig
    """

    kind: ClassVar[str] = "tempo"
    mix: dict[str, float] = field(default_factory=dict)
    unlabelled: str = ""
    calibration: tuple[str, ...] = field(default=(), metadata=NOT_IN_WEIGHTS)
    scale: str = ""
    steps: int = 6000
    batch_size: int = 32
    unlabelled_size: int = 12
    n_views: int = 2
    elsewhere: float = 0.0
    beatless: float = 0.03
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    target_width: float = 1.0
    equivariance: float = 0.5
    equivariance_start: int = 1000
    sharpness: float = 2.0
    centring: float = 1.0
    octave_tilt: float = field(default=0.0, metadata=NOT_IN_WEIGHTS)
    validate_every: int = field(default=500, metadata=NOT_IN_WEIGHTS)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    views: ViewConfig = field(default_factory=ViewConfig)

    def __post_init__(self) -> None:
        Recipe.__post_init__(self)
        if bool(self.mix) == bool(self.scale):
            raise ValueError("either labelled stores (mix) or click tracks (scale) set the scale")
        if not self.mix and (not self.unlabelled or self.equivariance_start > 0):
            raise ValueError("without labelled stores, unlabelled music must count from step 0")
        if self.n_views < 2 or (self.mix and self.n_views > 2):
            raise ValueError("two views of a recording beside labels, two or more without")
        # TOML gives a list.
        object.__setattr__(self, "calibration", tuple(self.calibration))
        if not set(self.calibration) <= self.mix.keys():
            raise ValueError("calibration names a store that mix does not")
