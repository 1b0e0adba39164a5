"""The losses of the contrastive encoder, one a file."""

from tempocli.training.contrastive.losses.nt_xent import nt_xent

__all__ = ["nt_xent"]
