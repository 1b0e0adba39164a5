"""The tempo axis: log-spaced bins and the 4 % tolerance in bins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_BPM, MAX_BPM = 30.0, 300.0  # range of the estimates
TOLERANCE = 0.04  # of Accuracy 1: an estimate within 4 % is correct


def bins_within(tolerance: float, bins_per_octave: int) -> int:
    """Return the number of bins of a log-spaced axis that a relative tolerance spans."""
    return round(math.log2(1.0 + tolerance) * bins_per_octave)


# No slots: cached properties need an instance dictionary.
@dataclass(frozen=True)
class TempoAxis:
    """A log-spaced tempo axis: bin ``k`` is at ``min_bpm * 2 ** (k / bins_per_octave)`` BPM.

    Attributes
    ----------
    min_bpm : float
        Tempo of the first bin, in BPM.
    bins_per_octave : int
    n_bins : int
    """

    min_bpm: float = MIN_BPM
    bins_per_octave: int = 48
    n_bins: int = 160

    @cached_property
    def bpms(self) -> NDArray[np.float64]:
        """Tempi of the bins in BPM, shape=(n_bins,), read-only."""
        import numpy as np

        bpms = np.asarray(self.min_bpm * 2.0 ** (np.arange(self.n_bins) / self.bins_per_octave))
        bpms.flags.writeable = False
        return bpms

    def bins_within(self, tolerance: float = TOLERANCE) -> int:
        """Return the number of bins that a relative tolerance spans, by default 4 %."""
        return bins_within(tolerance, self.bins_per_octave)

    def index(self, bpm: float) -> float:
        """Return the fractional bin index of a tempo; it may be outside the axis."""
        return math.log2(bpm / self.min_bpm) * self.bins_per_octave

    def bins_between(self, factor: float) -> int:
        """Return the distance in whole bins between a tempo and the tempo times `factor`."""
        return round(math.log2(factor) * self.bins_per_octave)

    def fold(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Fold values into one octave by summing bins that are octaves apart.

        Parameters
        ----------
        values : ndarray of float, shape=(n_bins,)

        Returns
        -------
        ndarray of float, shape=(bins_per_octave,)
        """
        import numpy as np

        n_octaves = -(-self.n_bins // self.bins_per_octave)
        padded = np.pad(values, (0, n_octaves * self.bins_per_octave - self.n_bins))
        return np.asarray(padded.reshape(n_octaves, self.bins_per_octave).sum(axis=0))
