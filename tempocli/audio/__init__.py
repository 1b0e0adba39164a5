"""Read audio: from a path or a binary stream to mono float32 blocks, without loading the whole file.

libsndfile (soundfile) is tried first, then FFmpeg (PyAV, the extra ``av``). libsoxr resamples.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tempocli.audio.checks import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, check_sample_rate, check_samples
    from tempocli.audio.decoders.encoding import encode_flac
    from tempocli.audio.formats import AUDIO_EXTENSIONS
    from tempocli.audio.reading import AudioFile, load_audio, open_audio, stream_audio
    from tempocli.audio.resampling import resample_blocks

__all__ = [
    "AUDIO_EXTENSIONS",
    "MAX_SAMPLE_RATE",
    "MIN_SAMPLE_RATE",
    "AudioFile",
    "check_sample_rate",
    "check_samples",
    "encode_flac",
    "load_audio",
    "open_audio",
    "resample_blocks",
    "stream_audio",
]

# Imported on first use: listing files needs only the extensions, not numpy or soundfile.
_HOMES = {
    "AUDIO_EXTENSIONS": "formats",
    "MAX_SAMPLE_RATE": "checks",
    "MIN_SAMPLE_RATE": "checks",
    "AudioFile": "reading",
    "check_sample_rate": "checks",
    "check_samples": "checks",
    "encode_flac": "decoders.encoding",
    "load_audio": "reading",
    "open_audio": "reading",
    "resample_blocks": "resampling",
    "stream_audio": "reading",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tempocli.audio' has no attribute {name!r}")
    return getattr(import_module(f"tempocli.audio.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
