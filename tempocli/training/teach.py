"""Teachers: what several networks together think of unlabelled music, kept beside its features."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from tempocli.errors import DataError
from tempocli.training.store import Clip, open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.training.network import TempoNetwork

log = logging.getLogger(__name__)

_FILE = "teacher.npz"
_BATCH = 64


def teach(
    networks: list[TempoNetwork],
    folder: Path,
    *,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write the mean tempo distribution of several networks for every half window of a store.

    Parameters
    ----------
    networks : list of TempoNetwork
        In evaluation mode, with the same tempo axis and windows.
    folder : Path
        The store; its teacher is replaced.
    report : callable
        Called with the clips done and their number.

    Raises
    ------
    DataError
        If the folder holds no store, or the networks differ in axis or windows.
    """
    configs = {
        (net.config.n_frames, net.config.n_bins, net.config.bins_per_octave, net.config.min_bpm)
        for net in networks
    }
    if len(configs) != 1:
        raise DataError("the teachers differ in their tempo axis or windows")
    store = open_store(folder)
    n_frames = networks[0].config.n_frames
    hop = n_frames // 2
    rows: list[NDArray[np.float16]] = []
    first = {}
    n_rows = 0
    for number, clip in enumerate(store.clips):
        frames = store.frames[clip.start : clip.start + clip.length].astype(np.float32)
        padded = np.pad(frames, ((0, max(0, n_frames - len(frames))), (0, 0)))
        starts = range(0, len(padded) - n_frames + 1, hop)
        first[clip.name] = n_rows
        for begin in range(0, len(starts), _BATCH):
            windows = np.stack([padded[start : start + n_frames] for start in starts[begin : begin + _BATCH]])
            rows.append(_mean_distribution(networks, windows).astype(np.float16))
        n_rows += len(starts)
        report(number + 1, len(store.clips))
    np.savez(
        folder / _FILE,
        distributions=np.concatenate(rows),
        names=np.array(list(first)),
        first=np.array([*first.values(), n_rows]),
        hop=hop,
    )


@torch.inference_mode()
def _mean_distribution(networks: list[TempoNetwork], windows: NDArray[np.float32]) -> NDArray[np.float32]:
    batch = torch.from_numpy(windows)
    total = sum(torch.softmax(network(batch)[0], dim=1) for network in networks)
    assert isinstance(total, torch.Tensor)
    return np.asarray((total / len(networks)).numpy(), np.float32)


@dataclass(frozen=True, slots=True)
class Teacher:
    """The teachers' distributions of a store.

    Attributes
    ----------
    distributions : ndarray of float16, shape=(n_rows, n_bins)
    rows : dict of str to (int, int)
        First row of a clip and the row after its last.
    hop : int
        Frames between the rows of a clip; row 0 is of the window that starts with the clip.
    """

    distributions: NDArray[np.float16]
    rows: dict[str, tuple[int, int]]
    hop: int

    def target(
        self, clip: Clip, start: float, rate: float, *, n_frames: int, bins_per_octave: int
    ) -> NDArray[np.float32]:
        """Look up the distribution of a view: the nearest window's, shifted by the view's rate (S1).

        Parameters
        ----------
        clip : Clip
        start : float
            First frame of the view in the clip.
        rate : float
            The view's rate; > 1 is faster.
        n_frames : int
            Frames of the view.
        bins_per_octave : int
            Resolution of the tempo axis.

        Returns
        -------
        ndarray of float32, shape=(n_bins,)
            Sums to 1.
        """
        first, stop = self.rows[clip.name]
        middle = start + 0.5 * rate * n_frames
        row = first + round((middle - n_frames / 2.0) / self.hop)
        distribution = self.distributions[min(max(row, first), stop - 1)].astype(np.float64)
        places = np.arange(len(distribution))
        shift = bins_per_octave * np.log2(rate)
        moved = np.interp(places - shift, places, distribution, left=0.0, right=0.0) + 1e-9
        return np.asarray(moved / moved.sum(), np.float32)


def open_teacher(folder: Path) -> Teacher:
    """Open the teacher of a store.

    Raises
    ------
    DataError
        If the store has none, or it was made for other clips.
    """
    try:
        with np.load(folder / _FILE) as file:
            names, first = file["names"], file["first"]
            distributions, hop = file["distributions"], int(file["hop"])
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{folder}: has no teacher; make one with 'tempo train teach' ({error})") from error
    rows = {str(name): (int(first[i]), int(first[i + 1])) for i, name in enumerate(names)}
    if rows.keys() != {clip.name for clip in open_store(folder).clips}:
        raise DataError(f"{folder}: its teacher was made for other clips; run 'tempo train teach' again")
    return Teacher(distributions, rows, hop)
