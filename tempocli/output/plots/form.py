"""Plot how alike the bars of a song are, with its sections (extra ``plot``)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from tempocli.errors import MissingExtraError

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
except ImportError as error:
    raise MissingExtraError("drawing sections", "plot") from error

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tempocli.decoding.segments.song import SongForm

_MOST_CELLS = 1500  # of a side of the picture; of longer tracks, neighbours are averaged


def draw_form(form: SongForm, file: BinaryIO, *, title: str, image_format: str = "png") -> None:
    """Plot the similarity of each pair of bars, the sections as squares, and their labels.

    Parameters
    ----------
    form : SongForm
        With its cells; see `tempocli.Segmenter`.
    file : binary file
        File for the image.
    title : str
        Title above the plot; not interpreted as markup.
    image_format : str
        ``"png"``, ``"svg"`` or ``"pdf"``.

    Raises
    ------
    ValueError
        If the form has no cells.
    """
    if form.times is None or form.vectors is None:
        raise ValueError("the form has no cells: segment with keep_cells=True")
    # Without pyplot, no global state changes and no display is needed.
    figure = Figure(figsize=(8.0, 8.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    step = -(-len(form.vectors) // _MOST_CELLS)
    edges = np.append(form.times[:-1:step], form.times[-1])
    starts = np.arange(0, len(form.vectors), step)
    vectors = np.add.reduceat(form.vectors, starts, axis=0)
    vectors /= np.diff(np.append(starts, len(form.vectors)))[:, None]
    similar = vectors @ vectors.T
    axes.pcolormesh(edges, edges, similar, cmap="magma", vmin=0.0, vmax=1.0, rasterized=True)
    _draw_sections(axes, form)
    axes.set_aspect("equal")
    axes.set_xlabel("Time (s)")
    axes.set_ylabel("Time (s)")
    axes.set_title(title, parse_math=False, pad=22)
    with warnings.catch_warnings():
        # Characters that the font lacks are drawn as boxes; the warning is not useful to the user.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(file, format=image_format, dpi=120)


def _draw_sections(axes: Axes, form: SongForm) -> None:
    names = list(dict.fromkeys(each.label for each in form.sections))
    for each in form.sections:
        colour = f"C{names.index(each.label) % 10}"
        corners = ([each.start, each.end, each.end, each.start, each.start],)
        axes.plot(*corners, [each.start, each.start, each.end, each.end, each.start], color=colour, lw=1.5)
        axes.annotate(
            each.label,
            (0.5 * (each.start + each.end), 1.01),
            xycoords=("data", "axes fraction"),
            ha="center",
            color=colour,
            weight="bold",
            annotation_clip=False,
        )
