"""Hear tracks for what a profile is learned from; for one file or a batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from tempocli.decoding.profiles.learning import Evidence
from tempocli.schema import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class EvidenceCollector:
    """Collect the tempo distributions of tracks, as a processor of a batch.

    Parameters
    ----------
    estimator : Estimator or Analyser
        Without a profile.
    """

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator
        self.device = getattr(estimator, "device", "cpu")

    def process(
        self, source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> Outcome:
        """Analyse one input; parameters and errors are those of `tempocli.analyser.Analyser.estimate`."""
        analysis = self._estimator.analyse(source, start=start, duration=duration)
        estimate = replace(analysis.estimate, curve=())
        if not len(analysis.distribution):
            return Outcome(estimate)
        return Outcome(estimate, evidence=Evidence(estimate.bpm, analysis.distribution, analysis.embedding))

    def encode(self, windows: NDArray[np.float32]) -> Any:
        """Run the models for other processes."""
        return self._estimator.encode(windows)

    def portable(self) -> PortableCollector:
        """Return a picklable form for another process."""
        return PortableCollector(self._estimator.portable())


@dataclass(frozen=True, slots=True, eq=False)
class PortableCollector:
    """A picklable recipe for a collector, from `EvidenceCollector.portable`."""

    estimator: Any

    def connect(self, encode: Any) -> EvidenceCollector:
        """Create the collector; errors are those of the estimator's."""
        return EvidenceCollector(self.estimator.connect(encode))
