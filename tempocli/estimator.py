"""Audio to Estimate: the one place where all the stages meet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tempocli.audio import resample_blocks, stream_audio
from tempocli.decoder import (
    Peak,
    calibrated,
    find_peaks,
    folded_peak,
    local_tempi,
    octave_share,
    pool,
    relation,
    softmax,
)
from tempocli.errors import AudioError
from tempocli.features import onset_strength
from tempocli.methods import METHODS, open_models
from tempocli.refine import refine_tempo
from tempocli.schema import Candidate, CurvePoint, Estimate
from tempocli.windows import WindowCutter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from tempocli.features import FrontEnd
    from tempocli.methods import WindowModel

_MIN_SECONDS = 3.0
_COMPARE_WEIGHT = 0.2  # of the comparison's logarithms beside the classification's
_SILENCE = 0.03  # log-mel of a band at -90 dB of full scale
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
    """

    estimate: Estimate
    tempogram: NDArray[np.float32]
    times: NDArray[np.float64]
    bpms: NDArray[np.float64]
    embedding: NDArray[np.float32]


class Estimator:
    """Estimates the tempo of music; holds the model, may be used from several threads at once.

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
        self._models = open_models(method, model, device=device, references=own)
        self._encoder = next(iter(self._models.values()))
        self._range = {"min_bpm": min_bpm, "max_bpm": max_bpm}
        self._top = top
        self.model_name = "+".join(model.name for model in self._models.values())
        self.device = self._encoder.device

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
            If the samples have another shape, or are not finite.
        """
        return self._analyse(self._blocks(samples, sample_rate)).estimate

    def _blocks(self, samples: NDArray[Any], sample_rate: int) -> Iterable[NDArray[np.float32]]:
        if samples.ndim not in {1, 2} or (samples.ndim == 2 and not samples.shape[1]):
            raise AudioError(
                "array", f"shape {samples.shape} is neither (n_samples,) nor (n_samples, n_channels)"
            )
        mono = samples if samples.ndim == 1 else samples.mean(axis=1)
        if np.issubdtype(samples.dtype, np.signedinteger):
            mono = mono / -float(np.iinfo(samples.dtype).min)
        mono = mono.astype(np.float32, copy=False)
        if not np.isfinite(mono).all():
            raise AudioError("array", "NaN or Inf samples")
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
        encoder = self._encoder
        cutter = WindowCutter(encoder.n_frames, encoder.front_end.n_mels)
        onsets: list[NDArray[np.float32]] = []
        windows = _Encoded(self._models)
        previous = np.zeros((0, encoder.front_end.n_mels), np.float32)
        for log_mel in chunks:
            joined = np.concatenate([previous, log_mel])
            onsets.append(onset_strength(joined)[len(previous) :])
            previous = joined[-1:]
            cutter.push(log_mel)
            windows.add(cutter.ready())
        windows.add(cutter.rest())
        duration = sum(map(len, onsets)) / encoder.front_end.frame_rate
        if not windows.times:
            return self._nothing("silence" if duration >= _MIN_SECONDS else "too short", duration)
        tempograms = windows.tempograms()
        tempogram = _combine(tempograms)
        seconds = np.array(windows.times) / encoder.front_end.frame_rate
        estimate = self._decide(tempograms, tempogram, seconds, np.concatenate(onsets), duration)
        return Analysis(estimate, tempogram, seconds, encoder.bpms, windows.embedding())

    @property
    def front_end(self) -> FrontEnd:
        """The front end that the model was trained with."""
        return self._encoder.front_end

    def _decide(
        self,
        tempograms: dict[str, NDArray[np.float32]],
        tempogram: NDArray[np.float32],
        seconds: NDArray[np.float64],
        onset: NDArray[np.float32],
        duration: float,
    ) -> Estimate:
        encoder, calibration = self._encoder, self._encoder.calibration
        first = next(iter(tempograms))
        everything = pool(tempograms[first], encoder.bpms, geometric=first == "compare")
        if duration < _MIN_SECONDS:
            return self._no_tempo("too short", duration)
        if folded_peak(everything, encoder.bins_per_octave) < calibration.pulse:
            return self._no_tempo("no steady pulse", duration)
        pooled = self._pool(first, tempogram)
        peaks = find_peaks(pooled, encoder.bpms, top=self._top)
        bpm = self._refine(onset, peaks[0])
        tempi, shares = local_tempi(tempogram, encoder.bpms, pooled)
        return Estimate(
            bpm=bpm,
            confidence=calibrated(peaks[0].share, calibration.confidence),
            octave_confidence=calibrated(octave_share(peaks), calibration.octave),
            candidates=tuple(_candidates(peaks, bpm)),
            reason=None,
            duration=duration,
            model=self.model_name,
            curve=tuple(
                CurvePoint(float(time), float(tempo), float(share))
                for time, tempo, share in zip(seconds, tempi, shares, strict=True)
            ),
            by_method=self._by_method(tempograms, onset),
        )

    def _pool(self, method: str, tempogram: NDArray[np.float32]) -> NDArray[np.float64]:
        encoder = self._encoder
        return pool(
            tempogram,
            encoder.bpms,
            tilt=self._models[method].calibration.tilt,
            geometric=method == "compare",
            **self._range,
        )

    def _refine(self, onset: NDArray[np.float32], peak: Peak) -> float:
        frame_rate = self._encoder.front_end.frame_rate
        return refine_tempo(onset, frame_rate=frame_rate, bpm=peak.bpm, **self._range)

    def _by_method(
        self, tempograms: dict[str, NDArray[np.float32]], onset: NDArray[np.float32]
    ) -> tuple[tuple[str, float], ...]:
        if len(tempograms) == 1:
            return ()
        peaks = {
            method: find_peaks(self._pool(method, tempogram), self._encoder.bpms, top=1)[0]
            for method, tempogram in tempograms.items()
        }
        return tuple((method, self._refine(onset, peak)) for method, peak in peaks.items())

    def _no_tempo(self, reason: str, duration: float) -> Estimate:
        return Estimate(None, 0.0, 0.0, (), reason, duration, self.model_name)

    def _nothing(self, reason: str, duration: float) -> Analysis:
        bpms = self._encoder.bpms
        empty = np.zeros((0, len(bpms)), np.float32)
        return Analysis(
            self._no_tempo(reason, duration),
            empty,
            np.zeros(0),
            bpms,
            np.zeros(self._encoder.embedding_dim, np.float32),
        )


