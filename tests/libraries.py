"""Indexes of made tracks, for tests of what lies around the models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.embedding.index.layout import Layout
from tempocli.embedding.index.writer import IndexWriter
from tempocli.embedding.track import TrackEmbedding, unit
from tempocli.features.rhythm import RhythmAxis
from tempocli.inference.music import PartSpec
from tempocli.schema import AudioInput, Estimate, FileResult
from tempocli.system.fingerprints import fingerprint_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

AXIS = RhythmAxis(min_bpm=33.0, bins_per_octave=12, n_bins=60, n_bands=1)
PARTS = (PartSpec("timbre", 8), PartSpec("rhythm", 60), PartSpec("chroma", 12), PartSpec("spectrum", 6))
SETTINGS: dict[str, Any] = {
    "tempo": {"model": {"name": "tempo", "version": "2"}},
    "embedding": {"model": {"name": "music", "version": "1"}},
}


def layout(**settings: Any) -> Layout:
    return Layout(SETTINGS | settings, PARTS, AXIS)


def vector(seed: int) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return {part.name: unit(rng.normal(size=part.dim).astype(np.float32)) for part in PARTS}


def result(
    path: Path | str, seed: int = 0, *, bpm: float | None = 120.0, error: str | None = None
) -> FileResult:
    fingerprint = fingerprint_of(str(path))
    if error is not None:
        return FileResult(str(path), error=error, fingerprint=fingerprint)
    reason = None if bpm else "no steady pulse"
    estimate = Estimate(bpm, 0.9, 0.9, (), reason, 60.0, "tempo", model_version="2")
    track = TrackEmbedding(vector(seed), {}, np.zeros(0), 60.0, "music", "1")
    return FileResult(str(path), estimate=estimate, fingerprint=fingerprint, embedding=track)


def make_library(folder: Path, bpms: list[float | None]) -> Path:
    """Make an index of files `0.wav`, `1.wav` ... with these tempi; track k has the vector of seed k."""
    index = folder / "library.tempo"
    with IndexWriter(str(index), layout()) as writer:
        for number, bpm in enumerate(bpms):
            path = folder / f"{number}.wav"
            path.write_bytes(bytes([number % 256]))
            writer.add(result(path, number, bpm=bpm))
        writer.finish()
    return index


def wanted(path: Path | str) -> AudioInput:
    return AudioInput(str(path))
