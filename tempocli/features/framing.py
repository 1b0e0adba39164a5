"""Cut a stream of samples into overlapping frames, without keeping the stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    # From samples, and the number of frames to compute of them, to these frames.
    Compute = Callable[[NDArray[np.float32], int], NDArray[np.float32]]


class Framer:
    """Compute frames of samples that arrive in blocks; frame ``k`` is centred on sample ``k * hop_length``.

    Parameters
    ----------
    n_fft, hop_length : int
        Length of a frame, and samples between frames.
    compute : callable
        Computes consecutive frames of samples.
    least : int
        Frames computed at once, except at the end.
    """

    def __init__(self, n_fft: int, hop_length: int, compute: Compute, *, least: int = 1) -> None:
        self._n_fft, self._hop_length, self._compute, self._least = n_fft, hop_length, compute, least
        self._pending = np.zeros(n_fft // 2, np.float32)
        self._n_samples = 0
        self._n_done = 0

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Add samples, shape=(n_samples,); return the frames that are complete, or ``None``."""
        self._n_samples += len(block)
        self._pending = np.concatenate([self._pending, block.astype(np.float32, copy=False)])
        n_ready = (len(self._pending) - self._n_fft) // self._hop_length + 1
        if n_ready < self._least:
            return None
        frames = self._compute(self._pending, n_ready)
        self._pending = self._pending[n_ready * self._hop_length :]
        self._n_done += n_ready
        return frames

    def finish(self) -> NDArray[np.float32] | None:
        """Return the last frames, up to the one centred at or before the last sample, or ``None``."""
        n_left = n_frames(self._n_samples, self._hop_length) - self._n_done
        if n_left <= 0:
            return None
        return self._compute(np.concatenate([self._pending, np.zeros(self._n_fft // 2, np.float32)]), n_left)

    def stream(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield the frames of a signal given in blocks."""
        for block in blocks:
            frames = self.push(block)
            if frames is not None:
                yield frames
        frames = self.finish()
        if frames is not None:
            yield frames


def n_frames(n_samples: int, hop_length: int) -> int:
    """Return the number of frames of a signal; the last one is centred at or before the last sample."""
    return 1 + (n_samples - 1) // hop_length if n_samples else 0
