"""The ways to a tempo: by classification, by comparison with references, by both, or by periodicity alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tempocli.encoder import Calibration, Encoder
from tempocli.errors import ModelError
from tempocli.features import FrontEnd
from tempocli.periodicity import measure, rises
from tempocli.registry import resolve, resolve_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.bank import Bank
    from tempocli.comparator import Comparator
    from tempocli.encoder import Encode

METHODS = ("both", "classify", "compare", "periodicity")
DEFAULT_METHOD = "both"
DEFAULT_MODELS = {"classify": "tempo", "compare": "compare", "both": "tempo"}
COMPARING = ("both", "compare")

_PERIODICITY_VERSION = 1  # of its answers
_MIN_BPM, _N_BINS = 30.0, 160
_BINS_PER_OCTAVE = 48
_WINDOW_FRAMES = 1024


class ModelFacts(Protocol):
    """What is known of a model that scores windows on a tempo axis; for the meaning see `Encoder`.

    The windows' scores are without the prior: it weighs what a whole track's windows say.
    """

    name: str
    device: str
    front_end: FrontEnd
    n_frames: int
    bpms: NDArray[np.float64]
    bins_per_octave: int
    calibration: Calibration
    prior: NDArray[np.float64]
    embedding_dim: int


class WindowModel(ModelFacts, Protocol):
    """What scores windows on a tempo axis; `tempocli.encoder.Encoder` is one."""

    def encode(self, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Give logits, shape=(n_windows, n_bins), and embeddings, shape=(n_windows, embedding_dim)."""
        ...

    def settings(self) -> str:
        """Name all that the answers depend on but the windows."""
        ...


class RemoteModel:
    """All that is known of a model, but for its session, which stays where it is; this one pickles.

    Parameters
    ----------
    model : ModelFacts
        The one with the session; its attributes are copied.
    """

    def __init__(self, model: ModelFacts) -> None:
        self.name = model.name
        self.device = model.device
        self.front_end = model.front_end
        self.n_frames = model.n_frames
        self.bpms = model.bpms
        self.bins_per_octave = model.bins_per_octave
        self.calibration = model.calibration
        self.prior = model.prior
        self.embedding_dim = model.embedding_dim


def load_calibration(method: str) -> Calibration:
    """Read how the distributions of a method without a model file of its own are read.

    Raises
    ------
    ModelError
        If the file is missing or damaged.
    """
    path = resolve_file("calibration")
    try:
        return Calibration.from_values(json.loads(path.read_text(encoding="utf-8"))[method])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: damaged ({error}); install tempo again") from error


def calibration_of(models: Mapping[str, ModelFacts]) -> Calibration:
    """Find how the distributions of methods together are read: of one, that of its model."""
    (leading, *others) = models.values()
    return load_calibration("both") if others else leading.calibration