class _Encoded:
    """Collects what the models say of the windows that are not silent."""

    def __init__(self, models: dict[str, WindowModel]) -> None:
        self._models = models
        self._logits: dict[str, list[NDArray[np.float32]]] = {method: [] for method in models}
        self._embeddings: list[NDArray[np.float32]] = []
        self.times: list[float] = []

    def add(self, cut: Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]]) -> None:
        """Run the models on batches of windows."""
        for windows, centres in cut:
            sounding = windows.max(axis=(1, 2)) > _SILENCE
            if not sounding.any():
                continue
            self.times.extend(centres[sounding])
            for index, (method, model) in enumerate(self._models.items()):
                logits, embedding = model.encode(windows[sounding])
                self._logits[method].append(logits)
                if index == 0:
                    self._embeddings.append(embedding)

    def tempograms(self) -> dict[str, NDArray[np.float32]]:
        """Give the windows' tempo distributions, shape=(n_windows, n_bins), by method."""
        return {method: softmax(np.concatenate(logits)) for method, logits in self._logits.items()}

    def embedding(self) -> NDArray[np.float32]:
        """Give the mean embedding of the leading model."""
        return np.asarray(np.concatenate(self._embeddings).mean(axis=0))


def _combine(tempograms: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Multiply the distributions of the methods; the comparison's counts for less."""
    first, *others = tempograms.values()
    if not others:
        return first
    return softmax(np.log(first + 1e-9) + _COMPARE_WEIGHT * np.log(others[0] + 1e-9))


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
