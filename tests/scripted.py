"""A model that says what a test has written, and audio that it has heard."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.encoder import Calibration
from tempocli.features import FrontEnd
from tempocli.listening import Heard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BPMS = 30.0 * 2.0 ** (np.arange(160) / 48.0)
FRONT_END = FrontEnd()
STEP = 3.0
PLAIN = Calibration((0.0, 1.0), (0.0, 1.0), (1e3, 0.0, 0.0))


@dataclass(eq=False)
class Facts:
    """What is known of a model; see `tempocli.methods.ModelFacts`."""

    name: str = "scripted"
    prior: NDArray[np.float64] = field(default_factory=lambda: np.ones(160))
    calibration: Calibration = PLAIN
    device: str = "cpu"
    front_end: FrontEnd = FRONT_END
    n_frames: int = 1024
    bpms: NDArray[np.float64] = field(default_factory=lambda: BPMS)
    bins_per_octave: int = 48
    embedding_dim: int = 0


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
) -> Heard:
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
    return Heard(**(values | changes))
