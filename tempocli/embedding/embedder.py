"""The public entry point of music embeddings: open the model and embed audio."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tempocli.audio.arrays import array_blocks
from tempocli.audio.parts import source_blocks
from tempocli.embedding.collector import TrackCollector
from tempocli.errors import ModelError
from tempocli.inference.music import MusicEncoder
from tempocli.inference.registry import is_name
from tempocli.schema import Outcome, Part

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.embedding.track import TrackEmbedding

# Increased whenever the same model gives other vectors.
EMBEDDING_VERSION = 1


class Embedder:
    """Embed music with one loaded model.

    An embedder is thread-safe: it does not change after construction. Each call uses one core.

    Parameters
    ----------
    model : str, Path or None
        Name of a bundled model, or path of an ONNX file; by default, the bundled model.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    windows : bool
        Whether tracks keep the vectors of their windows, which take 14 MB for a mix of three hours.

    Attributes
    ----------
    spec : MusicSpec
        Description of the model: its name, version, parts and front ends.
    device : str
        The device in use.

    Raises
    ------
    ModelError
        If the model is unknown, damaged, or no music encoder.
    DeviceError
        If ``"cuda"`` is requested and does not work.

    Examples
    --------
    >>> Embedder().embed("docs/sample.ogg").parts["timbre"].shape  # doctest: +SKIP
    (256,)
    """

    def __init__(
        self, model: str | Path | None = None, *, device: str = "auto", windows: bool = True
    ) -> None:
        self._windows = windows
        self._encoder = MusicEncoder(model, device=device)
        self._model = None if model is None else str(model)
        self.spec = self._encoder.spec
        self.device = self._encoder.device
        if self.device != "cpu":
            # CUDA takes about a gigabyte when a model first runs; it must not count against the first file.
            spec = self.spec
            self._encoder.encode(np.zeros((1, spec.n_frames, spec.front_end.n_mels), np.float32))

    @property
    def model_name(self) -> str:
        """Name of the model."""
        return self.spec.name

    def embed(
        self,
        source: str | Path | BinaryIO | NDArray[Any],
        sample_rate: int | None = None,
        *,
        start: float = 0.0,
        duration: float | None = None,
    ) -> TrackEmbedding:
        """Embed a file, binary stream or array, or a part of it.

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
        part = Part.of(start, duration)
        wanted = self.spec.front_end.sample_rate
        track = self.embed_blocks(source_blocks(source, sample_rate, part, wanted_rate=wanted))
        if part is None:
            return track
        return replace(track, times=track.times + part.start)

    def embed_array(self, samples: NDArray[Any], sample_rate: int) -> TrackEmbedding:
        """Embed samples in memory.

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
        wanted = self.spec.front_end.sample_rate
        return self.embed_blocks(array_blocks(samples, sample_rate, wanted_rate=wanted))

    def embed_blocks(self, blocks: Iterable[NDArray[np.float32]]) -> TrackEmbedding:
        """Embed mono samples at the sample rate of the front end, given in blocks."""
        collector = self.collector()
        for block in blocks:
            collector.push(block)
        track = collector.finish()
        return track if self._windows else replace(track, windows={}, times=np.zeros(0))

    def collector(self) -> TrackCollector:
        """Return what computes the embedding of samples that are pushed to it."""
        return TrackCollector(self.spec, self.encode)

    def process(
        self, source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> Outcome:
        """Embed one input of a batch; parameters and errors are those of `embed`."""
        return Outcome(embedding=self.embed(source, start=start, duration=duration))

    def portable(self) -> PortableEmbedder:
        """Return a picklable form of the embedder for another process, which opens its own session."""
        model = self._model
        if model is not None and not is_name(model):
            model = os.path.abspath(model)
        return PortableEmbedder(model, self.device, self.settings(), windows=self._windows)

    def encode(self, pieces: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the model; see `tempocli.inference.music.MusicEncoder.encode`."""
        return self._encoder.encode(pieces)

    def settings(self) -> dict[str, Any]:
        """Return everything except the audio that a vector depends on, as JSON values."""
        return {"embedding": EMBEDDING_VERSION, "model": self.spec.record()}


@dataclass(frozen=True, slots=True, eq=False)
class PortableEmbedder:
    """A picklable recipe for an embedder, from `Embedder.portable`."""

    model: str | None
    device: str
    settings: dict[str, Any]
    windows: bool = True

    def connect(self, encode: Any) -> Embedder:
        """Create the embedder.

        Raises
        ------
        ModelError
            If the model cannot be opened, or has changed since.
        """
        embedder = Embedder(self.model, device=self.device, windows=self.windows)
        if embedder.settings() != self.settings:
            raise ModelError(f"{embedder.model_name}: its file was replaced during the run")
        return embedder


def embed(
    source: str | Path | BinaryIO | NDArray[Any],
    sample_rate: int | None = None,
    *,
    start: float = 0.0,
    duration: float | None = None,
    **options: Any,
) -> TrackEmbedding:
    """Embed one file or binary stream, or a part of it.

    Parameters and errors are those of `Embedder` and its method `embed`. For several files, create one
    `Embedder` and reuse it.
    """
    return Embedder(**options).embed(source, sample_rate, start=start, duration=duration)
