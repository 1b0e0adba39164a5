"""Audio to Estimate: the one place where all the stages meet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypedDict

import numpy as np

from tempocli.audio import check_sample_rate, check_samples, resample_blocks, stream_audio
from tempocli.decoder import (
    Peak,
    agree,
    calibrated,
    find_peaks,
    local_tempi,
    octave_share,
    pool,
    pulse,
    relation,
    share_near,
)
from tempocli.errors import AudioError
from tempocli.listening import hear
from tempocli.methods import METHODS, RemoteModel, encode_by_all, open_models
from tempocli.refine import refine_tempo
from tempocli.schema import Candidate, CurvePoint, Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from tempocli.encoder import Encode
    from tempocli.features import FrontEnd
    from tempocli.listening import Heard
    from tempocli.methods import ModelFacts, WindowModel

MIN_BPM, MAX_BPM = 30.0, 300.0


class _Range(TypedDict):
    min_bpm: float
    max_bpm: float


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
    """

    estimate: Estimate
    tempogram: NDArray[np.float32]
    times: NDArray[np.float64]
    bpms: NDArray[np.float64]
    embedding: NDArray[np.float32]


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
        ``"classify"``, ``"compare"`` (with references of every tempo, S2), or ``"both"``.
    references : str, Path or None
        Folder of references to compare with, see `tempocli.bank.load_own_bank`; by default the built-in ones.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    min_bpm, max_bpm : float
        Range that the tempo is searched in, within 30 to 300 BPM.
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
        method: str = "classify",
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
        if references is not None and method == "classify":
            raise ValueError("references have no use with the method classify")
        own = None if references is None else Path(references)
        self._opened: dict[str, WindowModel] | None = open_models(
            method, model, device=device, references=own
        )
        self._method = method
        self._set(self._opened, encode_by_all(self._opened), min_bpm, max_bpm, top)

    def _set(
        self, models: Mapping[str, ModelFacts], encode: Encode, min_bpm: float, max_bpm: float, top: int
    ) -> None:
        self._models = models
        self._leading, self._encoder = next(iter(models.items()))
        self._encode = encode
        self._range: _Range = {"min_bpm": min_bpm, "max_bpm": max_bpm}
        self._top = top
        self.model_name = "+".join(model.name for model in models.values())
        self.device = self._encoder.device

    def _here(self) -> dict[str, WindowModel]:
        if self._opened is None:
            raise TypeError("this estimator encodes in another process already")
        return self._opened

    def portable(self) -> PortableEstimator:
        """Make what another process needs to be an estimator that encodes here."""
        models = {method: RemoteModel(model) for method, model in self._here().items()}
        return PortableEstimator(models, self._range["min_bpm"], self._range["max_bpm"], self._top)

    @property
    def encode(self) -> Encode:
        """The model alone, `tempocli.encoder.Encoder.encode`, or all models; from any thread."""
        return self._encode

    def settings(self) -> str:
        """Name all that an estimate depends on but the audio: the models, by checksum, and the search."""
        models = " and ".join(model.settings() for model in self._here().values())
        method = "" if self._method == "classify" else f"method {self._method}, "
        low, high = self._range.values()
        return f"{method}{models}, {low:g} to {high:g} BPM, top {self._top}"

    def estimate(self, source: str | Path | BinaryIO) -> Estimate:
        """Estimate the tempo of a file or binary stream.

        Raises
        ------
        AudioError
            If it cannot be read as audio.
        """
        return self.analyse(source).estimate

    def analyse(self, source: str | Path | BinaryIO) -> Analysis:
        """Estimate the tempo of a file or binary stream, and keep what it was made from.

        Raises
        ------
        AudioError
            If it cannot be read as audio.
        """
        return self._analyse(stream_audio(source, sample_rate=self._encoder.front_end.sample_rate))

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
        return self.analyse_log_mel(self._encoder.front_end.stream(blocks))

    def analyse_log_mel(self, chunks: Iterable[NDArray[np.float32]]) -> Analysis:
        """Estimate the tempo of log-mel frames that the model's own front end has made.

        Parameters
        ----------
        chunks : iterable of ndarray of float32, shape=(n_frames, n_mels)
            Consecutive frames.
        """
        heard = hear(self._models, self._encode, chunks)
        if heard.reason is not None:
            return self._nothing(heard.reason, heard.duration)
        tempogram = _combine(heard.tempograms)
        estimate = self._decide(heard, tempogram)
        embedding = heard.embeddings.mean(axis=0)
        return Analysis(estimate, tempogram, heard.times, self._encoder.bpms, embedding)

    @property
    def front_end(self) -> FrontEnd:
        """The front end that the model was trained with."""
        return self._encoder.front_end

    def _decide(self, heard: Heard, tempogram: NDArray[np.float32]) -> Estimate:
        encoder, calibration = self._encoder, self._encoder.calibration
        leading = self._leading
        clarity = pulse(
            heard.tempograms[leading],
            encoder.bpms,
            encoder.bins_per_octave,
            prior=encoder.prior,
            geometric=leading == "compare",
        )
        if clarity < calibration.pulse:
            return self._no_tempo("no steady pulse", heard.duration)
        pooled = self._pool_all(heard)
        peaks = find_peaks(pooled, encoder.bpms, top=self._top)
        bpm = self._refine(heard.onset, peaks[0])
        tempi, shares = local_tempi(tempogram, encoder.bpms, pooled)
        return Estimate(
            bpm=bpm,
            confidence=calibrated(share_near(pooled, encoder.bpms, peaks[0].bpm), calibration.confidence),
            octave_confidence=calibrated(octave_share(peaks), calibration.octave),
            candidates=tuple(_candidates(peaks, bpm)),
            reason=None,
            duration=heard.duration,
            model=self.model_name,
            curve=tuple(
                CurvePoint(float(time), float(tempo), float(share))
                for time, tempo, share in zip(heard.times, tempi, shares, strict=True)
            ),
            by_method=self._by_method(heard),
        )

    def _pool_all(self, heard: Heard) -> NDArray[np.float64]:
        """Pool what all methods say; a prior counts once, and it is the leading one's."""
        (leading, tempogram), *others = heard.tempograms.items()
        pooled = self._pool(leading, tempogram, self._models[leading].prior)
        for method, other in others:
            pooled = agree(pooled, self._pool(method, other, None), self._encoder.bpms)
        return pooled

    def _pool(
        self, method: str, tempogram: NDArray[np.float32], prior: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        return pool(
            tempogram,
            self._encoder.bpms,
            prior=prior,
            geometric=method == "compare",
            **self._range,
        )

    def _refine(self, onset: NDArray[np.float32], peak: Peak) -> float:
        frame_rate = self._encoder.front_end.frame_rate
        return refine_tempo(onset, frame_rate=frame_rate, bpm=peak.bpm, **self._range)

    def _by_method(self, heard: Heard) -> tuple[tuple[str, float], ...]:
        if len(heard.tempograms) == 1:
            return ()
        bpms = self._encoder.bpms
        peaks = {
            method: find_peaks(self._pool(method, tempogram, self._models[method].prior), bpms, top=1)[0]
            for method, tempogram in heard.tempograms.items()
        }
        return tuple((method, self._refine(heard.onset, peak)) for method, peak in peaks.items())

    def _no_tempo(self, reason: str, duration: float) -> Estimate:
        return Estimate(None, 0.0, 0.0, (), reason, duration, self.model_name)

    def _nothing(self, reason: str, duration: float) -> Analysis:
        encoder = self._encoder
        empty = np.zeros((0, len(encoder.bpms)), np.float32)
        embedding = np.zeros(encoder.embedding_dim, np.float32)
        return Analysis(self._no_tempo(reason, duration), empty, np.zeros(0), encoder.bpms, embedding)


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


def _combine(tempograms: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Multiply the distributions of the methods, window by window."""
    first, *others = tempograms.values()
    for other in others:
        first = first * other
        first = first / first.sum(axis=1, keepdims=True)
    return first


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


def _candidates(peaks: list[Peak], bpm: float) -> Iterator[Candidate]:
    yield Candidate(bpm, peaks[0].share, "1")
    for peak in peaks[1:]:
        yield Candidate(peak.bpm * bpm / peaks[0].bpm, peak.share, relation(peak.bpm, peaks[0].bpm))


def estimate(source: str | Path | BinaryIO, **options: Any) -> Estimate:
    """Estimate the tempo of one file or binary stream.

    Parameters
    ----------
    source : str, Path or binary file object
    **options
        Those of `Estimator`. For more than one file make an `Estimator` once.

    Returns
    -------
    Estimate

    Raises
    ------
    AudioError
        If it cannot be read as audio.

    Examples
    --------
    >>> estimate("docs/sample.ogg").bpm  # doctest: +SKIP
    112.0
    """
    return Estimator(**options).estimate(source)
