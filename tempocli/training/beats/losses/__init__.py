"""The losses of the beat network, one file each; see `tempocli.training.losses`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tempocli.training.beats.losses.activations import beats, downbeats

if TYPE_CHECKING:
    from torch import Tensor


class BeatOutputs(NamedTuple):
    """What the losses compare.

    Attributes
    ----------
    logits : Tensor, shape=(batch, n_activations, 2)
        Of beats and of downbeats.
    targets : Tensor, shape=(batch, n_activations, 2)
    known : Tensor, shape=(batch, 1, 2)
        1 where the target is known.
    """

    logits: Tensor
    targets: Tensor
    known: Tensor


LOSSES = {"beats": beats, "downbeats": downbeats}
