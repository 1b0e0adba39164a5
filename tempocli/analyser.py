"""From audio to an Estimate: the module that joins all stages."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tempocli.audio.arrays import array_blocks, is_array
from tempocli.audio.inputs import input_name
from tempocli.audio.parts import moved, source_blocks
from tempocli.decoding.track_decoder import TrackDecoder, combine
from tempocli.errors import AudioError
from tempocli.inference.window_analysis import analyse_windows
from tempocli.schema import FileResult, Outcome, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.decoding.profiles.profile import Profile
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
    embeddings : ndarray of float32, shape=(n_windows, embedding_dim)
        What the leading network says of each window before its last layer: features of the rhythm, to compare
        windows with each other or to fit a classifier of one's own. `Embedder` has those of the music.
    tempograms : dict of str to ndarray of float32, shape=(n_windows, n_bins)
        Tempo distributions by method, of which `tempogram` is the normalised product; to see where methods
        disagree.
    distribution : ndarray of float64, shape=(n_bins,)
        Tempo distribution of the whole track, in which the candidates are peaks; empty if there is no window.
    """

    estimate: Estimate
    tempogram: NDArray[np.float32]
    times: NDArray[np.float64]
    bpms: NDArray[np.float64]
    embedding: NDArray[np.float32]
    start: float = 0.0
    embeddings: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    tempograms: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    distribution: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate and all data as JSON values, not rounded.

        Returns
        -------
        dict
            The keys of `Estimate.to_dict`, and the attributes of this class with lists for arrays.
        """
        arrays = {
            name: getattr(self, name)
            for name in ("tempogram", "times", "bpms", "embedding", "embeddings", "distribution")
        }
        return self.estimate.to_dict() | {
            **{name: array.tolist() for name, array in arrays.items()},
            "tempograms": {method: array.tolist() for method, array in self.tempograms.items()},
            "start": self.start,
        }

    def to_jams(self, path: str = "") -> dict[str, Any]:
        """Return a JAMS document (Humphrey et al., ISMIR 2014), as `tempo estimate --format jams` writes it.

        Parameters
        ----------
        path : str
            Of the file, for the document's identifiers.

        Returns
        -------
        dict
            JSON values with one annotation of the namespace ``tempo``.
        """
        from tempocli.output.formats.documents import estimate_to_jams

        return estimate_to_jams(self.estimate, path, start=self.start)

    def __repr__(self) -> str:
        n_windows, n_bins = self.tempogram.shape
        return f"Analysis({self.estimate!r}, {n_windows} windows, {n_bins} tempi)"

    def _repr_html_(self) -> str:
        from tempocli.output.notebook import analysis_html

        return analysis_html(self.estimate, self.tempogram, self.times, self.bpms)


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
    profile : Profile, optional
        How the user counts.

    Attributes
    ----------
    spec : ModelSpec
    encode : callable

    Raises
    ------
    ModelError
        If the profile was learned with another model.
    """

    def __init__(
        self, spec: ModelSpec, encode: Encode, search: SearchOptions, profile: Profile | None = None
    ) -> None:
        self.spec = spec
        self.encode = encode
        self._search = search
        self._decoder = TrackDecoder(spec, encode, search, profile)

    @property
    def model_name(self) -> str:
        """Name of the model; several names are joined by ``+``."""
        return self.spec.name

    def estimate(
        self,
        source: str | Path | BinaryIO | NDArray[Any],
        sample_rate: int | None = None,
        *,
        start: float = 0.0,
        duration: float | None = None,
    ) -> Estimate:
        """Estimate the tempo of a file, binary stream or array, or of a part of it.

        A part is estimated as if it were a separate file. The times of its sections and its curve are
        counted from the start of the whole file.

        Parameters
        ----------
        source : str, Path, binary file object, or ndarray
            An array has the shape (n_samples,) or (n_samples, n_channels), and holds floats with full scale
            1, or signed integers with their own full scale.
        sample_rate : int, optional
            Sample rate of an array, in Hz. Files and streams have their own.
        start : float
            Start of the part, in seconds.
        duration : float, optional
            Length of the part, in seconds; by default, up to the end of the file.

        Raises
        ------
        AudioError
            If the source cannot be read as audio, has no known type, or ends before the part begins; if an
            array has no plausible sample rate, or an unsupported shape or type.
        ValueError
            If `start` is negative, `duration` is not above 0, or one of them is not finite; if a sample rate
            is given for a file or a stream.
        """
        return self.analyse(source, sample_rate, start=start, duration=duration).estimate

    def process(
        self, source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> Outcome:
        """Estimate the tempo of one input of a batch; parameters and errors are those of `estimate`."""
        return Outcome(estimate=self.estimate(source, start=start, duration=duration))

    def analyse(
        self,
        source: str | Path | BinaryIO | NDArray[Any],
        sample_rate: int | None = None,
        *,
        start: float = 0.0,
        duration: float | None = None,
    ) -> Analysis:
        """Estimate the tempo of a source or a part of it, and keep the intermediate data.

        Parameters and errors are those of `estimate`.
        """
        part = Part.of(start, duration)
        wanted = self.front_end.sample_rate
        analysis = self.analyse_blocks(source_blocks(source, sample_rate, part, wanted_rate=wanted))
        if part is None:
            return analysis
        return replace(
            analysis,
            estimate=moved(analysis.estimate, part.start),
            times=analysis.times + part.start,
            start=part.start,
        )

    def estimate_array(self, samples: NDArray[Any], sample_rate: int) -> Estimate:
        """Estimate the tempo of samples in memory, as `estimate` does with a sample rate.

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

    def analyse_array(self, samples: NDArray[Any], sample_rate: int) -> Analysis:
        """Estimate the tempo of samples in memory, and keep the intermediate data.

        Parameters and errors are those of `estimate_array`.
        """
        return self.analyse_blocks(array_blocks(samples, sample_rate, wanted_rate=self.front_end.sample_rate))

    def estimate_many(
        self,
        sources: Iterable[str | Path | BinaryIO | NDArray[Any]],
        sample_rate: int | None = None,
        *,
        jobs: int = 1,
    ) -> Iterator[FileResult]:
        """Estimate the tempo of files, streams and arrays, in threads of this process.

        `tempocli.batch.estimate_files` takes files only, and protects against those that crash a decoder.

        Parameters
        ----------
        sources : iterable of str, Path, binary file object, or ndarray
            Read only as far ahead as there are threads.
        sample_rate : int, optional
            Sample rate of all arrays, in Hz.
        jobs : int
            Number of threads.

        Yields
        ------
        FileResult
            In the order of the sources. Its path is that of the file, ``-`` for a stream without a name, and
            ``array 0`` for an array that is the first source. Its `error` is the reason of an AudioError.

        Raises
        ------
        ValueError
            If `jobs` is below 1.
        """
        if jobs < 1:
            raise ValueError(f"jobs must be at least 1, not {jobs}")
        return self._estimates(sources, sample_rate, jobs)

    def _estimates(
        self, sources: Iterable[str | Path | BinaryIO | NDArray[Any]], sample_rate: int | None, jobs: int
    ) -> Iterator[FileResult]:
        # Imported on use: a single estimate needs no threads.
        from concurrent.futures import Future, ThreadPoolExecutor

        waiting: deque[Future[FileResult]] = deque()
        with ThreadPoolExecutor(jobs) as pool:
            try:
                for number, source in enumerate(sources):
                    waiting.append(pool.submit(self._result, number, source, sample_rate))
                    if len(waiting) > jobs:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _result(self, number: int, source: Any, sample_rate: int | None) -> FileResult:
        array = is_array(source)
        name = f"array {number}" if array else input_name(source)
        try:
            return FileResult(name, self.estimate(source, sample_rate if array else None))
        except AudioError as error:
            return FileResult(name, error=error.reason)

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
        estimate, distribution = self._decoder.decode_all(heard)
        if len(heard.times):
            embedding = heard.embeddings.mean(axis=0)
        else:
            embedding = np.zeros(self.spec.embedding_dim, np.float32)
        return Analysis(
            estimate,
            combine(heard.tempograms),
            heard.times,
            self.spec.axis.bpms,
            embedding,
            embeddings=heard.embeddings,
            tempograms=dict(heard.tempograms),
            distribution=distribution,
        )

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
