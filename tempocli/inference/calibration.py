"""Calibration of a model: map its distributions to probabilities and to pulse or no pulse."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from tempocli.features.ranges import number


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of a method's distributions; see `tempocli.decoding.distributions.calibrated`.

    Attributes
    ----------
    family, octave : tuple of (float, float)
        Bias and slope of a logistic map from the log-odds of a share of the distribution to a probability.
        `family`: that the tempo is right up to a factor of 2 or 3. `octave`: that its octave is right, given
        that the family is right.
    pulse : tuple of (float, float, float)
        Bias and two weights of a linear function of `tempocli.decoding.pooling.TrackTempo.pulse`; a negative
        value means no steady pulse.
    """

    family: tuple[float, float]
    octave: tuple[float, float]
    pulse: tuple[float, float, float]

    def has_pulse(self, pulse: tuple[float, float]) -> bool:
        """Return whether there is a steady pulse, from `tempocli.decoding.pooling.TrackTempo.pulse`."""
        bias, peak, strength = self.pulse
        return bias + peak * pulse[0] + strength * pulse[1] >= 0.0

    def to_json(self) -> str:
        """Return the calibration as JSON, for the metadata of a model."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Read a calibration from the JSON of `to_json`.

        Raises
        ------
        ValueError, KeyError, TypeError
            If `text` is not such JSON.
        """
        return cls.from_values(json.loads(text))

    @classmethod
    def from_values(cls, values: Any) -> Calibration:
        """Create a calibration from the decoded JSON values; errors as in `from_json`."""
        (a, b), (c, d), (e, f, g) = (
            [number(each, name, -1000.0, 1000.0) for each in values[name]]
            for name in ("family", "octave", "pulse")
        )
        return cls((a, b), (c, d), (e, f, g))


NEUTRAL = Calibration((0.0, 1.0), (0.0, 1.0), (0.0, 0.0, 0.0))
