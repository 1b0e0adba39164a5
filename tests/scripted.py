"""A model that says what a test has written, and audio that it has heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.axis import TempoAxis
from tempocli.features.front_end import FrontEnd
from tempocli.inference.calibration import Calibration
from tempocli.inference.priors import PowerPrior
from tempocli.inference.spec import ModelSpec, ensemble
from tempocli.inference.window_analysis import WindowAnalysis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

AXIS = TempoAxis()
BPMS = AXIS.bpms
FRONT_END = FrontEnd()
STEP = 3.0
PLAIN = Calibration((0.0, 1.0), (0.0, 1.0), (1e3, 0.0, 0.0))


@dataclass(frozen=True)
class ScriptedPrior:
    """Weights of the tempi that a test has written, shape=(160,)."""

    weights: Any

    def of(self, bpms: NDArray[np.float64]) -> NDArray[np.float64]:
        assert len(bpms) == len(self.weights)
        return np.asarray(self.weights)


def spec(kind: str = "classifier", **changes: Any) -> ModelSpec:
    """Describe a model of one method."""
    values: dict[str, Any] = {
        "kind": kind,
        "name": "scripted",
        "version": "7",
        "front_end": FRONT_END,
        "n_frames": 1024,
        "axis": AXIS,
        "pooling": {"classifier": "certainty", "comparator": "geometric", "periodicity": "whole"}[kind],
        "prior": PowerPrior(),
        "calibration": PLAIN,
        "embedding_dim": 0,
    }
    return ModelSpec(**(values | changes))


def both(**changes: Any) -> ModelSpec:
    """Describe a classifier and a comparator together."""
    parts = spec(name="classify", **changes), spec("comparator", name="compare", **changes)
    return ensemble(parts, parts[0].calibration, checksum="")


def bump(*peaks: tuple[float, float], floor: float = 1e-5) -> NDArray[np.float64]:
    """A distribution with Gaussian peaks of one bin's width at (bpm, weight)."""
    places = np.arange(160)
    out = np.full(160, floor)
    for bpm, weight in peaks:
        out += weight * np.exp(-0.5 * (places - 48.0 * np.log2(bpm / 30.0)) ** 2)
    return out / out.sum()


def rows(*distributions: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.stack(distributions).astype(np.float32)


def pulse_curve(tempi: Sequence[float]) -> NDArray[np.float32]:
    """One pulse a beat, at a tempo that is given every three seconds."""
    n_frames = round(len(tempi) * STEP * FRONT_END.frame_rate)
    at = np.minimum((np.arange(n_frames) / FRONT_END.frame_rate / STEP).astype(int), len(tempi) - 1)
    beats = np.cumsum(np.asarray(tempi)[at] / 60.0 / FRONT_END.frame_rate)
    away = np.abs((beats + 0.3) % 1.0 - 0.5) * 60.0 / np.asarray(tempi)[at] * FRONT_END.frame_rate
    return np.exp(-0.5 * (away / 1.2) ** 2).astype(np.float32)


def hear_script(
    tempi: Sequence[float], tempograms: dict[str, NDArray[np.float32]] | None = None, **changes: Any
) -> WindowAnalysis:
    """Hear a window every three seconds, by default one method that is sure of the tempo there."""
    curve = pulse_curve(tempi)
    if tempograms is None:
        tempograms = {"classify": rows(*(bump((bpm, 0.9), (bpm / 2, 0.1)) for bpm in tempi))}
    nothing = np.zeros((0, FRONT_END.n_mels), np.float32)
    values: dict[str, Any] = {
        "tempograms": tempograms,
        "embeddings": np.zeros((len(tempi), 0), np.float32),
        "times": (np.arange(len(tempi)) + 0.5) * STEP,
        "onset": curve,
        "curve": curve,
        "head": nothing,
        "tail": nothing,
        "duration": len(tempi) * STEP,
    }
    return WindowAnalysis(**(values | changes))
