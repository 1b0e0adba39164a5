"""Find out all that an index holds of a file, decoding it once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from tempocli.audio import stream_audio
from tempocli.audio.parts import stream_part
from tempocli.embedding.embedder import Embedder
from tempocli.errors import ModelError
from tempocli.estimator import Estimator
from tempocli.schema import Outcome, Part

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli.embedding.embedder import PortableEmbedder
    from tempocli.estimator import PortableEstimator, RepeatedEstimator


class Indexer:
    """Estimates the tempo and computes the vectors of files; a processor of batches.

    Parameters
    ----------
    estimator : Analyser
        Estimates tempi.
    embedder : Embedder
        Its front end has the sample rate of the estimator's.

    Raises
    ------
    ModelError
        If the sample rates differ.
    """

    def __init__(self, estimator: Any, embedder: Embedder) -> None:
        self._estimator, self._embedder = estimator, embedder
        self.device = embedder.device
        self.spec = embedder.spec
        if estimator.front_end.sample_rate != embedder.spec.front_end.sample_rate:
            raise ModelError("the models for tempo and embedding need different sample rates")

    @classmethod
    def open(cls, model: str | Path | None = None, *, device: str = "auto") -> Indexer:
        """Open the default estimator and an embedder."""
        return cls(Estimator(device=device), Embedder(model, device=device))

    def settings(self) -> dict[str, Any]:
        """Return everything except the audio that an index depends on, as JSON values."""
        return {"tempo": self._estimator.settings(), "embedding": self._embedder.settings()}

    def encode(self, windows: Any) -> Any:
        """Run the tempo models for other processes."""
        return self._estimator.encode(windows)

    def process(
        self, source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> Outcome:
        """Process one file or a part of it; parameters and errors are those of `Embedder.embed`."""
        part = Part.of(start, duration)
        sample_rate = self.spec.front_end.sample_rate
        if part is None:
            blocks = stream_audio(source, sample_rate=sample_rate)
        else:
            blocks = stream_part(source, part, sample_rate=sample_rate)
        collector = self._embedder.collector()
        estimate = self._estimator.analyse_blocks(collector.watch(blocks)).estimate
        # The index has vectors of tracks only.
        track = replace(collector.finish(), windows={})
        return Outcome(replace(estimate, curve=()), track)

    def portable(self) -> PortableIndexer:
        """Return a picklable form of the indexer for another process."""
        return PortableIndexer(self._estimator.portable(), self._embedder.portable())


@dataclass(frozen=True, slots=True, eq=False)
class PortableIndexer:
    """A picklable recipe for an indexer, from `Indexer.portable`."""

    estimator: PortableEstimator | RepeatedEstimator
    embedder: PortableEmbedder

    def connect(self, encode: Any) -> Indexer:
        """Create the indexer; errors are those of its two parts."""
        return Indexer(self.estimator.connect(encode), self.embedder.connect(encode))
