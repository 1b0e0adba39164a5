"""From audio to sections, with tempo and beats, decoding the audio once."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from tempocli.audio.arrays import array_blocks
from tempocli.audio.parts import moved, source_blocks
from tempocli.axis import MAX_BPM, MIN_BPM
from tempocli.beats.tracker import BeatTracker
from tempocli.decoding.segments.decoder import SEGMENT_DECODING_VERSION, decode_sections
from tempocli.decoding.segments.song import SongForm
from tempocli.embedding.segmentation.collector import FrameCollector
from tempocli.errors import ModelError
from tempocli.inference.music import MusicEncoder
from tempocli.inference.registry import is_name
from tempocli.inference.structure.sections import SectionEncoder
from tempocli.schema import Outcome, Part

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tempocli.beats.tracker import PortableTracker
    from tempocli.decoding.profiles.profile import Profile
    from tempocli.schema import BeatTrack

MIN_SECONDS = 10.0  # shorter audio has no sections


class Segmenter:
    """Find the sections of songs, and which of them are repeats.

    Parameters
    ----------
    model : str, Path or None
        Name of a bundled music encoder, or path of an ONNX file; by default, the bundled one.
    section_model : str, Path or None
        The same of the section encoder.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    min_bpm, max_bpm : float
        Range of the tempo, within 30 to 300 BPM; see `tempocli.estimator.Estimator`.
    metre : int, optional
        Beats a bar, 2 to 7, if they are known; by default, they are estimated.
    n_sections : int, optional
        Number of sections, at least 1, if it is known; by default, it is found.
    min_bars : int
        Least length of a section, in bars, or in cells of about two seconds where there are no beats.
    profile : Profile, str, Path or None
        How the user counts; see `tempocli.estimator.Estimator`.
    keep_cells : bool
        Whether results keep what the bars sound like, which `tempocli.output.plots.form` draws.

    Attributes
    ----------
    spec : MusicSpec
        Description of the music encoder.
    device : str
        The device in use: ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ModelError
        If a model is unknown, damaged, no music encoder, or needs another sample rate than the tempo models.
    DeviceError
        If ``"cuda"`` is requested and does not work.
    ValueError
        If the range, the metre, the number of sections or the least length is invalid.

    Notes
    -----
    Boundaries lie on the bars of `tempocli.beats.tracker.BeatTracker`. They are found by structure features
    (Serrà and others 2014) and checkerboard novelty (Foote 2000) of chroma, mel cepstra, and vectors of bars
    that were learned from triplets of time proximity (McCallum 2019), and by dynamic programming with a prior
    of lengths in bars. Labels are found by average linkage of whole
    sections, compared bar by bar by chroma, mel cepstra and vectors of the music encoder, which was trained
    without labels (McCallum 2022).

    Examples
    --------
    >>> segmenter = Segmenter()
    >>> form = segmenter.segment("docs/sample.ogg")  # doctest: +SKIP
    >>> [(section.start, section.label) for section in form.sections]  # doctest: +SKIP
    [(0.0, 'A')]
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        section_model: str | Path | None = None,
        device: str = "auto",
        min_bpm: float = MIN_BPM,
        max_bpm: float = MAX_BPM,
        metre: int | None = None,
        n_sections: int | None = None,
        min_bars: int = 1,
        keep_cells: bool = False,
        profile: Profile | str | Path | None = None,
    ) -> None:
        tracker = BeatTracker(device=device, min_bpm=min_bpm, max_bpm=max_bpm, metre=metre, profile=profile)
        options = _Options(_text(model), _text(section_model), n_sections, min_bars, keep_cells)
        self._join(tracker, device, options)

    @classmethod
    def _of(cls, tracker: BeatTracker, device: str, options: _Options) -> Segmenter:
        segmenter = cls.__new__(cls)
        segmenter._join(tracker, device, options)
        return segmenter

    def _join(self, tracker: BeatTracker, device: str, options: _Options) -> None:
        encoder = MusicEncoder(options.model, device=device)
        sections = SectionEncoder(options.section_model, device=device)
        if encoder.spec.front_end.sample_rate != tracker.spec.front_end.sample_rate:
            raise ModelError(f"{encoder.spec.name}: needs another sample rate than the tempo models")
        if encoder.spec.front_end != sections.spec.front_end:
            raise ModelError(f"{sections.spec.name}: needs another spectrogram than {encoder.spec.name}")
        self._tracker, self._encoder, self._sections, self._options = tracker, encoder, sections, options
        self.spec = encoder.spec
        self.device = encoder.device

    def segment(
        self,
        source: str | Path | BinaryIO | NDArray[Any],
        sample_rate: int | None = None,
        *,
        start: float = 0.0,
        duration: float | None = None,
    ) -> SongForm:
        """Find the sections of a file, binary stream or array, or of a part of it.

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
        form = self.segment_blocks(source_blocks(source, sample_rate, part, wanted_rate=wanted))
        return form if part is None else moved_form(form, part.start)

    def segment_array(self, samples: NDArray[Any], sample_rate: int) -> SongForm:
        """Find the sections of samples in memory.

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
        return self.segment_blocks(array_blocks(samples, sample_rate, wanted_rate=wanted))

    def segment_blocks(self, blocks: Iterable[NDArray[np.float32]]) -> SongForm:
        """Find the sections of mono samples at the sample rate of the front end, given in blocks."""
        return self.hear_blocks(blocks)[1]

    def hear_blocks(self, blocks: Iterable[NDArray[np.float32]]) -> tuple[BeatTrack, SongForm]:
        """Find the beats and the sections of mono samples at the front end's sample rate, given in blocks."""
        collector = FrameCollector(self.spec, self._encoder.encode)
        track = self._tracker.track_blocks(collector.watch(blocks))
        form = SongForm(
            (), track.estimate, track.metre, None, collector.duration, self.spec.name, self.spec.version
        )
        if collector.silent:
            return track, replace(form, reason="silence")
        if collector.duration < MIN_SECONDS:
            return track, replace(form, reason="too short")
        options = self._options
        decoded = decode_sections(
            track,
            collector.finish(),
            collector.duration,
            self._sections.encode,
            n_sections=options.n_sections,
            min_bars=options.min_bars,
        )
        form = replace(form, sections=decoded.sections)
        if options.keep_cells:
            form = replace(form, times=decoded.times, vectors=decoded.vectors)
        return track, form

    def process(
        self, source: str | Path | BinaryIO, *, start: float = 0.0, duration: float | None = None
    ) -> Outcome:
        """Find the sections of one input of a batch; parameters and errors are those of `segment`."""
        form = self.segment(source, start=start, duration=duration)
        return Outcome(estimate=form.estimate, form=form)

    def encode(self, windows: NDArray[np.float32]) -> Any:
        """Run the tempo models for other processes."""
        return self._tracker.encode(windows)

    def portable(self) -> PortableSegmenter:
        """Return a picklable form for another process, which opens its own music encoder."""
        options = self._options
        options = replace(
            options, model=_portable(options.model), section_model=_portable(options.section_model)
        )
        return PortableSegmenter(self._tracker.portable(), self.device, self._records(), options)

    def _records(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.spec.record(), self._sections.spec.record()

    def settings(self) -> dict[str, Any]:
        """Return everything except the audio that the sections depend on, as JSON values."""
        return {
            "segment_decoding": SEGMENT_DECODING_VERSION,
            "music_model": self.spec.record(),
            "section_model": self._sections.spec.record(),
            "n_sections": self._options.n_sections,
            "min_bars": self._options.min_bars,
            **self._tracker.settings(),
        }


def _text(model: str | Path | None) -> str | None:
    return None if model is None else str(model)


def _portable(model: str | None) -> str | None:
    """Return a model such that it means the same in another folder."""
    return model if model is None or is_name(model) else os.path.abspath(model)


def moved_form(form: SongForm, seconds: float) -> SongForm:
    """Shift the times of a form from the start of its part to the start of its file."""
    sections = tuple(
        replace(each, start=round(each.start + seconds, 4), end=round(each.end + seconds, 4))
        for each in form.sections
    )
    times = None if form.times is None else form.times + seconds
    return replace(form, sections=sections, estimate=moved(form.estimate, seconds), times=times)


@dataclass(frozen=True, slots=True)
class _Options:
    model: str | None
    section_model: str | None
    n_sections: int | None
    min_bars: int
    keep_cells: bool

    def __post_init__(self) -> None:
        if self.n_sections is not None and self.n_sections < 1:
            raise ValueError(f"{self.n_sections} sections: give at least 1")
        if self.min_bars < 1:
            raise ValueError(f"sections of at least {self.min_bars} bars: give at least 1")


@dataclass(frozen=True, slots=True, eq=False)
class PortableSegmenter:
    """A picklable recipe for a segmenter, from `Segmenter.portable`."""

    tracker: PortableTracker
    device: str
    records: tuple[dict[str, Any], dict[str, Any]]
    options: _Options

    def connect(self, encode: Any) -> Segmenter:
        """Create the segmenter.

        Raises
        ------
        ModelError
            If a model cannot be opened, or has changed since.
        """
        segmenter = Segmenter._of(self.tracker.connect(encode), self.device, self.options)
        for record, wanted in zip(segmenter._records(), self.records, strict=True):
            if record != wanted:
                raise ModelError(f"{record['name']}: its file was replaced during the run")
        return segmenter


def segment(
    source: str | Path | BinaryIO | NDArray[Any],
    sample_rate: int | None = None,
    *,
    start: float = 0.0,
    duration: float | None = None,
    **options: Any,
) -> SongForm:
    """Find the sections of one file, binary stream or array, or of a part of it.

    Parameters and errors are those of `Segmenter` and its method `segment`. For several files, create one
    `Segmenter` and reuse it.
    """
    return Segmenter(**options).segment(source, sample_rate, start=start, duration=duration)
