"""From audio to beats and bars, with the tempo, decoding the audio once."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tempocli.audio.arrays import array_blocks
from tempocli.audio.parts import moved, source_blocks
from tempocli.axis import MAX_BPM, MIN_BPM
from tempocli.decoding.beats.decoder import BEAT_DECODING_VERSION, BeatDecoder, rise_of, rounded
from tempocli.decoding.beats.grid import fit_grid
from tempocli.decoding.beats.metre import METRES
from tempocli.errors import ModelError
from tempocli.estimator import Estimator
from tempocli.inference.beats import BeatActivations
from tempocli.inference.registry import is_name
from tempocli.schema import BeatTrack, Outcome, Part

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.analyser import Analyser
    from tempocli.decoding.profiles.profile import Profile
    from tempocli.estimator import PortableEstimator, RepeatedEstimator


class BeatTracker:
    """Find the beats and bars of music, at the tempo that `tempocli.estimator.Estimator` estimates.

    Parameters
    ----------
    model : str, Path or None
        Name of a bundled beat network, or path of an ONNX file; by default, the bundled one.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    min_bpm, max_bpm : float
        Range of the tempo, within 30 to 300 BPM; see `tempocli.estimator.Estimator`. It can choose the
        octave: at 140 to 200 BPM, the beats are those of drum and bass, not half as many.
    metre : int, optional
        Beats a bar, 2 to 7, if they are known; by default, they are estimated.
    profile : Profile, str, Path or None
        How the user counts; see `tempocli.estimator.Estimator`.

    Attributes
    ----------
    spec : BeatSpec
        Description of the beat network.
    device : str
        The device in use: ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ModelError
        If the model is unknown, damaged, or no beat network, or the profile was learned with other models.
    DeviceError
        If ``"cuda"`` is requested and does not work.
    DataError
        If the profile cannot be read.
    ValueError
        If the range or the metre is invalid.

    Notes
    -----
    A network finds activations of beats and downbeats (after Böck and Davies, ISMIR 2020). Dynamic
    programming at the estimated tempo finds the beats (Ellis 2007), a linear classifier of the similarity of
    beats the metre, and a hidden Markov model the bars.

    Examples
    --------
    >>> tracker = BeatTracker()
    >>> track = tracker.track("docs/sample.ogg")  # doctest: +SKIP
    >>> [beat.time for beat in track.downbeats]  # doctest: +SKIP
    [0.0, 2.14, 4.29]
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        device: str = "auto",
        min_bpm: float = MIN_BPM,
        max_bpm: float = MAX_BPM,
        metre: int | None = None,
        profile: Profile | str | Path | None = None,
    ) -> None:
        if metre is not None and metre not in METRES:
            raise ValueError(f"metre {metre} is none of {', '.join(map(str, METRES))}")
        estimator = Estimator(device=device, min_bpm=min_bpm, max_bpm=max_bpm, profile=profile)
        self._join(estimator, BeatActivations(model, device=device), metre)
        self._model = None if model is None else str(model)

    @classmethod
    def of(
        cls, estimator: Analyser, activations: BeatActivations, *, metre: int | None = None
    ) -> BeatTracker:
        """Join an estimator and a beat network.

        Raises
        ------
        ModelError
            If they need different spectrograms.
        """
        tracker = cls.__new__(cls)
        tracker._model = None
        tracker._join(estimator, activations, metre)
        return tracker

    def _join(self, estimator: Any, activations: BeatActivations, metre: int | None) -> None:
        if estimator.front_end != activations.spec.front_end:
            raise ModelError(f"{activations.spec.name}: needs another spectrogram than the tempo models")
        self._estimator, self._activations = estimator, activations
        self._metre = metre
        self._decoder = BeatDecoder(activations.spec, metre=metre)
        self.spec = activations.spec
        self.device = activations.device

    def track(
        self,
        source: str | Path | BinaryIO | NDArray[Any],
        sample_rate: int | None = None,
        *,
        start: float = 0.0,
        duration: float | None = None,
    ) -> BeatTrack:
        """Find the beats of a file, binary stream or array, or of a part of it.

        Parameters
        ----------
        source : str, Path, binary file object, or ndarray
            An array has the shape (n_samples,) or (n_samples, n_channels), and holds floats with full scale
            1, or signed integers with their own full scale.
        sample_rate : int, optional
            Sample rate of an array, in Hz. Files and streams have their own.
        start : float
            Start of the part, in seconds. All times count from the start of the file.
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
        track = self.track_blocks(source_blocks(source, sample_rate, part, wanted_rate=wanted))
        if part is None:
            return track
        beats = tuple(replace(beat, time=rounded(beat.time + part.start)) for beat in track.beats)
        estimate = moved(track.estimate, part.start)
        return replace(track, beats=beats, estimate=estimate, grid=fit_grid(beats))

    def track_array(self, samples: NDArray[Any], sample_rate: int) -> BeatTrack:
        """Find the beats of samples in memory.

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
        return self.track_blocks(array_blocks(samples, sample_rate, wanted_rate=wanted))

    def track_blocks(self, blocks: Iterable[NDArray[np.float32]]) -> BeatTrack:
        """Find the beats of mono samples at the sample rate of the front end, given in blocks."""
        collector = self._activations.collector()
        rises: list[NDArray[np.float64]] = []
        # Half precision, 25 MB an hour, is enough for the metre.
        kept: list[NDArray[np.float16]] = []
        last: NDArray[np.float32] | None = None

        def watch(log_mel: NDArray[np.float32]) -> None:
            nonlocal last
            if len(log_mel):
                collector.push(log_mel)
                rises.append(rise_of(log_mel, last))
                kept.append(log_mel.astype(np.float16))
                last = log_mel[-1]

        estimate = self._estimator.analyse_blocks(blocks, watch=watch).estimate
        rise = np.concatenate([np.zeros(0), *rises])
        frames = np.concatenate([np.zeros((0, self.spec.front_end.n_mels), np.float16), *kept])
        kept.clear()
        return self._decoder.decode(collector.finish(), frames, rise, estimate)

    def process(
        self, source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> Outcome:
        """Find the beats of one input of a batch; parameters and errors are those of `track`."""
        track = self.track(source, start=start, duration=duration)
        return Outcome(estimate=track.estimate, beats=track)

    def encode(self, windows: NDArray[np.float32]) -> Any:
        """Run the tempo models for other processes."""
        return self._estimator.encode(windows)

    def portable(self) -> PortableTracker:
        """Return a picklable form of the tracker for another process, which opens its own beat network."""
        model = self._model
        if model is not None and not is_name(model):
            model = os.path.abspath(model)
        record = self.spec.record()
        return PortableTracker(self._estimator.portable(), model, self.device, record, self._metre)

    def settings(self) -> dict[str, Any]:
        """Return everything except the audio that the beats depend on, as JSON values."""
        return {
            "beat_decoding": BEAT_DECODING_VERSION,
            "beat_model": self.spec.record(),
            "metre": self._metre,
            **self._estimator.settings(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class PortableTracker:
    """A picklable recipe for a beat tracker, from `BeatTracker.portable`."""

    estimator: PortableEstimator | RepeatedEstimator
    model: str | None
    device: str
    record: dict[str, Any]
    metre: int | None

    def connect(self, encode: Any) -> BeatTracker:
        """Create the tracker.

        Raises
        ------
        ModelError
            If a model cannot be opened, or has changed since.
        """
        tracker = BeatTracker.of(
            self.estimator.connect(encode),
            BeatActivations(self.model, device=self.device),
            metre=self.metre,
        )
        if tracker.spec.record() != self.record:
            raise ModelError(f"{tracker.spec.name}: its file was replaced during the run")
        return tracker


def track_beats(
    source: str | Path | BinaryIO | NDArray[Any],
    sample_rate: int | None = None,
    *,
    start: float = 0.0,
    duration: float | None = None,
    **options: Any,
) -> BeatTrack:
    """Find the beats of one file, binary stream or array, or of a part of it.

    Parameters and errors are those of `BeatTracker` and its method `track`. For several files, create one
    `BeatTracker` and reuse it.
    """
    return BeatTracker(**options).track(source, sample_rate, start=start, duration=duration)
