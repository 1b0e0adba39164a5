"""The front door: a model that is opened, and audio to estimates."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tempocli.analyser import Analyser, Analysis
from tempocli.axis import MAX_BPM, MIN_BPM
from tempocli.decoding.track_decoder import DECODING_VERSION
from tempocli.errors import ModelError
from tempocli.inference.methods import open_model
from tempocli.inference.registry import is_name
from tempocli.schema import METHODS, EstimatorOptions, SearchOptions

if TYPE_CHECKING:
    from tempocli.inference.classifier import Encode
    from tempocli.inference.spec import ModelSpec
    from tempocli.schema import Estimate

__all__ = ["Analysis", "Estimator", "PortableEstimator", "RepeatedEstimator", "estimate"]


class Estimator(Analyser):
    """Estimates the tempo of music; holds the model.

    It may be used from any number of threads at once: nothing in it changes once it is made, and the session
    takes concurrent calls. Each call works on one core.

    Parameters
    ----------
    model : str, Path or None
        Name of a model that ships, or path of an ONNX file, for the method; the one that classifies, if the
        method is ``"both"``. By default the one that ships for the method.
    method : str
        ``"both"``: by classification and by comparison together; ``"classify"``; ``"compare"``, with
        references of every tempo (Henkel et al., ICASSP 2024); or ``"periodicity"``, without any network.
    references : str, Path or None
        Folder of references to compare with, see `tempocli.inference.references.bank.load_own_bank`; by
        default the built-in ones.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    min_bpm, max_bpm : float
        Range that the answer must lie in, within 30 to 300 BPM. A tempo outside is answered by its half,
        double, quarter or quadruple inside; where none lies inside, there is no tempo.
    top : int
        Candidates to return at the most.

    Raises
    ------
    ModelError
        If the model is unknown or damaged.
    DeviceError
        If ``"cuda"`` is asked for and does not work.
    DataError, AudioError
        If the references cannot be used.
    ValueError
        If the range or `top` makes no sense, or there are references for a method that compares nothing.

    Examples
    --------
    >>> estimator = Estimator()
    >>> estimator.estimate("docs/sample.ogg").bpm  # doctest: +SKIP
    112.0
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        method: str = METHODS[0],
        references: str | Path | None = None,
        device: str = "auto",
        min_bpm: float = MIN_BPM,
        max_bpm: float = MAX_BPM,
        top: int = 5,
    ) -> None:
        search = SearchOptions(min_bpm, max_bpm, top)
        options = EstimatorOptions(
            None if model is None else str(model),
            method,
            None if references is None else str(references),
            device,
            search,
        )
        own = None if references is None else Path(references)
        opened = open_model(method, options.model, device=device, references=own)
        super().__init__(opened.spec, opened.encode, search)
        self.options = options
        self.device = opened.device
        if self.device != "cpu":
            # What CUDA takes when a model is first run, a gigabyte, shall not count as the first file's.
            self.encode(np.zeros((1, self.spec.n_frames, self.front_end.n_mels), np.float32))

    @classmethod
    def from_options(cls, options: EstimatorOptions) -> Estimator:
        """Make an estimator; parameters and errors are those of the class."""
        return cls(
            options.model,
            method=options.method,
            references=options.references,
            device=options.device,
            min_bpm=options.search.min_bpm,
            max_bpm=options.search.max_bpm,
            top=options.search.top,
        )

    def portable(self, *, encodes_here: bool | None = None) -> PortableEstimator | RepeatedEstimator:
        """Make what another process needs to be an estimator like this one.

        Parameters
        ----------
        encodes_here : bool, optional
            Whether its windows are encoded by this estimator's sessions. By default they are when the
            sessions are on a GPU, which is kept busy by large calls only, and when there are references of
            the user's own, which take seconds to embed. Else the process has sessions of its own: sending
            windows to and fro costs a seventh of a file.
        """
        if encodes_here is None:
            encodes_here = self.device != "cpu" or self.options.references is not None
        if encodes_here:
            return PortableEstimator(self.spec, self.options.search)
        model = self.options.model
        if model is not None and not is_name(model):
            model = os.path.abspath(model)
        return RepeatedEstimator(replace(self.options, model=model, device="cpu"), self.settings())

    def settings(self) -> dict[str, Any]:
        """Record all that an estimate depends on but the audio, as values of JSON.

        The version of the decoding, the method, its models with their versions and checksums, the range and
        the number of candidates.
        """
        search = self.options.search
        return {
            "decoding": DECODING_VERSION,
            "method": self.options.method,
            "model": self.spec.record(),
            "min_bpm": search.min_bpm,
            "max_bpm": search.max_bpm,
            "top": search.top,
        }


@dataclass(frozen=True, slots=True, eq=False)
class PortableEstimator:
    """An estimator without its sessions, from `Estimator.portable`; it pickles."""

    spec: ModelSpec
    search: SearchOptions

    def connect(self, encode: Encode) -> Analyser:
        """Make an estimator of it.

        Parameters
        ----------
        encode : callable
            Gets windows encoded where the sessions are; it takes and returns what `Estimator.encode` does.
        """
        return Analyser(self.spec, encode, self.search)


@dataclass(frozen=True, slots=True, eq=False)
class RepeatedEstimator:
    """How to make an estimator with sessions of its own, from `Estimator.portable`; it pickles."""

    options: EstimatorOptions
    settings: dict[str, Any]

    def connect(self, encode: Encode) -> Analyser:
        """Make an estimator of it, on the CPU.

        Raises
        ------
        ModelError
            If a model cannot be opened, or is another one by now.
        """
        estimator = Estimator.from_options(self.options)
        if estimator.settings() != self.settings:
            raise ModelError(f"{estimator.model_name}: its file was replaced during the run")
        return estimator


def estimate(
    source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None, **options: Any
) -> Estimate:
    """Estimate the tempo of one file or binary stream, or of a part of it.

    Parameters
    ----------
    source : str, Path or binary file object
    start : float
        Where the part begins, in seconds.
    duration : float, optional
        Its length in seconds; by default it goes up to the end.
    **options
        Those of `Estimator`. For more than one file make an `Estimator` once.

    Returns
    -------
    Estimate

    Raises
    ------
    AudioError
        If it cannot be read as audio, or ends before the part begins.
    ValueError
        If `start` is negative or `duration` not above 0, or one of them not finite.

    Examples
    --------
    >>> estimate("docs/sample.ogg").bpm  # doctest: +SKIP
    112.0
    """
    return Estimator(**options).estimate(source, start=start, duration=duration)
