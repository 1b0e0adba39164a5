"""Worker: this tool, from Python; the variant is a method, and a model if it is not its default one."""

from importlib.metadata import version

from protocol import serve, variant

from tempocli import Estimator

method, *model = variant("both").split()
estimator = Estimator(model[0] if model else None, method=method, device="cpu")


def measure(path: str) -> float | None:
    """Estimate the tempo in BPM."""
    return estimator.estimate(path).bpm


serve(measure, version("tempo-estimate"))
