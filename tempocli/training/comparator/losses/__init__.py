"""The losses of the comparator, one a file."""

from tempocli.training.comparator.losses.octave_ratio import ratio_loss
from tempocli.training.comparator.losses.same_tempo import pair_loss

__all__ = ["pair_loss", "ratio_loss"]
