"""How the distributions of a model are read: as probabilities, and as a pulse or none."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from tempocli.features.ranges import number


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a method's distributions are read; see `tempocli.decoding.distributions.calibrated`.

    Attributes
    ----------
    family, octave : tuple of (float, float)
        Bias and slope, on the log-odds of a share of the distribution, of a logistic map to probabilities:
        that the tempo is right up to a factor of 2 or 3, and that its octave is right if so.
    pulse : tuple of (float, float, float)
        Bias and two weights on `tempocli.decoding.pooling.TrackTempo.pulse`; under 0 there is no steady
        pulse.
    """

    family: tuple[float, float]
    octave: tuple[float, float]
    pulse: tuple[float, float, float]

    def has_pulse(self, pulse: tuple[float, float]) -> bool:
        """Tell whether there is a steady pulse, by `tempocli.decoding.pooling.TrackTempo.pulse`."""
        bias, peak, strength = self.pulse
        return bias + peak * pulse[0] + strength * pulse[1] >= 0.0

    def to_json(self) -> str:
        """Write as JSON, for the metadata of a model."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError, KeyError, TypeError
            If `text` is something else.
        """
        return cls.from_values(json.loads(text))

    @classmethod
    def from_values(cls, values: Any) -> Calibration:
        """Make one of the lists of numbers that are in the JSON; raises as `from_json` does."""
        (a, b), (c, d), (e, f, g) = (
            [number(each, name, -1000.0, 1000.0) for each in values[name]]
            for name in ("family", "octave", "pulse")
        )
        return cls((a, b), (c, d), (e, f, g))


NEUTRAL = Calibration((0.0, 1.0), (0.0, 1.0), (0.0, 0.0, 0.0))
