"""Worker: this tool, from Python."""

from importlib.metadata import version

from protocol import serve

from tempocli import Estimator

estimator = Estimator(device="cpu")


def measure(path: str) -> float | None:
    """Estimate the tempo in BPM."""
    return estimator.estimate(path).bpm


serve(measure, f"{version('tempo-estimate')}, model {estimator.model_name}")
