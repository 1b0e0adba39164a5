"""Worker: this tool, from Python; the variant is a model's name."""

from importlib.metadata import version

from protocol import serve, variant

from tempocli import Estimator

estimator = Estimator(variant("tempo"), device="cpu")


def measure(path: str) -> float | None:
    """Estimate the tempo in BPM."""
    return estimator.estimate(path).bpm


serve(measure, version("tempo-estimate"))
