"""Estimate the tempo (BPM) of music, with models trained without human tempo labels.

>>> from tempocli import estimate
>>> estimate("song.wav").bpm  # doctest: +SKIP
128.0
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tempocli.beats.tracker import BeatTracker, track_beats
    from tempocli.embedding.embedder import Embedder, embed
    from tempocli.embedding.track import TrackEmbedding
    from tempocli.errors import AudioError, DeviceError, ModelError, TempoError
    from tempocli.estimator import Estimator, estimate
    from tempocli.schema import Beat, BeatTrack, Candidate, CurvePoint, Estimate, GridSection, TempoSection

__version__ = "0.1.0"

__all__ = [
    "AudioError",
    "Beat",
    "BeatTrack",
    "BeatTracker",
    "Candidate",
    "CurvePoint",
    "DeviceError",
    "Embedder",
    "Estimate",
    "Estimator",
    "GridSection",
    "ModelError",
    "TempoError",
    "TempoSection",
    "TrackEmbedding",
    "__version__",
    "embed",
    "estimate",
    "track_beats",
]

# Imported on first use, so that `tempo --help` does not load numpy or onnxruntime.
_HOMES = {
    "AudioError": "errors",
    "DeviceError": "errors",
    "ModelError": "errors",
    "TempoError": "errors",
    "BeatTracker": "beats.tracker",
    "track_beats": "beats.tracker",
    "Embedder": "embedding.embedder",
    "embed": "embedding.embedder",
    "TrackEmbedding": "embedding.track",
    "Estimator": "estimator",
    "estimate": "estimator",
    "Beat": "schema",
    "BeatTrack": "schema",
    "Candidate": "schema",
    "CurvePoint": "schema",
    "Estimate": "schema",
    "GridSection": "schema",
    "TempoSection": "schema",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tempocli' has no attribute {name!r}")
    return getattr(import_module(f"tempocli.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
