"""The grid of possible boundaries: bars, or seconds where there are no beats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.schema import BeatTrack

_CELL = 2.0  # seconds, without beats
_FEWEST_BARS = 4  # fewer say nothing of the bars before and after them
_SPARE = 0.25  # of a bar: what is left over at either end is shorter than that, or is a bar of its own


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Cells between which sections may change.

    Attributes
    ----------
    times : ndarray of float64, shape=(n_cells + 1,)
        Edges of the cells, in seconds, from 0 to the end of the audio.
    in_bars : bool
        Whether the cells are bars; otherwise they are equal parts of the audio of about two seconds.
    """

    times: NDArray[np.float64]
    in_bars: bool

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.times) - 1


def make_grid(track: BeatTrack, duration: float) -> Grid:
    """Return the bars of a track, continued to its start and end.

    Parameters
    ----------
    track : BeatTrack
    duration : float
        Length of the audio, in seconds, above 0.
    """
    downbeats = np.array([beat.time for beat in track.downbeats])
    downbeats = downbeats[downbeats < duration]
    if len(downbeats) < _FEWEST_BARS:
        return Grid(np.linspace(0.0, duration, max(1, round(duration / _CELL)) + 1), in_bars=False)
    before = _bars_until(downbeats[0], float(np.median(np.diff(downbeats[:9]))))
    after = _bars_until(duration - downbeats[-1], float(np.median(np.diff(downbeats[-9:]))))
    times = np.concatenate([downbeats[0] - before[::-1], downbeats, downbeats[-1] + after])
    # The first and the last cell take the rest of the audio.
    times[0], times[-1] = 0.0, duration
    return Grid(times, in_bars=True)


def _bars_until(seconds: float, bar: float) -> NDArray[np.float64]:
    """Return how far the ends of further bars are away, the last one at least near the end of the audio."""
    n_bars = int(np.ceil(seconds / bar - _SPARE))
    return np.asarray(bar * np.arange(1, n_bars + 1), np.float64)
