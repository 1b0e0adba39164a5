"""Plot a tempogram with the tempo curve (extra ``plot``)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from tempocli.errors import MissingExtraError

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter
except ImportError as error:
    raise MissingExtraError("drawing the tempogram", "plot") from error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from tempocli.estimator import Analysis

IMAGE_FORMATS = ("png", "svg", "pdf")
_TICKS = (30, 40, 60, 80, 100, 120, 160, 200, 240, 300)


def draw_tempogram(analysis: Analysis, file: BinaryIO, *, title: str, image_format: str = "png") -> None:
    """Plot the tempo distribution over time, the tempo curve, and the estimate.

    Parameters
    ----------
    analysis : Analysis
        Tempogram, axes and estimate of one piece of audio.
    file : binary file
        File for the image.
    title : str
        Title above the plot; not interpreted as markup.
    image_format : str
        One of `IMAGE_FORMATS`.
    """
    # Without pyplot, no global state changes and no display is needed.
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _draw_distribution(axes, analysis)
    _draw_curve(axes, analysis)
    _label(axes, title, analysis)
    with warnings.catch_warnings():
        # Characters that the font lacks are drawn as boxes; the warning is not useful to the user.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(file, format=image_format, dpi=120)


def _draw_distribution(axes: Axes, analysis: Analysis) -> None:
    # The square root keeps the weaker tempi visible beside a sharp peak.
    strength = np.sqrt(analysis.tempogram)
    step = _step(analysis)
    for run in _runs(analysis.times, step):
        axes.pcolormesh(
            _edges(analysis.times[run], step),
            2.0 ** _edges(np.log2(analysis.bpms), 0.0),
            strength[run].T,
            cmap="magma",
            vmin=0.0,
            vmax=float(strength.max()),
            rasterized=True,
        )


def _draw_curve(axes: Axes, analysis: Analysis) -> None:
    curve = analysis.estimate.curve
    times = np.array([point.time for point in curve])
    bpms = np.array([point.bpm for point in curve])
    for number, run in enumerate(_runs(times, _step(analysis))):
        label = None if number else "local tempo"
        axes.plot(times[run], bpms[run], color="cyan", linewidth=1, marker=".", label=label)


def _label(axes: Axes, title: str, analysis: Analysis) -> None:
    estimate = analysis.estimate
    if estimate.bpm is None:
        tempo = f"no tempo: {estimate.reason}"
    else:
        tempo = f"{estimate.bpm:.2f} BPM"
        axes.axhline(estimate.bpm, color="white", linewidth=0.8, linestyle="--", label=tempo)
    axes.set_title(f"{title} ({tempo})", parse_math=False)
    axes.set_xlabel("time (s)")
    axes.set_ylabel("tempo (BPM)")
    # A single sample is shorter than a frame.
    axes.set_xlim(analysis.start, analysis.start + (estimate.duration or 1.0))
    axes.set_yscale("log", base=2)
    axes.set_ylim(float(analysis.bpms[0]), float(analysis.bpms[-1]))
    axes.yaxis.set_major_locator(FixedLocator(_TICKS))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    axes.set_facecolor("black")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper right", framealpha=0.6)


def _step(analysis: Analysis) -> float:
    """Return the usual time between windows, in seconds."""
    steps = np.diff(analysis.times)
    return float(np.median(steps)) if len(steps) else analysis.estimate.duration


def _runs(times: NDArray[np.float64], step: float) -> list[NDArray[np.intp]]:
    """Split the windows at gaps, where silent windows were left out."""
    runs = np.split(np.arange(len(times)), np.flatnonzero(np.diff(times) > 1.5 * step) + 1)
    return [run for run in runs if len(run)]


def _edges(centres: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Return the borders of the cells; a single cell is `step` wide."""
    if len(centres) == 1:
        return np.array([centres[0] - step / 2, centres[0] + step / 2])
    middles = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middles[0]], middles, [2 * centres[-1] - middles[-1]]])
