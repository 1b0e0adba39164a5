"""Encode the windows of many files together in one session."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.inference.classifier import Encode

# Maximum windows per call: 40 MB, and more for the activations of the network.
_MAX_WINDOWS = 256


class _Request:
    def __init__(self, windows: NDArray[Any]) -> None:
        self.windows = windows
        self.answer: tuple[NDArray[Any], NDArray[Any]] | None = None
        self.error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.answer is not None or self.error is not None


class MergingEncoder:
    """Encode for many threads with one call at a time; each call takes all waiting windows.

    This is for a GPU, which needs large batches to be efficient. A CPU does not benefit, see `docs/scale.md`.

    Parameters
    ----------
    encode : callable
        Runs the session, see `tempocli.inference.classifier.Encoder.encode`.
    """

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._waiting: list[_Request] = []
        self._change = threading.Condition()
        self._busy = False

    def encode(self, windows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Encode windows together with those of other threads; same results as the session's `encode`."""
        mine = _Request(windows)
        with self._change:
            self._waiting.append(mine)
        while True:
            with self._change:
                self._change.wait_for(lambda: mine.is_done or not self._busy)
                if mine.error is not None:
                    raise mine.error
                if mine.answer is not None:
                    return mine.answer
                # The thread that finds the session free encodes for all waiting threads.
                batch = self._take()
                self._busy = True
            self._run(batch)
            with self._change:
                self._busy = False
                self._change.notify_all()

    def _take(self) -> list[_Request]:
        n_taken = n_windows = 0
        for request in self._waiting:
            n_windows += len(request.windows)
            if n_taken and n_windows > _MAX_WINDOWS:
                break
            n_taken += 1
        batch, self._waiting = self._waiting[:n_taken], self._waiting[n_taken:]
        return batch

    def _run(self, batch: list[_Request]) -> None:
        try:
            logits, embeddings = self._encode(np.concatenate([_even(each.windows) for each in batch]))
        except Exception as error:  # passed on to each waiting thread
            for request in batch:
                request.error = error
            return
        start = 0
        for request in batch:
            stop = start + len(request.windows)
            request.answer = logits[start:stop], embeddings[start:stop]
            start = stop + len(request.windows) % 2


def _even(windows: NDArray[Any]) -> NDArray[Any]:
    """Repeat the last of an odd number of windows, since a model may average pairs of neighbours.

    See `tempocli.inference.methods.ReferenceModel`. A window averaged with itself is unchanged.
    """
    return np.concatenate([windows, windows[-1:]]) if len(windows) % 2 else windows
