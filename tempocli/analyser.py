"""From audio to an Estimate: the module that joins all stages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tempocli.audio import check_sample_rate, check_samples, resample_blocks, stream_audio
from tempocli.audio.parts import moved, stream_part
from tempocli.decoding.track_decoder import TrackDecoder, combine
from tempocli.errors import AudioError
from tempocli.inference.window_analysis import analyse_windows
from tempocli.schema import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.features.front_end import FrontEnd
    from tempocli.inference.classifier import Encode
    from tempocli.inference.spec import ModelSpec
    from tempocli.inference.window_analysis import WindowAnalysis
    from tempocli.schema import Estimate, SearchOptions


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """An estimate and the data it was computed from.

    Attributes
    ----------
    estimate : Estimate
    tempogram : ndarray of float32, shape=(n_windows, n_bins)
        Tempo distributions of the windows; rows sum to 1. Silent windows are left out.
    times : ndarray of float64, shape=(n_windows,)
        Centres of the windows, in seconds from the start of the file.
    bpms : ndarray of float64, shape=(n_bins,)
        The tempo axis, log-spaced, in BPM.
    embedding : ndarray of float32, shape=(embedding_dim,)
        Mean of the windows' embeddings; zeros if there is no window.
    start : float
        Start of the analysed part in its file, in seconds.
    """

    estimate: Estimate
    tempogram: NDArray[np.float32]
    times: NDArray[np.float64]
    bpms: NDArray[np.float64]
    embedding: NDArray[np.float32]
    start: float = 0.0


class Analyser:
    """Estimate the tempo of audio with a model given as a description and a function.

    The function may run the model in this process or send the windows to another one.

    Parameters
    ----------
    spec : ModelSpec
        Description of the model.
    encode : callable
        Runs the model on windows; thread-safe. See `tempocli.inference.methods.WindowModel.encode`.
    search : SearchOptions
        Range of tempi and number of candidates.

    Attributes
    ----------
    spec : ModelSpec
    encode : callable
    """

    def __init__(self, spec: ModelSpec, encode: Encode, search: SearchOptions) -> None:
        self.spec = spec
        self.encode = encode
        self._search = search
        self._decoder = TrackDecoder(spec, encode, search)

    @property
    def model_name(self) -> str:
        """Name of the model; several names are joined by ``+``."""
        return self.spec.name

    def estimate(
        self, source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> Estimate:
        """Estimate the tempo of a file or binary stream, or of a part of it.

        A part is estimated as if it were a separate file. The times of its sections and its curve are
        counted from the start of the whole file.

        Parameters
        ----------
        source : str, Path or binary file object
        start : float
            Start of the part, in seconds.
        duration : float, optional
            Length of the part, in seconds; by default, up to the end of the file.

        Raises
        ------
        AudioError
            If the source cannot be read as audio, or ends before the part begins.
        ValueError
            If `start` is negative, `duration` is not above 0, or one of them is not finite.
        """
        return self.analyse(source, start=start, duration=duration).estimate

    def analyse(
        self, source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> Analysis:
        """Estimate the tempo of a file or binary stream, or of a part, and keep the intermediate data.

        Parameters and errors are those of `estimate`.
        """
        part = Part.of(start, duration)
        sample_rate = self.front_end.sample_rate
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
            If the samples have an unsupported shape or type, are NaN, infinite or far above full scale, or
            the sample rate is not plausible.
        """
        return self._analyse(self._blocks(samples, sample_rate)).estimate

    def _blocks(self, samples: NDArray[Any], sample_rate: int) -> Iterable[NDArray[np.float32]]:
        check_sample_rate(sample_rate, "array")
        mono = _mono(samples)
        if len(mono):
            check_samples(mono, "array")
        mono = mono.astype(np.float32, copy=False)
        wanted = self.front_end.sample_rate
        return [mono] if sample_rate == wanted else resample_blocks([mono], sample_rate, wanted)

    def _analyse(self, blocks: Iterable[NDArray[np.float32]]) -> Analysis:
        counted = _Counted(blocks)
        heard = analyse_windows(self.spec, self.encode, self.front_end.stream(counted))
        seconds = counted.n_samples / self.front_end.sample_rate
        return self._decide(replace(heard, duration=seconds, is_exact=True))

    def analyse_log_mel(self, chunks: Iterable[NDArray[np.float32]]) -> Analysis:
        """Estimate the tempo of log-mel frames computed by the model's own front end.

        The duration is known to one frame only, so loops are not measured by their length.

        Parameters
        ----------
        chunks : iterable of ndarray of float32, shape=(n_frames, n_mels)
            Consecutive frames.
        """
        return self._decide(analyse_windows(self.spec, self.encode, chunks))

    def _decide(self, heard: WindowAnalysis) -> Analysis:
        estimate = self._decoder.decode(heard)
        if len(heard.times):
            embedding = heard.embeddings.mean(axis=0)
        else:
            embedding = np.zeros(self.spec.embedding_dim, np.float32)
        return Analysis(estimate, combine(heard.tempograms), heard.times, self.spec.axis.bpms, embedding)

    @property
    def front_end(self) -> FrontEnd:
        """Front end the model was trained with."""
        return self.spec.front_end


class _Counted:
    """Count the samples of the blocks that pass through."""

    def __init__(self, blocks: Iterable[NDArray[np.float32]]) -> None:
        self._blocks = blocks
        self.n_samples = 0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for block in self._blocks:
            self.n_samples += len(block)
            yield block


def _mono(samples: NDArray[Any]) -> NDArray[Any]:
    """Average the channels of an array and scale full scale to 1."""
    signed = np.issubdtype(samples.dtype, np.signedinteger)
    if not signed and not np.issubdtype(samples.dtype, np.floating):
        raise AudioError("array", f"its dtype {samples.dtype} is neither float nor signed integer")
    if samples.ndim not in {1, 2} or (samples.ndim == 2 and not samples.shape[1]):
        raise AudioError(
            "array", f"shape {samples.shape} is neither (n_samples,) nor (n_samples, n_channels)"
        )
    if samples.ndim == 2 and 0 < len(samples) < samples.shape[1]:
        # An array of shape (n_channels, n_samples), as in other libraries, would be taken for short audio.
        raise AudioError("array", f"shape {samples.shape} has more channels than samples: transpose it")
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)
    return mono / -float(np.iinfo(samples.dtype).min) if signed else mono
