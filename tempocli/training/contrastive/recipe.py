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
    losses : dict of str to float
        Weights of the losses ``same_track`` (NT-Xent; 1 if it is not named), ``byol``, ``clustering``,
        ``barlow_twins``, ``vicreg`` ``same_labels`` (NT-Xent with positives by labels)
        and ``predicted_labels`` (supervised).
    labels : tuple of str
        Kinds of labels for ``same_labels`` and ``predicted_labels``; see
        `tempocli.training.contrastive.labels.AGREEMENT`.
    labelled : float
        Share of the labelled clips whose labels are used, 0 to 1.
    labelled_tracks : float
        Share of a batch that is drawn from these clips alone, 0 to 1; the rest is drawn from all.
    momentum : float
        Share of the teacher's weights that stays at each step, at the start; for ``byol`` and ``clustering``.
    clusters : int
        Number of clusters.
    teacher_temperature : float
        Temperature of the teacher's clusters; half of it at the start.
    off_diagonal : float
        Weight of the redundancy of Barlow Twins.
    invariance, variance, covariance : float
        Weights of the terms of VICReg.
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
    momentum: float = 0.99
    clusters: int = 1024
    teacher_temperature: float = 0.04
    off_diagonal: float = 5e-3
    invariance: float = 25.0
    variance: float = 25.0
    covariance: float = 1.0
    labels: tuple[str, ...] = ()
    labelled: float = 1.0
    labelled_tracks: float = 0.0
    semitones: float = 0.0
    max_stretch: float = 0.0
    whitening: float = field(default=0.5, metadata=NOT_IN_WEIGHTS)
    ema: float = 0.99
    held_out: int = 4
    validate_every: int = field(default=200, metadata=NOT_IN_WEIGHTS)
    checkpoint_every: int = field(default=200, metadata=NOT_IN_WEIGHTS)
    network: ContrastiveConfig = field(default_factory=ContrastiveConfig)
    augmentation: ViewConfig = field(default_factory=ViewConfig)

    def __post_init__(self) -> None:
        """Take lists as TOML has them.

        Raises
        ------
        ValueError
            If the share of labelled clips, or that of the batch, is not one.
        """
        object.__setattr__(self, "labels", tuple(self.labels))
        for name in ("labelled", "labelled_tracks"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is not between 0 and 1")
