"""What the losses of the tempo encoder are given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class TempoOutputs:
    """What the network gave for a batch; the labelled windows are those with a known tempo, or none.

    Attributes
    ----------
    labelled : Tensor of float32, shape=(batch_size, n_bins)
        Logits of the labelled windows.
    bpm : Tensor of float32, shape=(batch_size,)
        Their tempi, in BPM; NaN where there is none.
    views : Tensor of float32, shape=(n_views, unlabelled_size, n_bins)
        Logits of the views of unlabelled recordings, without the context, which knows the absolute tempo.
    log2_rate : Tensor of float32, shape=(n_views, unlabelled_size)
        Logarithm of the rate of each view.
    """

    labelled: Tensor
    bpm: Tensor
    views: Tensor
    log2_rate: Tensor
