"""The beat network: its description, and activations of beats and downbeats of log-mel frames."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.errors import ModelError
from tempocli.features.front_end import FrontEnd
from tempocli.features.ranges import brief, number, whole, word
from tempocli.inference.registry import list_models, resolve, ships
from tempocli.inference.session.runtime import open_session
from tempocli.inference.spec import checksum_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

FORMAT = "beats-1"
METHOD = "beats"
# Of the classifier of the metre: two to seven beats a bar, and similarities at 24 distances, then evidence
# of each metre.
N_METRES, N_FEATURES = 6, 30
_SHOWN_CHECKSUM = 16  # of the 64 digits
_BATCH = 4  # windows per call


@dataclass(frozen=True, slots=True)
class MetreWeights:
    """Weights of the linear classifier of the metre; see `tempocli.decoding.beats.metre`.

    Attributes
    ----------
    weights : tuple of tuple of float
        For each metre, one weight for each feature.
    bias : tuple of float
        One for each metre.
    """

    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class BeatSpec:
    """Description of a beat network; picklable.

    Attributes
    ----------
    name, version, checksum : str
        Name and version of the model, and SHA-256 of its file.
    front_end : FrontEnd
    n_frames : int
        Frames in a window.
    frame_step : int
        Frames per activation.
    margin : int
        Frames at each end of a window whose activations are not used if the neighbouring window has them.
    metre : MetreWeights
    """

    name: str
    version: str
    checksum: str
    front_end: FrontEnd
    n_frames: int
    frame_step: int
    margin: int
    metre: MetreWeights

    @property
    def activation_rate(self) -> float:
        """Activations per second."""
        return self.front_end.frame_rate / self.frame_step

    def record(self) -> dict[str, Any]:
        """Return everything that the activations depend on, as JSON values for a record of settings."""
        return {
            "kind": "beats",
            "name": self.name,
            "version": self.version,
            "sha256": self.checksum[:_SHOWN_CHECKSUM],
        }


def read_beats(metadata: Mapping[str, str], *, checksum: str) -> BeatSpec:
    """Read the metadata of the ONNX file of a beat network.

    Parameters
    ----------
    metadata : dict of str to str
    checksum : str
        SHA-256 of the file.

    Raises
    ------
    KeyError, TypeError, ValueError, RecursionError
        If the metadata are invalid.
    """
    if metadata["version"] != FORMAT:
        raise ValueError(f"version {metadata['version']}")
    front_end = FrontEnd.from_json(metadata["front_end"])
    n_frames = json.loads(metadata["n_frames"])
    front_end.check_window(n_frames)
    frame_step = whole(json.loads(metadata["frame_step"]), "frame_step", 1, 16)
    margin = whole(json.loads(metadata["margin"]), "margin", 0, n_frames // 3)
    if n_frames % frame_step or margin % frame_step:
        raise ValueError("n_frames or margin is no multiple of frame_step")
    return BeatSpec(
        name=word(metadata["name"], "name"),
        version=word(metadata.get("model_version", checksum[:12]), "model_version"),
        checksum=checksum,
        front_end=front_end,
        n_frames=n_frames,
        frame_step=frame_step,
        margin=margin,
        metre=_metre(json.loads(metadata["metre"])),
    )


def _metre(record: Any) -> MetreWeights:
    weights, bias = record["weights"], record["bias"]
    if len(weights) != N_METRES or len(bias) != N_METRES or {len(row) for row in weights} != {N_FEATURES}:
        raise ValueError(f"metre has not {N_METRES} times {N_FEATURES} weights")
    return MetreWeights(
        tuple(tuple(number(value, "metre", -1e4, 1e4) for value in row) for row in weights),
        tuple(number(value, "metre", -1e4, 1e4) for value in bias),
    )


class BeatActivations:
    """A beat network (after Böck and Davies, ISMIR 2020, trained on composed music).

    Parameters
    ----------
    model : str, Path or None
        Name of a bundled model, or path of an ONNX file made by ``tempo train export``; by default, the
        bundled model.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"``: CUDA if it works, otherwise the CPU.

    Attributes
    ----------
    spec : BeatSpec
    device : str
        The device in use: ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ModelError
        If the model is unknown, damaged, or no beat network.
    DeviceError
        If ``"cuda"`` is requested and does not work.
    """

    def __init__(self, model: str | Path | None = None, *, device: str = "auto") -> None:
        path = resolve(_default() if model is None else model, METHOD)
        self._session = open_session(path, device, 1, trusted=ships(path))
        self.device = self._session.device
        try:
            self.spec = read_beats(self._session.metadata, checksum=checksum_of(path))
        except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
            raise ModelError(f"{path}: not a beat network (metadata: {brief(error)})") from error

    def encode(self, windows: Floats) -> Floats:
        """Run the network.

        Parameters
        ----------
        windows : ndarray of float32, shape=(n, n_frames, n_mels)

        Returns
        -------
        ndarray of float32, shape=(n, n_frames / frame_step, 2)
            Activations of beats and of downbeats, 0 to 1.

        Raises
        ------
        ModelError
            If the model fails.
        """
        shape = (len(windows), self.spec.n_frames // self.spec.frame_step, 2)
        (activations,) = self._session.run({"activation": shape}, {"log_mel": windows})
        return np.clip(activations, 0.0, 1.0)

    def collector(self) -> ActivationCollector:
        """Return what computes the activations of log-mel frames that are pushed to it."""
        return ActivationCollector(self.spec, self.encode)


class ActivationCollector:
    """Computes the activations of log-mel frames of any length, in windows that overlap.

    Parameters
    ----------
    spec : BeatSpec
    encode : callable
        See `BeatActivations.encode`.
    """

    def __init__(self, spec: BeatSpec, encode: Callable[[Floats], Floats]) -> None:
        self._spec = spec
        self._encode = encode
        self._frames = np.zeros((0, spec.front_end.n_mels), np.float32)  # from the next window on
        self._windows: list[Floats] = []  # to be run together
        self._activations: list[Floats] = []
        self._n_frames = 0
        self._is_first = True

    def push(self, log_mel: Floats) -> None:
        """Add consecutive frames, shape=(n_frames, n_mels)."""
        self._n_frames += len(log_mel)
        self._frames = np.concatenate([self._frames, log_mel])
        n_frames = self._spec.n_frames
        # The last window is kept for `finish`, since all its activations are used.
        while len(self._frames) > n_frames:
            self._windows.append(self._frames[:n_frames])
            self._frames = self._frames[n_frames - 2 * self._spec.margin :]
            if len(self._windows) == _BATCH:
                self._run(is_last=False)

    def finish(self) -> Floats:
        """Return the activations of all frames.

        Returns
        -------
        ndarray of float32, shape=(n_activations, 2)
            Of beats and of downbeats, 0 to 1; number ``k`` is at frame ``frame_step * k``.
        """
        if not self._n_frames:
            return np.zeros((0, 2), np.float32)
        missing = self._spec.n_frames - len(self._frames)
        self._windows.append(np.pad(self._frames, ((0, missing), (0, 0))))
        self._run(is_last=True)
        return np.concatenate(self._activations)[: -(-self._n_frames // self._spec.frame_step)]

    def _run(self, *, is_last: bool) -> None:
        margin = self._spec.margin // self._spec.frame_step
        activations = self._encode(np.stack(self._windows))
        for index, each in enumerate(activations):
            start = 0 if self._is_first else margin
            stop = len(each) if is_last and index == len(activations) - 1 else len(each) - margin
            self._activations.append(each[start:stop])
            self._is_first = False
        self._windows = []


def _default() -> str:
    """Return the name of the bundled beat network."""
    for entry in list_models():
        if entry.method == METHOD:
            return entry.name
    raise ModelError("no beat network ships with this version of tempo")
