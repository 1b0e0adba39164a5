"""Estimate the tempo (BPM) of music, with models trained without human tempo labels.

>>> from tempocli import estimate
>>> estimate("song.wav").bpm  # doctest: +SKIP
128.0
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tempocli.analyser import Analysis
    from tempocli.batch import estimate_files, find_files, find_inputs, process_files
    from tempocli.beats.tracker import BeatTracker, track_beats
    from tempocli.comparison import TempoComparer, TempoComparison
    from tempocli.decoding.profiles.profile import Profile
    from tempocli.decoding.segments.song import Section, SongForm
    from tempocli.embedding.embedder import Embedder, embed
    from tempocli.embedding.segmentation.segmenter import Segmenter, segment
    from tempocli.embedding.track import TrackEmbedding
    from tempocli.errors import AudioError, DataError, DeviceError, MissingExtraError, ModelError, TempoError
    from tempocli.estimator import Estimator, estimate
    from tempocli.output.formats.documents import estimate_to_jams
    from tempocli.output.frames import estimates_to_dataframe
    from tempocli.schema import (
        AudioInput,
        Beat,
        BeatTrack,
        Candidate,
        CurvePoint,
        Estimate,
        FileResult,
        GridSection,
        Part,
        TempoSection,
    )

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "AudioError",
    "AudioInput",
    "Beat",
    "BeatTrack",
    "BeatTracker",
    "Candidate",
    "CurvePoint",
    "DataError",
    "DeviceError",
    "Embedder",
    "Estimate",
    "Estimator",
    "FileResult",
    "GridSection",
    "MissingExtraError",
    "ModelError",
    "Part",
    "Profile",
    "Section",
    "Segmenter",
    "SongForm",
    "TempoComparer",
    "TempoComparison",
    "TempoError",
    "TempoSection",
    "TrackEmbedding",
    "__version__",
    "embed",
    "estimate",
    "estimate_files",
    "estimate_to_jams",
    "estimates_to_dataframe",
    "find_files",
    "find_inputs",
    "process_files",
    "segment",
    "track_beats",
]

# Imported on first use, so that `tempo --help` does not load numpy or onnxruntime.
_HOMES = {
    "Analysis": "analyser",
    "AudioInput": "schema",
    "DataError": "errors",
    "FileResult": "schema",
    "MissingExtraError": "errors",
    "Part": "schema",
    "Profile": "decoding.profiles.profile",
    "TempoComparer": "comparison",
    "TempoComparison": "comparison",
    "estimate_files": "batch",
    "estimate_to_jams": "output.formats.documents",
    "estimates_to_dataframe": "output.frames",
    "find_files": "batch",
    "find_inputs": "batch",
    "process_files": "batch",
    "AudioError": "errors",
    "DeviceError": "errors",
    "ModelError": "errors",
    "TempoError": "errors",
    "BeatTracker": "beats.tracker",
    "track_beats": "beats.tracker",
    "Section": "decoding.segments.song",
    "Segmenter": "embedding.segmentation.segmenter",
    "SongForm": "decoding.segments.song",
    "segment": "embedding.segmentation.segmenter",
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
