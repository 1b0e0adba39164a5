"""Worker: this tool, from Python; the variant is a model's name."""

from importlib.metadata import version

from protocol import serve, variant

from tempocli import Estimator
from tempocli.registry import list_models

model = variant("tempo")
methods = {entry.name: entry.method for entry in list_models()}
estimator = Estimator(model, method=methods[model], device="cpu")


def measure(path: str) -> float | None:
    """Estimate the tempo in BPM."""
    return estimator.estimate(path).bpm


serve(measure, version("tempo-estimate"))
