"""Inputs of the losses of the tempo encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class TempoOutputs:
    """Outputs of the network for a batch; the labelled windows have a known tempo or no tempo.

    Attributes
    ----------
    labelled : Tensor of float32, shape=(batch_size, n_bins)
        Logits of the labelled windows.
    bpm : Tensor of float32, shape=(batch_size,)
        Tempi of the labelled windows, in BPM; NaN for no tempo.
    views : Tensor of float32, shape=(n_views, unlabelled_size, n_bins)
        Logits of the views of unlabelled recordings, without the context, which encodes the absolute tempo.
    log2_rate : Tensor of float32, shape=(n_views, unlabelled_size)
        Base-2 logarithm of the rate of each view.
    scalars : Tensor of float32, shape=(n_views, unlabelled_size), or None
        Outputs of a network with one number for each view.
    """

    labelled: Tensor
    bpm: Tensor
    views: Tensor
    log2_rate: Tensor
    scalars: Tensor | None = None
