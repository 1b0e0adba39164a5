"""The tempo encoder: log-mel windows in, tempo logits and embeddings out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.errors import ModelError
from tempocli.features import FrontEnd
from tempocli.ranges import number, whole, word
from tempocli.registry import ships
from tempocli.runtime import open_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    # Windows, shape=(n_windows, n_frames, n_mels), to logits and embeddings; see `Encoder.encode`.
    Encode = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]

METADATA_VERSION = "2"
MAX_EMBEDDING = 8192
_FASTEST_BPM = 170.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a method's distributions are read; see `tempocli.decoder.calibrated`.

    Attributes
    ----------
    family, octave : tuple of (float, float)
        Bias and slope, on the log-odds of a share of the distribution, of a logistic map to probabilities:
        that the tempo is right up to a factor of 2 or 3, and that its octave is right if so.
    pulse : tuple of (float, float, float)
        Bias and two weights on `tempocli.ensemble.TrackTempo.pulse`; under 0 there is no steady pulse.
    """

    family: tuple[float, float]
    octave: tuple[float, float]
    pulse: tuple[float, float, float]

    def has_pulse(self, pulse: tuple[float, float]) -> bool:
        """Tell whether there is a steady pulse, by `tempocli.ensemble.TrackTempo.pulse`."""
        bias, peak, strength = self.pulse
        return bias + peak * pulse[0] + strength * pulse[1] >= 0.0

    def to_json(self) -> str:
        """Write as JSON, for the metadata of a model."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError, KeyError, TypeError
            If `text` is something else.
        """
        return cls.from_values(json.loads(text))

    @classmethod
    def from_values(cls, values: Any) -> Calibration:
        """Make one of the lists of numbers that are in the JSON; raises as `from_json` does."""
        (a, b), (c, d), (e, f, g) = (
            [number(each, name, -1000.0, 1000.0) for each in values[name]]
            for name in ("family", "octave", "pulse")
        )
        return cls((a, b), (c, d), (e, f, g))


NEUTRAL = Calibration((0.0, 1.0), (0.0, 1.0), (0.0, 0.0, 0.0))


def octave_prior(bpms: NDArray[np.float64], tilt: float) -> NDArray[np.float64]:
    """Weigh tempi so that the tempo octave is as people count.

    Recordings are denser than the synthetic music that a model learned the octave from, and what is dense
    sounds slow to it: so the weight rises with the tempo. Over 170 BPM it falls again, since few people
    count that fast.

    Parameters
    ----------
    bpms : ndarray of float64, shape=(n_bins,)
    tilt : float
        Power of the tempo; 0 weighs nothing.

    Returns
    -------
    ndarray of float64, shape=(n_bins,)
    """
    return np.asarray(np.minimum(bpms, _FASTEST_BPM**2 / bpms) ** tilt)


class Encoder:
    """A tempo encoder.

    Parameters
    ----------
    path : Path
        An ONNX file made by ``tempo train export``.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"``: CUDA when it works, else the CPU.
    threads : int
        Threads of one call on the CPU. One is the cheapest: the windows of a song are little work.

    Attributes
    ----------
    path : Path
    name : str
        The model's own name.
    device : str
        ``"cpu"`` or ``"cuda"``: what is used.
    front_end : FrontEnd
        The front end the model was trained with.
    n_frames : int
        Frames of a window.
    bpms : ndarray of float64, shape=(n_bins,)
        The tempo axis, log-spaced, in BPM.
    bins_per_octave : int
        Resolution of the tempo axis.
    calibration : Calibration
        How its distributions are read.
    prior : ndarray of float64, shape=(n_bins,)
        Weights of the tempi, which settle tempo octaves.
    embedding_dim : int
        Length of an embedding.

    Raises
    ------
    ModelError
        If the file is not one of our models.
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
            axis = json.loads(metadata["axis"])
            self.n_frames = axis["n_frames"]
            self.front_end.check_window(self.n_frames)
            self.bins_per_octave = whole(axis["bins_per_octave"], "bins_per_octave", 4, 480)
            self.bpms = _tempo_axis(axis["min_bpm"], axis["n_bins"], self.bins_per_octave)
            self.calibration = Calibration.from_json(metadata["calibration"])
            tilt = number(json.loads(metadata["tilt"]), "tilt", -10.0, 10.0)
            self.prior = octave_prior(self.bpms, tilt)
            whole(self._session.width("logits"), "length of logits", len(self.bpms), len(self.bpms))
            self.embedding_dim = whole(self._session.width("embedding"), "embedding_dim", 1, MAX_EMBEDDING)
        except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
            raise ModelError(f"{path}: not a model of tempo (metadata: {error})") from error

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
            If the model does something else, or takes too long.
        """
        n_windows = len(windows)
        wanted = {"logits": (n_windows, len(self.bpms)), "embedding": (n_windows, self.embedding_dim)}
        logits, embedding = self._session.run(wanted, {"log_mel": windows})
        return logits, embedding

    def settings(self) -> str:
        """Name all that its answers depend on but the windows."""
        return f"{self.name} {checksum(self.path)[:16]}"


def _tempo_axis(min_bpm: object, n_bins: object, bins_per_octave: int) -> NDArray[np.float64]:
    low = number(min_bpm, "min_bpm", 10.0, 120.0)
    bpms = low * 2.0 ** (np.arange(whole(n_bins, "n_bins", 2, 2048)) / bins_per_octave)
    number(float(bpms[-1]), "highest BPM", 120.0, 1200.0)
    return bpms


def checksum(path: Path) -> str:
    """Compute the SHA-256 of a model's file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
