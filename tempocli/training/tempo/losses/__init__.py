"""The losses of the tempo encoder, one a file."""

from tempocli.training.tempo.losses.centring import off_centre
from tempocli.training.tempo.losses.consensus import consensus
from tempocli.training.tempo.losses.cross_entropy import cross_entropy, soft_targets
from tempocli.training.tempo.losses.equivariance import equivariance

__all__ = ["consensus", "cross_entropy", "equivariance", "off_centre", "soft_targets"]
