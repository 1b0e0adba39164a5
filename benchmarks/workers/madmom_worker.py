"""Worker: madmom's neural beat activations and comb filters, as its program TempoDetector does it."""

from importlib.metadata import version

from madmom.features.beats import RNNBeatProcessor
from madmom.features.tempo import TempoEstimationProcessor
from protocol import serve

activations = RNNBeatProcessor()
tempi = TempoEstimationProcessor(fps=100)


def measure(path: str) -> float:
    """Estimate the tempo in BPM: the strongest of madmom's list."""
    return float(tempi(activations(path))[0][0])


serve(measure, version("madmom"))
