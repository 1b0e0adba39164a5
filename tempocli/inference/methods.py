"""Open the model of a method: classification, comparison, both together, or periodicity."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tempocli.axis import TempoAxis
from tempocli.errors import ModelError
from tempocli.features.front_end import FrontEnd
from tempocli.features.periodicity import measure, rises
from tempocli.inference.calibration import Calibration
from tempocli.inference.classifier import Encoder
from tempocli.inference.priors import PowerPrior
from tempocli.inference.registry import resolve, resolve_file
from tempocli.inference.spec import ModelSpec, checksum_of, ensemble

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.inference.comparator import Comparator
    from tempocli.inference.references.bank import Bank

DEFAULT_MODELS = {"classify": "tempo", "compare": "compare", "both": "tempo"}

_PERIODICITY_VERSION = "1"  # version of its results
_WINDOW_FRAMES = 1024


class WindowModel(Protocol):
    """A model that scores windows on a tempo axis, such as `tempocli.inference.classifier.Encoder`.

    The scores do not include the prior, which is applied to the pooled distribution of a track.
    """

    spec: ModelSpec
    device: str

    def encode(self, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score windows.

        Parameters
        ----------
        windows : ndarray of float32, shape=(n_windows, n_frames, n_mels)

        Returns
        -------
        logits : ndarray of float32, shape=(n_windows, n_parts * n_bins)
            Logits of the parts of an ensemble, concatenated.
        embedding : ndarray of float32, shape=(n_windows, embedding_dim)
            Embeddings by the leading model.
        """
        ...


def load_calibration(method: str) -> tuple[Calibration, str]:
    """Read the calibration of a method that has no model file of its own.

    Returns
    -------
    calibration : Calibration
    checksum : str
        SHA-256 of the calibration file.

    Raises
    ------
    ModelError
        If the file is missing or damaged.
    """
    path = resolve_file("calibration")
    try:
        calibration = Calibration.from_values(json.loads(path.read_text(encoding="utf-8"))[method])
        return calibration, checksum_of(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: damaged ({error}); install tempo again") from error


class ReferenceModel:
    """Score windows by comparing them with references of each tempo (Henkel 2024).

    The score of a tempo is the log-probability that the window and a reference have the same tempo,
    averaged over the references of that tempo.

    Parameters
    ----------
    comparator : Comparator
    bank : Bank
    paired : bool
        Whether two neighbouring windows, which overlap by three quarters, are compared as one by the mean
        of their embeddings. This halves the cost of the comparison and does not change the tempo of any
        development file.
    """

    def __init__(self, comparator: Comparator, bank: Bank, *, paired: bool = False) -> None:
        self._paired = paired
        self.comparator = comparator
        self.spec = replace(comparator.spec, axis=bank.axis, references=bank.name)
        self.device = comparator.device
        self._references = bank.embeddings.reshape(-1, self.spec.embedding_dim)
        self._shape = bank.embeddings.shape[:2]

    def encode(self, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score windows on the tempo axis of the references, in one comparison of all windows.

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


def _means_of_pairs(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average rows 0 and 1, 2 and 3, and so on; the last row of an odd number is kept as it is."""
    whole = len(rows) // 2 * 2
    return np.concatenate([rows[:whole].reshape(-1, 2, rows.shape[1]).mean(axis=1), rows[whole:]])


class PeriodicityModel:
    """Score windows by their periodicity, without a network: the baseline (features.periodicity)."""

    def __init__(self) -> None:
        calibration, checksum = load_calibration("periodicity")
        self.device = "cpu"
        self.spec = ModelSpec(
            kind="periodicity",
            name="periodicity",
            version=_PERIODICITY_VERSION,
            front_end=FrontEnd(),
            n_frames=_WINDOW_FRAMES,
            axis=TempoAxis(),
            pooling="whole",
            prior=PowerPrior(),
            calibration=calibration,
            embedding_dim=0,
            checksum=checksum,
        )

    def encode(self, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score windows, shape=(n_windows, n_frames, n_mels), on the tempo axis; embeddings are empty."""
        front_end, axis = self.spec.front_end, self.spec.axis
        scores = [
            measure(rises(window, front_end), frame_rate=front_end.frame_rate, axis=axis).distribution
            for window in windows
        ]
        logits = np.log(np.stack(scores) + 1e-6).astype(np.float32)
        return logits, np.zeros((len(windows), 0), np.float32)


class Ensemble:
    """Several models combined into one, with its own calibration.

    Parameters
    ----------
    members : WindowModel
        The members, the leading model first.

    Raises
    ------
    ModelError
        If the members do not match.
    """

    def __init__(self, *members: WindowModel) -> None:
        self._leading, *self._others = members
        calibration, checksum = load_calibration("both")
        try:
            self.spec = ensemble(tuple(each.spec for each in members), calibration, checksum=checksum)
        except ValueError as error:
            raise ModelError(f"{error}: not for both") from error
        self.device = self._leading.device

    def encode(self, windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Score windows by all members; see `WindowModel.encode`."""
        logits, embedding = self._leading.encode(windows)
        return np.concatenate(
            [logits, *(each.encode(windows)[0] for each in self._others)], axis=1
        ), embedding


def open_model(
    method: str, model: str | Path | None = None, *, device: str = "auto", references: Path | None = None
) -> WindowModel:
    """Open the model of a method.

    Parameters
    ----------
    method : str
        One of `tempocli.schema.METHODS`.
    model : str, Path or None
        Name or path of the model; for ``"both"``, of the classifier. By default, the bundled model.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    references : Path or None
        Folder of the user's own references, to use instead of the built-in ones.

    Returns
    -------
    WindowModel

    Raises
    ------
    ModelError
        If a model is unknown or damaged, or the two models of an ensemble do not match.
    DeviceError, DataError, AudioError
    """
    if method == "periodicity":
        return PeriodicityModel()
    chosen = model or DEFAULT_MODELS[method]
    if method == "classify":
        return Encoder(resolve(chosen, "classify"), device=device)
    # Imported here, because classification does not need these modules and starts faster without them.
    from tempocli.inference.comparator import Comparator
    from tempocli.inference.references.bank import load_bank, load_own_bank

    comparator = Comparator(
        resolve(chosen if method == "compare" else DEFAULT_MODELS["compare"], "compare"), device=device
    )
    bank = load_bank(comparator) if references is None else load_own_bank(comparator, references)
    compare = ReferenceModel(comparator, bank, paired=method == "both")
    if method == "compare":
        return compare
    return Ensemble(Encoder(resolve(chosen, "classify"), device=device), compare)
