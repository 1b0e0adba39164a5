"""Worker: tempo-cnn, as its command `tempo` does it; the variant is a model's name."""

from importlib.metadata import version

from protocol import serve, variant
from tempocnn.classifier import TempoClassifier
from tempocnn.feature import read_features

classifier = TempoClassifier(variant("fcn"))


def measure(path: str) -> float:
    """Estimate the tempo in BPM."""
    return float(classifier.estimate_tempo(read_features(path), interpolate=False))


serve(measure, version("tempocnn"))
