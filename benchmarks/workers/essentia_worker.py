"""Worker: the tempo estimators of Essentia that need no downloaded model."""

from importlib.metadata import version

from essentia.standard import MonoLoader, PercivalBpmEstimator, RhythmExtractor2013
from protocol import serve, variant

METHOD = variant("multifeature")
SAMPLE_RATE = 44100


def measure(path: str) -> float:
    """Estimate the tempo in BPM."""
    samples = MonoLoader(filename=path, sampleRate=SAMPLE_RATE)()
    if METHOD == "percival":
        return float(PercivalBpmEstimator(sampleRate=SAMPLE_RATE)(samples))
    return float(RhythmExtractor2013(method=METHOD)(samples)[0])


serve(measure, version("essentia"))
