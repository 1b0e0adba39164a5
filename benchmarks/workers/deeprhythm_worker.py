"""Worker: deeprhythm, which fetches its weights from GitHub when it is first used."""

from importlib.metadata import version

from deeprhythm import DeepRhythmPredictor
from protocol import serve

predictor = DeepRhythmPredictor(device="cpu", quiet=True)


def measure(path: str) -> float:
    """Estimate the tempo in BPM."""
    return float(predictor.predict(path))


serve(measure, version("deeprhythm"))
