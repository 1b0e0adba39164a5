"""Audio to Estimate: the one place where all the stages meet."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tempocli.audio import check_sample_rate, check_samples, resample_blocks, stream_audio
from tempocli.errors import AudioError, ModelError
from tempocli.listening import hear
from tempocli.methods import (
    COMPARING,
    DEFAULT_METHOD,
    METHODS,
    RemoteModel,
    calibration_of,
    encode_by_all,
    open_models,
)
from tempocli.parts import moved, stream_part
from tempocli.schema import Part
from tempocli.track_decoder import TrackDecoder, combine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from tempocli.encoder import Encode
    from tempocli.features import FrontEnd
    from tempocli.listening import Heard
    from tempocli.methods import ModelFacts, WindowModel
    from tempocli.schema import Estimate

MIN_BPM, MAX_BPM = 30.0, 300.0


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """An estimate and what it was made from.

    Attributes
    ----------
    estimate : Estimate
    tempogram : ndarray of float32, shape=(n_windows, n_bins)
        The windows' tempo distributions; rows sum to 1. Silent windows are left out.
    times : ndarray of float64, shape=(n_windows,)
        Centres of the windows, in seconds.
    bpms : ndarray of float64, shape=(n_bins,)
        The tempo axis, log-spaced, in BPM.
    embedding : ndarray of float32, shape=(embedding_dim,)
        Mean of the windows' embeddings; zeros when there is no window.
    start : float
        Where the part that was heard begins in its file, in seconds; all times are the file's.
    """

    estimate: Estimate
    tempogram: NDArray[np.float32]
    times: NDArray[np.float64]
    bpms: NDArray[np.float64]
    embedding: NDArray[np.float32]
    start: float = 0.0


class Estimator:
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
        Folder of references to compare with, see `tempocli.bank.load_own_bank`; by default the built-in ones.
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
        method: str = DEFAULT_METHOD,
        references: str | Path | None = None,
        device: str = "auto",
        min_bpm: float = MIN_BPM,
        max_bpm: float = MAX_BPM,
        top: int = 5,
    ) -> None:
        if not MIN_BPM <= min_bpm < max_bpm <= MAX_BPM:
            raise ValueError(f"min_bpm {min_bpm:g} and max_bpm {max_bpm:g} are no range within 30 to 300")
        if top < 1:
            raise ValueError(f"top {top} is less than 1")
        if device not in {"auto", "cpu", "cuda"}:
            raise ValueError(f"device {device!r} is none of auto, cpu, cuda")
        if method not in METHODS:
            raise ValueError(f"method {method!r} is none of {', '.join(METHODS)}")
        if references is not None and method not in COMPARING:
            raise ValueError(f"references have no use with the method {method}")
        if model is not None and method == "periodicity":
            raise ValueError("the method periodicity has no model")
        own = None if references is None else Path(references)
        self._has_own_references = own is not None
        self._options = {"model": model, "method": method, "min_bpm": min_bpm, "max_bpm": max_bpm, "top": top}
        self._opened: dict[str, WindowModel] | None = open_models(
            method, model, device=device, references=own
        )
        self._method = method
        self._set(self._opened, encode_by_all(self._opened), min_bpm, max_bpm, top)
        if self.device != "cpu":
            # What CUDA takes when a model is first run, a gigabyte, shall not count as the first file's.
            front_end = self._encoder.front_end
            self._encode(np.zeros((1, self._encoder.n_frames, front_end.n_mels), np.float32))

    def _set(
        self, models: Mapping[str, ModelFacts], encode: Encode, min_bpm: float, max_bpm: float, top: int
    ) -> None:
        self._models = models
        self._encoder = next(iter(models.values()))
        self._encode = encode
        self._range = (min_bpm, max_bpm)
        self._top = top
        self._decoder = TrackDecoder(
            models, encode, calibration_of(models), min_bpm=min_bpm, max_bpm=max_bpm, top=top
        )
        self.model_name = "+".join(model.name for model in models.values())
        self.device = self._encoder.device

    def _here(self) -> dict[str, WindowModel]:
        if self._opened is None:
            raise TypeError("this estimator encodes in another process already")
        return self._opened

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
        opened = self._here()
        if encodes_here or (encodes_here is None and (self.device != "cpu" or self._has_own_references)):
            models = {method: RemoteModel(model) for method, model in opened.items()}
            return PortableEstimator(models, *self._range, self._top)
        options = dict(self._options)
        if isinstance(options["model"], str | Path) and os.path.isfile(options["model"]):
            options["model"] = os.path.abspath(options["model"])
        return RepeatedEstimator(options, self.settings())

    @property
    def encode(self) -> Encode:
        """The model alone, `tempocli.encoder.Encoder.encode`, or all models; from any thread."""
        return self._encode

    def settings(self) -> str:
        """Name all that an estimate depends on but the audio: the models, by checksum, and the search."""
        models = " and ".join(model.settings() for model in self._here().values())
        method = f"method {self._method}, "
        low, high = self._range
        return f"{method}{models}, {low:g} to {high:g} BPM, top {self._top}"

    def estimate(
        self, source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> Estimate:
        """Estimate the tempo of a file or binary stream, or of a part of it.

        The part is estimated as a file of its own would be. The times of its sections and its curve are those
        of the whole file.

        Parameters
        ----------
        source : str, Path or binary file object
        start : float
            Where the part begins, in seconds.
        duration : float, optional
            Its length in seconds; by default it goes up to the end.

        Raises
        ------
        AudioError
            If it cannot be read as audio, or ends before the part begins.
        ValueError
            If `start` is negative or `duration` not above 0, or one of them not finite.
        """
        return self.analyse(source, start=start, duration=duration).estimate

    def analyse(
        self, source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> Analysis:
        """Estimate the tempo of a file or binary stream, or of a part, and keep what it was made from.

        Parameters and errors are those of `estimate`.
        """
        part = Part.of(start, duration)
        sample_rate = self._encoder.front_end.sample_rate
        if part is None:
            return self._analyse(stream_audio(source, sample_rate=sample_rate))
        analysis = self._analyse(stream_part(source, part, sample_rate=sample_rate))
        return replace(
            analysis,
            estimate=moved(analysis.estimate, part.start),
            times=analysis.times + part.start,
            start=part.start,
        )

    def estimate_array(self, samples: NDArray[Any], sample_rate: int) -> Estimate:
        """Estimate the tempo of samples in memory.

        Parameters
        ----------
        samples : ndarray, shape=(n_samples,) or (n_samples, n_channels)
            Floats with full scale 1, or signed integers with their own full scale.
        sample_rate : int
            In Hz.

        Raises
        ------
        AudioError
            If the samples have another shape or type, are NaN, infinite or absurdly large, or the sample rate
            is one that no audio has.
        """
        return self._analyse(self._blocks(samples, sample_rate)).estimate

    def _blocks(self, samples: NDArray[Any], sample_rate: int) -> Iterable[NDArray[np.float32]]:
        check_sample_rate(sample_rate, "array")
        mono = _mono(samples)
        if len(mono):
            check_samples(mono, "array")
        mono = mono.astype(np.float32, copy=False)
        wanted = self._encoder.front_end.sample_rate
        return [mono] if sample_rate == wanted else resample_blocks([mono], sample_rate, wanted)

    def _analyse(self, blocks: Iterable[NDArray[np.float32]]) -> Analysis:
        counted = _Counted(blocks)
        heard = hear(self._models, self._encode, self._encoder.front_end.stream(counted))
        seconds = counted.n_samples / self._encoder.front_end.sample_rate
        return self._decide(replace(heard, duration=seconds, is_exact=True))

    def analyse_log_mel(self, chunks: Iterable[NDArray[np.float32]]) -> Analysis:
        """Estimate the tempo of log-mel frames that the model's own front end has made.

        Their length is known to a frame only, so that no loop is measured by its length.

        Parameters
        ----------
        chunks : iterable of ndarray of float32, shape=(n_frames, n_mels)
            Consecutive frames.
        """
        return self._decide(hear(self._models, self._encode, chunks))

    def _decide(self, heard: Heard) -> Analysis:
        estimate = self._decoder.decode(heard)
        encoder = self._encoder
        if not len(heard.times):
            embedding = np.zeros(encoder.embedding_dim, np.float32)
        else:
            embedding = heard.embeddings.mean(axis=0)
        return Analysis(estimate, combine(heard.tempograms), heard.times, encoder.bpms, embedding)

    @property
    def front_end(self) -> FrontEnd:
        """The front end that the model was trained with."""
        return self._encoder.front_end


class _Counted:
    """Counts the samples of blocks that pass through."""

    def __init__(self, blocks: Iterable[NDArray[np.float32]]) -> None:
        self._blocks = blocks
        self.n_samples = 0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for block in self._blocks:
            self.n_samples += len(block)
            yield block


def _mono(samples: NDArray[Any]) -> NDArray[Any]:
    """Average the channels of an array; full scale becomes 1."""
    signed = np.issubdtype(samples.dtype, np.signedinteger)
    if not signed and not np.issubdtype(samples.dtype, np.floating):
        raise AudioError("array", f"its dtype {samples.dtype} is neither float nor signed integer")
    if samples.ndim not in {1, 2} or (samples.ndim == 2 and not samples.shape[1]):
        raise AudioError(
            "array", f"shape {samples.shape} is neither (n_samples,) nor (n_samples, n_channels)"
        )
    if samples.ndim == 2 and 0 < len(samples) < samples.shape[1]:
        # As (n_channels, n_samples), which other libraries use, it would pass for a short piece.
        raise AudioError("array", f"shape {samples.shape} has more channels than samples: transpose it")
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)
    return mono / -float(np.iinfo(samples.dtype).min) if signed else mono


@dataclass(frozen=True, slots=True, eq=False)
class PortableEstimator:
    """An estimator without its session, from `Estimator.portable`; it pickles."""

    models: dict[str, RemoteModel]
    min_bpm: float
    max_bpm: float
    top: int

    def connect(self, encode: Encode) -> Estimator:
        """Make an estimator of it.

        Parameters
        ----------
        encode : callable
            Gets windows encoded where the sessions are; it takes and returns what `Estimator.encode` does.
        """
        estimator = Estimator.__new__(Estimator)
        estimator._opened = None
        estimator._set(self.models, encode, self.min_bpm, self.max_bpm, self.top)
        return estimator


@dataclass(frozen=True, slots=True, eq=False)
class RepeatedEstimator:
    """How to make an estimator with sessions of its own, from `Estimator.portable`; it pickles."""

    options: dict[str, Any]
    settings: str

    def connect(self, encode: Encode) -> Estimator:
        """Make an estimator of it, on the CPU.

        Raises
        ------
        ModelError
            If a model cannot be opened, or is another one by now.
        """
        estimator = Estimator(**self.options, device="cpu")
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
