"""The tempo encoder: compute tempo logits and embeddings from log-mel windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.errors import ModelError
from tempocli.features.ranges import brief, whole
from tempocli.inference.registry import ships
from tempocli.inference.session.runtime import open_session
from tempocli.inference.spec import checksum_of, read_classifier

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    # From windows, shape=(n_windows, n_frames, n_mels), to logits and embeddings; see `Encoder.encode`.
    Encode = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]


class Encoder:
    """A tempo encoder.

    Parameters
    ----------
    path : Path
        An ONNX file made by ``tempo train export``.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"``: CUDA if it works, otherwise the CPU.
    threads : int
        Threads per call on the CPU. One is the most efficient, since the windows of a song are little work.

    Attributes
    ----------
    spec : ModelSpec
        Description of the model, from the metadata of the file.
    device : str
        The device in use: ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ModelError
        If the file is not a tempocli model.
    DeviceError
        If ``"cuda"`` is requested and does not work.
    """

    def __init__(self, path: Path, *, device: str = "auto", threads: int = 1) -> None:
        self._session = open_session(path, device, threads, trusted=ships(path))
        self.device = self._session.device
        try:
            self.spec = read_classifier(
                self._session.metadata,
                embedding_dim=self._session.width("embedding"),
                checksum=checksum_of(path),
            )
            n_bins = self.spec.axis.n_bins
            whole(self._session.width("logits"), "length of logits", n_bins, n_bins)
        except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
            raise ModelError(f"{path}: not a model of tempo (metadata: {brief(error)})") from error

    def encode(self, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Encode windows.

        Parameters
        ----------
        windows : ndarray of float32, shape=(n_windows, n_frames, n_mels)
            Log-mel windows.

        Returns
        -------
        logits : ndarray of float32, shape=(n_windows, n_bins)
        embedding : ndarray of float32, shape=(n_windows, embedding_dim)

        Raises
        ------
        ModelError
            If the output of the model is invalid, or the model takes too long.
        """
        n_windows = len(windows)
        wanted = {
            "logits": (n_windows, self.spec.axis.n_bins),
            "embedding": (n_windows, self.spec.embedding_dim),
        }
        logits, embedding = self._session.run(wanted, {"log_mel": windows})
        return logits, embedding
