"""Worker: libsonare with its default settings."""

from importlib.metadata import version

from libsonare import Audio
from protocol import serve


def measure(path: str) -> float:
    """Estimate the tempo in BPM."""
    return float(Audio.from_file(path).detect_bpm())


serve(measure, version("libsonare"))
