"""The comparator (Henkel 2024) as an ONNX session: embed windows, and compare pairs of embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tempocli.errors import ModelError
from tempocli.features.ranges import brief
from tempocli.inference.references.patterns import AXIS
from tempocli.inference.registry import ships
from tempocli.inference.session.runtime import open_session
from tempocli.inference.spec import checksum_of, read_comparator

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_DOUBT = 0.03  # assumed share of wrong results; the best of five values for both models tried


class Comparator:
    """Estimate whether pairs of windows have the same tempo.

    Parameters
    ----------
    path : Path
        An ONNX file made by ``tempo train export-comparison``.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"``.
    threads : int
        Threads per call on the CPU.

    Attributes
    ----------
    path : Path
    spec : ModelSpec
        Description of the model, from the metadata of the file; its axis is that of the references.
    device : str

    Raises
    ------
    ModelError
        If the file is not a comparator.
    DeviceError
        If ``"cuda"`` is requested and does not work.
    """

    def __init__(self, path: Path, *, device: str = "auto", threads: int = 1) -> None:
        self.path = path
        self._session = open_session(path, device, threads, trusted=ships(path))
        self.device = self._session.device
        try:
            self.spec = read_comparator(
                self._session.metadata,
                AXIS,
                embedding_dim=self._session.width("embedding"),
                checksum=checksum_of(path),
            )
        except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
            raise ModelError(f"{path}: not a model that compares (metadata: {brief(error)})") from error
        self._no_window = np.zeros((1, self.spec.n_frames, self.spec.front_end.n_mels), np.float32)
        self._no_embedding = np.zeros((1, self.spec.embedding_dim), np.float32)

    def embed(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute embeddings, shape=(n, embedding_dim), of log-mel windows, shape=(n, n_frames, n_mels)."""
        # The graph contains both halves; the unused half gets a minimal input.
        inputs = {"log_mel": windows, "a": self._no_embedding, "b": self._no_embedding}
        return self._session.run({"embedding": (len(windows), self.spec.embedding_dim)}, inputs)[0]

    def log_odds(self, a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compare all pairs of two sets of embeddings.

        Parameters
        ----------
        a : ndarray of float32, shape=(n_a, embedding_dim)
        b : ndarray of float32, shape=(n_b, embedding_dim)

        Returns
        -------
        ndarray of float32, shape=(n_a, n_b)
            Log-odds that the two have the same tempo.
        """
        inputs = {"log_mel": self._no_window, "a": a, "b": b}
        return self._session.run({"log_odds": (len(a), len(b))}, inputs)[0]

    def log_same(self, a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the log-probability that the two have the same tempo; arguments as in `log_odds`.

        The probabilities are bounded away from 0, so that one window or pattern that does not fit cannot
        outweigh the others.
        """
        half = 0.5 * self.log_odds(a, b)
        probability = 0.5 + 0.5 * np.tanh(half)  # the sigmoid, without overflow
        return np.asarray(np.log((1.0 - _DOUBT) * probability + _DOUBT), np.float32)
