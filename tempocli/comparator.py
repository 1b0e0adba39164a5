"""The comparator (Henkel 2024) as an ONNX session: windows to embeddings, pairs of embeddings to log-odds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.encoder import MAX_EMBEDDING, Calibration, checksum
from tempocli.errors import ModelError
from tempocli.features import FrontEnd
from tempocli.ranges import number, whole, word
from tempocli.registry import ships
from tempocli.runtime import open_session

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

METADATA_VERSION = "compare-2"
_DOUBT = 0.03  # share of answers not to be trusted; of five values tried on two models, the best for both


@dataclass(frozen=True, slots=True)
class OctavePrior:
    """A log-normal distribution of tempi, which settles the octave that unlabelled music cannot teach.

    Attributes
    ----------
    centre : float
        In BPM.
    octaves : float
        Standard deviation, in octaves.
    weight : float
        Power to which it is raised.
    """

    centre: float = 125.0
    octaves: float = 0.55
    weight: float = 0.5

    def of(self, bpms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute its density, up to a constant."""
        distance = np.log2(bpms / self.centre) / self.octaves
        return np.asarray(np.exp(-0.5 * self.weight * np.square(distance)))

    def check(self) -> None:
        """Raise ValueError for values that make no sense."""
        number(self.centre, "centre", 10.0, 1200.0)
        number(self.octaves, "octaves", 0.01, 100.0)
        number(self.weight, "weight", 0.0, 100.0)

    def to_json(self) -> str:
        """Write as JSON, for the metadata of a model."""
        return json.dumps(asdict(self))


class Comparator:
    """Tells whether windows share a tempo.

    Parameters
    ----------
    path : Path
        An ONNX file made by ``tempo train export-comparison``.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"``.
    threads : int
        Threads of one call on the CPU.

    Attributes
    ----------
    name : str
    path : Path
    device : str
    front_end : FrontEnd
    n_frames : int
        Frames of a window.
    calibration : Calibration
    prior : OctavePrior
    embedding_dim : int

    Raises
    ------
    ModelError
        If the file is not a comparator.
    DeviceError
        If ``"cuda"`` is asked for and does not work.
    """

    def __init__(self, path: Path, *, device: str = "auto", threads: int = 1) -> None:
        self.path = path
        self._session = open_session(path, device, threads, trusted=ships(path))
        self.device = self._session.device
        metadata = self._session.metadata
        try:
            if metadata["version"] != METADATA_VERSION:
                raise ValueError(f"version {metadata['version']}")
            self.name = word(metadata["name"], "name")
            self.front_end = FrontEnd.from_json(metadata["front_end"])
            self.n_frames = json.loads(metadata["n_frames"])
            self.front_end.check_window(self.n_frames)
            self.calibration = Calibration.from_json(metadata["calibration"])
            self.prior = OctavePrior(**json.loads(metadata["prior"]))
            self.prior.check()
            self.embedding_dim = whole(self._session.width("embedding"), "embedding_dim", 1, MAX_EMBEDDING)
        except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
            raise ModelError(f"{path}: not a model that compares (metadata: {error})") from error
        self._no_window = np.zeros((1, self.n_frames, self.front_end.n_mels), np.float32)
        self._no_embedding = np.zeros((1, self.embedding_dim), np.float32)

    def digest(self) -> str:
        """Compute the SHA-256 of the model's file: what is kept of its embeddings is kept under this."""
        return checksum(self.path)

    def embed(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed log-mel windows, shape=(n, n_frames, n_mels), to shape=(n, embedding_dim)."""
        # The graph has both halves; the one that is not asked for gets the least to do.
        inputs = {"log_mel": windows, "a": self._no_embedding, "b": self._no_embedding}
        return self._session.run({"embedding": (len(windows), self.embedding_dim)}, inputs)[0]

    def log_odds(self, a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compare embeddings each with each.

        Parameters
        ----------
        a : ndarray of float32, shape=(n_a, embedding_dim)
        b : ndarray of float32, shape=(n_b, embedding_dim)

        Returns
        -------
        ndarray of float32, shape=(n_a, n_b)
            Logarithms of the odds that the two are of one tempo.
        """
        inputs = {"log_mel": self._no_window, "a": a, "b": b}
        return self._session.run({"log_odds": (len(a), len(b))}, inputs)[0]

    def log_same(self, a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compare as `log_odds` does, and give logarithms of the probability of one tempo.

        A little doubt is mixed in, so that one window or pattern that does not fit cannot outvote the others.
        """
        half = 0.5 * self.log_odds(a, b)
        probability = 0.5 + 0.5 * np.tanh(half)  # the sigmoid, without overflow
        return np.asarray(np.log((1.0 - _DOUBT) * probability + _DOUBT), np.float32)
