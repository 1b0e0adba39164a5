"""Priors over tempi, which decide the tempo octave."""

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
    """Weights of tempi by a function of the tempo."""

    def of(self, bpms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the weights of tempi in BPM, up to a constant factor; same shape as `bpms`."""
        ...


@dataclass(frozen=True, slots=True)
class PowerPrior:
    """A power of the tempo, to match the tempo octave that people choose.

    Recordings have more onsets per beat than the synthetic music of the training, so a model tends to choose
    a slow octave. The weight therefore rises with the tempo. Above 170 BPM it falls again, since few people
    count that fast.

    Attributes
    ----------
    exponent : float
        With 0, all tempi have the same weight.
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
    """A log-normal prior of tempi, for the octave, which cannot be learned from unlabelled music.

    Attributes
    ----------
    centre : float
        Centre, in BPM.
    octaves : float
        Standard deviation, in octaves.
    weight : float
        Exponent of the distribution.
    """

    centre: float = 125.0
    octaves: float = 0.55
    weight: float = 0.5

    def of(self, bpms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the density, up to a constant factor."""
        distance = np.log2(bpms / self.centre) / self.octaves
        return np.asarray(np.exp(-0.5 * self.weight * np.square(distance)))

    def check(self) -> None:
        """Raise ValueError for values that make no sense."""
        number(self.centre, "centre", 10.0, 1200.0)
        number(self.octaves, "octaves", 0.01, 100.0)
        number(self.weight, "weight", 0.0, 100.0)

    def to_json(self) -> str:
        """Return the prior as JSON, for the metadata of a model."""
        return json.dumps(asdict(self))