def encode_by_all(models: dict[str, WindowModel]) -> Encode:
    """Make one call of several models with the same axis.

    Returns
    -------
    callable
        From windows to the logits of all models, shape=(n_windows, n_models * n_bins), and the embeddings of
        the leading one: for a single model, what its `encode` does.
    """
    leading, *others = models.values()
    if not others:
        return leading.encode

    def encode(windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        logits, embedding = leading.encode(windows)
        return np.concatenate([logits, *(model.encode(windows)[0] for model in others)], axis=1), embedding

    return encode


class ReferenceModel:
    """Scores windows by comparing them with references of every tempo (Henkel 2024).

    The score of a tempo is the log-probability that window and reference share it, averaged over the
    references of that tempo.

    Parameters
    ----------
    comparator : Comparator
    bank : Bank
    paired : bool
        Whether two neighbouring windows, three quarters of which are the same music, are compared as one, by
        the mean of their embeddings. That halves the cost of the comparison and leaves the tempo of every
        development file as it is.
    """

    def __init__(self, comparator: Comparator, bank: Bank, *, paired: bool = False) -> None:
        self._paired = paired
        self.comparator = comparator
        self._bank_name = bank.name
        self._references = bank.embeddings.reshape(-1, comparator.embedding_dim)
        self._shape = bank.embeddings.shape[:2]
        self.name = comparator.name
        self.device = comparator.device
        self.front_end = comparator.front_end
        self.n_frames = comparator.n_frames
        self.bpms = bank.bpms
        self.bins_per_octave = bank.bins_per_octave
        self.calibration = comparator.calibration
        self.prior = comparator.prior.of(bank.bpms)
        self.embedding_dim = comparator.embedding_dim

    def encode(self, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score windows on the references' tempo axis; all windows and references are compared at once.

        Parameters
        ----------
        windows : ndarray of float32, shape=(n_windows, n_frames, n_mels)

        Returns
        -------
        scores : ndarray of float32, shape=(n_windows, n_tempi)
        embedding : ndarray of float32, shape=(n_windows, embedding_dim)
        """
        embedding = self.comparator.embed(windows)
        heard = _means_of_pairs(embedding) if self._paired else embedding
        same = self.comparator.log_same(heard, self._references)
        scores = same.reshape(len(heard), *self._shape).mean(axis=2)
        if self._paired:
            scores = np.repeat(scores, 2, axis=0)[: len(windows)]
        return scores.astype(np.float32), embedding

    def settings(self) -> str:
        """Name all that the scores depend on but the windows."""
        return f"{self.name} {self.comparator.digest()[:16]} with references {self._bank_name}"


def _means_of_pairs(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average rows 0 and 1, 2 and 3, and so on; the last of an odd number stands alone."""
    whole = len(rows) // 2 * 2
    return np.concatenate([rows[:whole].reshape(-1, 2, rows.shape[1]).mean(axis=1), rows[whole:]])


class PeriodicityModel:
    """Scores windows by their periodicity, without a network: the baseline; see `tempocli.periodicity`."""

    def __init__(self) -> None:
        self.name = "periodicity"
        self.device = "cpu"
        self.front_end = FrontEnd()
        self.n_frames = _WINDOW_FRAMES
        self.bins_per_octave = _BINS_PER_OCTAVE
        self.bpms = _MIN_BPM * 2.0 ** (np.arange(_N_BINS) / _BINS_PER_OCTAVE)
        self.calibration = load_calibration("periodicity")
        self.prior = np.ones(len(self.bpms))
        self.embedding_dim = 0

    def encode(self, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score windows, shape=(n_windows, n_frames, n_mels), on the tempo axis; embeddings are empty."""
        frame_rate = self.front_end.frame_rate
        scores = [
            measure(rises(window, self.front_end), frame_rate=frame_rate, bpms=self.bpms).distribution
            for window in windows
        ]
        logits = np.log(np.stack(scores) + 1e-6).astype(np.float32)
        return logits, np.zeros((len(windows), 0), np.float32)

    def settings(self) -> str:
        """Name all that its answers depend on but the windows."""
        return f"{self.name} {_PERIODICITY_VERSION}"


def open_models(
    method: str, model: str | Path | None, *, device: str, references: Path | None
) -> dict[str, WindowModel]:
    """Open the models of a method.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    model : str, Path or None
        That of the method, with ``"both"`` the one that classifies; by default the one that ships.
    device : str
    references : Path or None
        Folder of the user's own references, in place of the built-in ones.

    Returns
    -------
    dict of str to WindowModel
        By ``"classify"`` and ``"compare"``, or ``"periodicity"``; the first one leads.

    Raises
    ------
    ModelError
        If a model is unknown or damaged, or the two do not go together.
    DeviceError, DataError, AudioError
    """
    if method == "periodicity":
        return {"periodicity": PeriodicityModel()}
    chosen = model or DEFAULT_MODELS[method]
    if method == "classify":
        return {"classify": Encoder(resolve(chosen, "classify"), device=device)}
    # Not before: the way by classification does without these modules, and starts faster.
    from tempocli.bank import load_bank, load_own_bank
    from tempocli.comparator import Comparator

    comparator = Comparator(
        resolve(chosen if method == "compare" else DEFAULT_MODELS["compare"], "compare"), device=device
    )
    bank = load_bank(comparator) if references is None else load_own_bank(comparator, references)
    compare = ReferenceModel(comparator, bank, paired=method == "both")
    if method == "compare":
        return {"compare": compare}
    classify = Encoder(resolve(chosen, "classify"), device=device)
    same_frames = (classify.front_end, classify.n_frames) == (compare.front_end, compare.n_frames)
    if not same_frames or not np.allclose(classify.bpms, compare.bpms):
        raise ModelError(
            f"{classify.name} and {compare.name} have different front ends or axes: not for both"
        )
    return {"classify": classify, "compare": compare}
