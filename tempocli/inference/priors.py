"""Priors over tempi, which settle the tempo octave."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tempocli.features.ranges import number

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FASTEST_BPM = 170.0


class Prior(Protocol):
    """Weights of tempi."""

    def of(self, bpms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the weights of tempi in BPM, up to a constant; the same shape."""
        ...


@dataclass(frozen=True, slots=True)
class PowerPrior:
    """A power of the tempo, so that the tempo octave is as people count.

    Recordings are denser than the synthetic music that a model learned the octave from, and what is dense
    sounds slow to it: so the weight rises with the tempo. Over 170 BPM it falls again, since few people
    count that fast.

    Attributes
    ----------
    exponent : float
        0 weighs all tempi alike.
    """

    exponent: float = 0.0

    def of(self, bpms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the weights, shape=(n_bins,)."""
        return np.asarray(np.minimum(bpms, _FASTEST_BPM**2 / bpms) ** self.exponent)

    def check(self) -> None:
        """Raise ValueError for values that make no sense."""
        number(self.exponent, "tilt", -10.0, 10.0)


@dataclass(frozen=True, slots=True)
class OctavePrior:
    """A log-normal distribution of tempi, which settles the octave that unlabelled music cannot teach.

    Attributes
    ----------
    centre : float
        In BPM.
    octaves : float
        Standard deviation, in octaves.
    weight : float
        Power to which it is raised.
    """

    centre: float = 125.0
    octaves: float = 0.55
    weight: float = 0.5

    def of(self, bpms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute its density, up to a constant."""
        distance = np.log2(bpms / self.centre) / self.octaves
        return np.asarray(np.exp(-0.5 * self.weight * np.square(distance)))

    def check(self) -> None:
        """Raise ValueError for values that make no sense."""
        number(self.centre, "centre", 10.0, 1200.0)
        number(self.octaves, "octaves", 0.01, 100.0)
        number(self.weight, "weight", 0.0, 100.0)

    def to_json(self) -> str:
        """Write as JSON, for the metadata of a model."""
        return json.dumps(asdict(self))
