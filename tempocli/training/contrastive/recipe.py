"""The recipe of a contrastive encoder.

The embedding becomes invariant to the augmentations of the two views of a track (McCallum 2024), so each
recipe sets them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tempocli.training.contrastive.network import ContrastiveConfig
from tempocli.training.data.views import ViewConfig
from tempocli.training.recipe import NOT_IN_WEIGHTS, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastiveRecipe(Recipe):
    """One training run of a contrastive encoder.

    Attributes
    ----------
    seed, steps, learning_rate, weight_decay, ema, held_out, validate_every, checkpoint_every
        See `tempocli.training.recipe.Schedule`. More groups are held out than for other kinds, since
        `tempocli.training.contrastive.probing` needs several of them.
    name : str
        Name of the model.
    stores : dict of str to float
        Share of each store of unlabelled music in a batch, by folder name.
    tracks : int
        Tracks per step; the other tracks of a batch are the negatives.
    album : int
        Number of tracks that are drawn together from one group, as hard negatives of each other.
    reach : float
        Maximum time between the two excerpts of a track, in seconds.
    temperature : float
        Temperature of NT-Xent.
    semitones, max_stretch : float
        Maximum pitch shift, and logarithm of the maximum stretch, drawn for each view; 0 for none.
    whitening : float
        How far the exported embedding is whitened, 0 to 1; see `tempocli.training.contrastive.statistics`.
    network : ContrastiveConfig
    augmentation : ViewConfig
        Gain, equaliser, noise floor and silenced bands of each view.
    """

    kind: ClassVar[str] = "contrastive"
    stores: dict[str, float]
    steps: int = 800
    tracks: int = 96
    album: int = 1
    reach: float = 10.0
    temperature: float = 0.1
    semitones: float = 0.0
    max_stretch: float = 0.0
    whitening: float = field(default=0.5, metadata=NOT_IN_WEIGHTS)
    ema: float = 0.99
    held_out: int = 4
    validate_every: int = field(default=200, metadata=NOT_IN_WEIGHTS)
    checkpoint_every: int = field(default=200, metadata=NOT_IN_WEIGHTS)
    network: ContrastiveConfig = field(default_factory=ContrastiveConfig)
    augmentation: ViewConfig = field(default_factory=ViewConfig)
