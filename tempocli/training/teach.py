"""Teaching: what several networks together hear in unlabelled music, as targets for another."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from tempocli.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.training.network import TempoNetwork
    from tempocli.training.store import Clip, Store

_BATCH = 64
# A track's windows share its tempo octave, not its exact tempo: so its distribution is smoothed widely.
_SMOOTHING = np.hanning(25)


@dataclass(frozen=True, slots=True)
class Teaching:
    """The teachers' tempo distributions of a store's clips.

    Attributes
    ----------
    distributions : ndarray of float16, shape=(n_rows, n_bins)
    rows : dict of str to (int, int)
        First row of a clip, and the row after its last.
    hop : int
        Frames between the windows of a clip's rows; the first window starts with the clip.
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
        moved = np.interp(places - bins_per_octave * np.log2(rate), places, distribution, left=0.0, right=0.0)
        moved += 1e-9
        return np.asarray(moved / moved.sum(), np.float32)


def teach(networks: list[TempoNetwork], store: Store, path: Path, *, tilt: float) -> None:
    """Write the teachers' distributions of every half window of a store.

    Each window's distribution is the mean of the networks', weighted by what they hear in the whole of its
    track: windows agree on the octave more often than each of them is right about it.

    Parameters
    ----------
    networks : list of TempoNetwork
        In evaluation mode, with the same windows and tempo axis.
    store : Store
    path : Path
        The file to write.
    tilt : float
        The distributions are weighted by the tempo to this power, as `tempocli.decoder.pool` does.
    """
    config = networks[0].config
    weights = (2.0 ** (np.arange(config.n_bins) / config.bins_per_octave)) ** tilt
    rows: list[NDArray[np.float16]] = []
    counts = []
    for clip in store.clips:
        windows = _windows(store.frames[clip.start : clip.start + clip.length], config.n_frames)
        heard = np.concatenate(
            [_mean(networks, windows[first : first + _BATCH]) for first in range(0, len(windows), _BATCH)]
        )
        track = np.convolve(heard.mean(axis=0) * weights, _SMOOTHING, "same")
        agreed = heard * weights * (track / track.sum() + 1e-4)
        rows.append((agreed / agreed.sum(axis=1, keepdims=True)).astype(np.float16))
        counts.append(len(windows))
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        distributions=np.concatenate(rows),
        names=np.array([clip.name for clip in store.clips]),
        first=np.concatenate([[0], np.cumsum(counts)]),
        hop=config.n_frames // 2,
    )
    os.replace(partial, path)


def _windows(frames: NDArray[np.float16], n_frames: int) -> NDArray[np.float32]:
    padded = np.pad(frames, ((0, max(0, n_frames - len(frames))), (0, 0)))
    starts = range(0, len(padded) - n_frames + 1, n_frames // 2)
    return np.stack([padded[start : start + n_frames] for start in starts]).astype(np.float32)


@torch.inference_mode()
def _mean(networks: list[TempoNetwork], windows: NDArray[np.float32]) -> NDArray[np.float64]:
    batch = torch.from_numpy(windows)
    heard = [torch.softmax(network(batch)[0], dim=1).numpy() for network in networks]
    return np.asarray(np.mean(heard, axis=0, dtype=np.float64))


def open_teaching(path: Path, store: Store) -> Teaching:
    """Open what `teach` wrote about a store.

    Raises
    ------
    DataError
        If it cannot be read, or was written about other clips.
    """
    try:
        with np.load(path) as file:
            names, first = file["names"], file["first"]
            distributions, hop = file["distributions"], int(file["hop"])
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: not a teaching that can be read ({error})") from error
    rows = {str(name): (int(first[i]), int(first[i + 1])) for i, name in enumerate(names)}
    if not rows.keys() >= {clip.name for clip in store.clips}:
        raise DataError(f"{path}: was written about other clips; delete it to have it written anew")
    return Teaching(distributions, rows, hop)
