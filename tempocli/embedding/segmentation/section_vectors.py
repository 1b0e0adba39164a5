"""Vectors of the sections of a track, from those of its windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tempocli.embedding.track import unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tempocli.decoding.segments.song import Section
    from tempocli.embedding.track import TrackEmbedding


def section_vectors(
    track: TrackEmbedding, sections: Sequence[Section], window: float
) -> dict[str, NDArray[np.float32]]:
    """Return the vectors of sections: means of the windows that lie in them.

    A window counts by how much more than half of it lies in the section. Where none does by more than half,
    as in very short sections, the windows that lie in it most count.

    Parameters
    ----------
    track : TrackEmbedding
        With its windows.
    sections : sequence of Section
    window : float
        Length of a window, in seconds.

    Returns
    -------
    dict of str to ndarray of float32, shape=(n_sections, dim)
        In the parts of the track. Zeros where nothing was heard.
    """
    weights = np.zeros((len(sections), len(track.times)), np.float32)
    for row, section in zip(weights, sections, strict=True):
        starts, ends = track.times - 0.5 * window, track.times + 0.5 * window
        inside = np.clip(np.minimum(ends, section.end) - np.maximum(starts, section.start), 0.0, None)
        row[:] = np.clip(inside - 0.5 * window, 0.0, None)
        if not row.any() and inside.any():
            row[:] = inside >= inside.max() - 1e-6
    return {name: unit(weights @ windows) for name, windows in track.windows.items()}
