"""Cut a stream of frames into batches of encoder windows, without keeping the whole stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_BATCH = 16  # windows per encoder call; more are no faster on a CPU and need more memory


class WindowCutter:
    """Cut windows with a hop of a quarter of a window.

    A hop of half a window costs one or two points of Accuracy 1; the network is cheap enough for this hop.

    Parameters
    ----------
    n_frames : int
        Frames per window.
    n_mels : int
        Mel bands.
    """

    def __init__(self, n_frames: int, n_mels: int) -> None:
        self._n_frames, self._hop = n_frames, n_frames // 4
        self._kept = np.zeros((0, n_mels), np.float32)
        self._first = 0  # index of the first kept frame
        self._next = 0  # index of the first frame of the next window

    def push(self, log_mel: NDArray[np.float32]) -> None:
        """Add the next frames, shape=(n_frames, n_mels)."""
        self._kept = np.concatenate([self._kept, log_mel])

    def ready(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]]:
        """Yield full batches of windows.

        Yields
        ------
        windows : ndarray of float32, shape=(n_windows, n_frames, n_mels)
        centres : ndarray of float64, shape=(n_windows,)
            Middle of each window, in frames from the start of the stream.
        """
        while self._n_whole() >= _BATCH:
            yield self._cut(_BATCH)

    def rest(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]]:
        """Yield the remaining windows; the last window ends with the last frame.

        A stream shorter than a window is centred in a window and padded by repeating its first and last
        frames, since padding with silence would add an onset.

        Yields
        ------
        As `ready`.
        """
        if self._n_whole() > 0:
            yield self._cut(self._n_whole())
        end = self._first + len(self._kept)
        covered = self._next - self._hop + self._n_frames if self._next else 0
        if end > covered:
            window = self._kept[-self._n_frames :]
            missing = self._n_frames - len(window)
            padded = np.pad(window, ((missing // 2, missing - missing // 2), (0, 0)), mode="edge")
            yield padded[None], np.array([end - len(window) / 2.0])

    def _n_whole(self) -> int:
        return (self._first + len(self._kept) - self._next - self._n_frames) // self._hop + 1

    def _cut(self, n_windows: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        starts = self._next + np.arange(n_windows) * self._hop
        windows = np.stack([self._kept[start : start + self._n_frames] for start in starts - self._first])
        self._next += n_windows * self._hop
        # Keep the frames of one window, for a last window that ends with the stream.
        spare = max(0, self._next - self._n_frames - self._first)
        self._kept = self._kept[spare:]
        self._first += spare
        centres: NDArray[np.float64] = starts.astype(np.float64) + self._n_frames / 2.0
        return windows, centres
