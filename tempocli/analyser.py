"""From audio to an Estimate: the module that joins all stages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tempocli.audio import stream_audio
from tempocli.audio.arrays import array_blocks
from tempocli.audio.parts import moved, stream_part
from tempocli.decoding.track_decoder import TrackDecoder, combine
from tempocli.inference.window_analysis import analyse_windows
from tempocli.schema import Outcome, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.features.front_end import FrontEnd
    from tempocli.inference.classifier import Encode
    from tempocli.inference.options import SearchOptions
    from tempocli.inference.spec import ModelSpec
    from tempocli.inference.window_analysis import WindowAnalysis
    from tempocli.schema import Estimate


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

    def process(
        self, source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> Outcome:
        """Estimate the tempo of one input of a batch; parameters and errors are those of `estimate`."""
        return Outcome(estimate=self.estimate(source, start=start, duration=duration))

    def analyse(
        self, source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> Analysis:
        """Estimate the tempo of a file or binary stream, or of a part, and keep the intermediate data.

        Parameters and errors are those of `estimate`.
        """
        part = Part.of(start, duration)
        sample_rate = self.front_end.sample_rate
        if part is None:
            return self.analyse_blocks(stream_audio(source, sample_rate=sample_rate))
        analysis = self.analyse_blocks(stream_part(source, part, sample_rate=sample_rate))
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
        blocks = array_blocks(samples, sample_rate, wanted_rate=self.front_end.sample_rate)
        return self.analyse_blocks(blocks).estimate

    def analyse_blocks(
        self,
        blocks: Iterable[NDArray[np.float32]],
        *,
        watch: Callable[[NDArray[np.float32]], None] | None = None,
    ) -> Analysis:
        """Estimate the tempo of samples given in blocks.

        Parameters
        ----------
        blocks : iterable of ndarray of float32, shape=(n_samples,)
            Consecutive mono samples at the sample rate of the front end.
        watch : callable, optional
            Is passed the log-mel frames, shape=(n_frames, n_mels), chunk by chunk.
        """
        counted = _Counted(blocks)
        chunks: Iterable[NDArray[np.float32]] = self.front_end.stream(counted)
        if watch is not None:
            chunks = _watched(chunks, watch)
        heard = analyse_windows(self.spec, self.encode, chunks)
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


def _watched(
    chunks: Iterable[NDArray[np.float32]], watch: Callable[[NDArray[np.float32]], None]
) -> Iterator[NDArray[np.float32]]:
    for chunk in chunks:
        watch(chunk)
        yield chunk


class _Counted:
    """Count the samples of the blocks that pass through."""

    def __init__(self, blocks: Iterable[NDArray[np.float32]]) -> None:
        self._blocks = blocks
        self.n_samples = 0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for block in self._blocks:
            self.n_samples += len(block)
            yield block
