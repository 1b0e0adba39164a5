"""Audio to Estimate: the one place where all the stages meet."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, TypedDict

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
    share_near,
    softmax,
)
from tempocli.encoder import Encoder, RemoteEncoder
from tempocli.errors import AudioError
from tempocli.features import onset_strength
from tempocli.refine import refine_tempo
from tempocli.registry import resolve
from tempocli.schema import Candidate, CurvePoint, Estimate
from tempocli.windows import WindowCutter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.encoder import Encode
    from tempocli.features import FrontEnd

_MIN_SECONDS = 3.0
_SILENCE = 0.03  # log-mel of a band at -90 dB of full scale
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
    model : str or Path
        Name of a model that ships, or path of an ONNX file.
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
    ValueError
        If the range or `top` makes no sense.

    Examples
    --------
    >>> estimator = Estimator()
    >>> estimator.estimate("docs/sample.ogg").bpm  # doctest: +SKIP
    112.0
    """

    def __init__(
        self,
        model: str | Path = "tempo",
        *,
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
        path = resolve(model)
        self._set(Encoder(path, device=device), min_bpm, max_bpm, top)
        self._path = path

    def _set(self, encoder: Encoder | RemoteEncoder, min_bpm: float, max_bpm: float, top: int) -> None:
        self._encoder = encoder
        self._range: _Range = {"min_bpm": min_bpm, "max_bpm": max_bpm}
        self._top = top
        self.model_name = encoder.name
        self.device = encoder.device

    def portable(self) -> PortableEstimator:
        """Make what another process needs to be an estimator that encodes here."""
        if not isinstance(self._encoder, Encoder):
            raise TypeError("this estimator encodes in another process already")
        return PortableEstimator(
            RemoteEncoder(self._encoder), self._range["min_bpm"], self._range["max_bpm"], self._top
        )

    @property
    def encode(self) -> Encode:
        """The model alone, `tempocli.encoder.Encoder.encode`; from any thread."""
        return self._encoder.encode

    def settings(self) -> str:
        """Name all that an estimate depends on but the audio: the model, by checksum, and the search."""
        with self._path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        low, high = self._range.values()
        return f"{self.model_name} {checksum}, {low:g} to {high:g} BPM, top {self._top}"

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
        logits: list[NDArray[np.float32]] = []
        embeddings: list[NDArray[np.float32]] = []
        times: list[float] = []
        previous = np.zeros((0, encoder.front_end.n_mels), np.float32)
        for log_mel in chunks:
            joined = np.concatenate([previous, log_mel])
            onsets.append(onset_strength(joined)[len(previous) :])
            previous = joined[-1:]
            cutter.push(log_mel)
            self._encode(cutter.ready(), logits, embeddings, times)
        self._encode(cutter.rest(), logits, embeddings, times)
        duration = sum(map(len, onsets)) / encoder.front_end.frame_rate
        if not logits:
            return self._nothing("silence" if duration >= _MIN_SECONDS else "too short", duration)
        tempogram = softmax(np.concatenate(logits))
        seconds = np.array(times) / encoder.front_end.frame_rate
        embedding = np.concatenate(embeddings).mean(axis=0)
        estimate = self._decide(tempogram, seconds, np.concatenate(onsets), duration)
        return Analysis(estimate, tempogram, seconds, encoder.bpms, embedding)

    @property
    def front_end(self) -> FrontEnd:
        """The front end that the model was trained with."""
        return self._encoder.front_end

    def _encode(
        self,
        cut: Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]],
        logits: list[NDArray[np.float32]],
        embeddings: list[NDArray[np.float32]],
        times: list[float],
    ) -> None:
        for windows, centres in cut:
            sounding = windows.max(axis=(1, 2)) > _SILENCE
            if sounding.any():
                outputs = self._encoder.encode(windows[sounding])
                logits.append(outputs[0])
                embeddings.append(outputs[1])
                times.extend(centres[sounding])

    def _decide(
        self,
        tempogram: NDArray[np.float32],
        seconds: NDArray[np.float64],
        onset: NDArray[np.float32],
        duration: float,
    ) -> Estimate:
        encoder, calibration = self._encoder, self._encoder.calibration
        if duration < _MIN_SECONDS:
            return self._no_tempo("too short", duration)
        if folded_peak(tempogram.mean(axis=0), encoder.bins_per_octave) < calibration.pulse:
            return self._no_tempo("no steady pulse", duration)
        pooled = pool(tempogram, encoder.bpms, tilt=calibration.tilt, **self._range)
        alike = pool(tempogram, encoder.bpms, tilt=calibration.tilt, by_certainty=False, **self._range)
        peaks = find_peaks(pooled, encoder.bpms, top=self._top)
        bpm = refine_tempo(onset, frame_rate=encoder.front_end.frame_rate, bpm=peaks[0].bpm, **self._range)
        tempi, shares = local_tempi(tempogram, encoder.bpms, pooled)
        return Estimate(
            bpm=bpm,
            confidence=calibrated(share_near(alike, encoder.bpms, peaks[0].bpm), calibration.confidence),
            octave_confidence=calibrated(octave_share(peaks), calibration.octave),
            candidates=tuple(_candidates(peaks, bpm)),
            reason=None,
            duration=duration,
            model=self.model_name,
            curve=tuple(
                CurvePoint(float(time), float(tempo), float(share))
                for time, tempo, share in zip(seconds, tempi, shares, strict=True)
            ),
        )

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


@dataclass(frozen=True, slots=True, eq=False)
class PortableEstimator:
    """An estimator without its session, from `Estimator.portable`; it pickles."""

    encoder: RemoteEncoder
    min_bpm: float
    max_bpm: float
    top: int

    def connect(self, encode: Encode) -> Estimator:
        """Make an estimator of it.

        Parameters
        ----------
        encode : callable
            Gets windows encoded where the session is; it takes and returns what
            `tempocli.encoder.Encoder.encode` does.
        """
        self.encoder.encode = encode
        estimator = Estimator.__new__(Estimator)
        estimator._set(self.encoder, self.min_bpm, self.max_bpm, self.top)
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
