"""Data classes shared by all stages; no other module of tempocli is imported here.

Times are in seconds, tempi in beats per minute (BPM), probabilities in 0 to 1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tempocli.decoding.profiles.learning import Evidence
    from tempocli.decoding.segments.song import SongForm
    from tempocli.embedding.track import TrackEmbedding
    from tempocli.system.fingerprints import Fingerprint

SCHEMA_VERSION = 2
DOUBTFUL_CONFIDENCE = 0.3  # the user is warned below this confidence
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})  # not html.escape: start-up
MAX_SECONDS = 1e8  # limit of the start and the length of a part: three years


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible tempo of the audio.

    Attributes
    ----------
    bpm : float
        Tempo in beats per minute.
    probability : float
        Share of the tempo distribution within 4 % of this tempo. If a range of tempi is set, its share of
        the probability at the tempi in the range and at their octaves.
    relation : str
        Ratio to the first candidate: ``"1"``, ``"2"``, ``"1/2"``, ``"3"``, ``"1/3"``, ``"3/2"``,
        ``"2/3"``, ``"4/3"``, ``"3/4"``, ``"4"``, ``"1/4"``, or ``"other"``.
    """

    bpm: float
    probability: float
    relation: str


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The local tempo at one time.

    Attributes
    ----------
    time : float
        Centre of the window, in seconds.
    bpm : float
        Local tempo in beats per minute.
    confidence : float
        Share of the window's tempo distribution that agrees with ``bpm``.
    """

    time: float
    bpm: float
    confidence: float


@dataclass(frozen=True, slots=True)
class TempoSection:
    """A section of the audio with one tempo.

    Attributes
    ----------
    start, end : float
        In seconds.
    bpm : float
        Tempo in beats per minute. If the tempo rises or falls throughout the section, the tempo at its
        middle.
    confidence : float
        Calibrated probability that `bpm` is within 4 % of the truth.
    """

    start: float
    end: float
    bpm: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat.

    Attributes
    ----------
    time : float
        In seconds.
    position : int
        Position in the bar, from 1, which is the downbeat; 0 if it is not known.
    confidence : float
        How clear the beat is in the audio, 0 to 1; low where the beat goes on through a break.
    downbeat_confidence : float
        Probability that it is a downbeat, given that it is a beat and that the metre is right.
    """

    time: float
    position: int
    confidence: float = 1.0
    downbeat_confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """The estimated tempo of one piece of audio.

    Attributes
    ----------
    bpm : float or None
        Tempo in beats per minute; ``None`` if no tempo was found, see `reason`.
    confidence : float
        Calibrated probability that `bpm` is within 4 % of the truth.
    octave_confidence : float
        Calibrated probability that the tempo octave is right, given that the tempo is right up to a
        factor of 2 or 3.
    candidates : tuple of Candidate
        Possible tempi, most probable first; empty if `bpm` is ``None``.
    reason : str or None
        Why there is no tempo: ``"silence"``, ``"too short"``, ``"no steady pulse"``, or a text that no tempo
        lies in the requested range. ``None`` if there is a tempo.
    duration : float
        Length of the analysed audio, in seconds.
    model : str
        Name of the model; several names are joined by ``+``.
    model_version : str
        Version of the model; several versions are joined by ``+``, and a profile is added in the same way.
    curve : tuple of CurvePoint
        Tempo curve, one point per window.
    by_method : tuple of (str, float)
        Tempo by each method alone, in BPM, if more than one method was used; otherwise empty.
    bpm_error : float or None
        Standard error of `bpm`, in BPM, given that its octave and metrical level are right; ``None`` if `bpm`
        is ``None``.
    steady : bool or None
        Whether the audio has one tempo, allowing for the drift of a live drummer; ``None`` if `bpm` is
        ``None``.
    tempo_sections : tuple of TempoSection
        Sections of constant or evenly changing tempo, in time order; one section for steady audio, empty if
        `bpm` is ``None``. If the audio is not steady, `bpm` is the tempo of its longest section or, if that
        is less certain, of the whole audio.
    """

    bpm: float | None
    confidence: float
    octave_confidence: float
    candidates: tuple[Candidate, ...]
    reason: str | None
    duration: float
    model: str
    curve: tuple[CurvePoint, ...] = field(default=(), repr=False)
    by_method: tuple[tuple[str, float], ...] = ()
    bpm_error: float | None = None
    steady: bool | None = None
    tempo_sections: tuple[TempoSection, ...] = ()
    model_version: str = ""

    @property
    def doubtful(self) -> bool:
        """Whether there is a `bpm` and its confidence is below `DOUBTFUL_CONFIDENCE`."""
        return self.bpm is not None and self.confidence < DOUBTFUL_CONFIDENCE

    def to_dict(self) -> dict[str, Any]:
        """Return all values, not rounded, as JSON values with the names of `tempo estimate --format json`."""
        values = asdict(self)
        for name in ("candidates", "curve", "tempo_sections"):
            values[name] = list(values[name])
        return values | {"by_method": dict(self.by_method)}

    def __repr__(self) -> str:
        return f"Estimate({', '.join(f'{name}={text}' for name, text in self._summary().items())})"

    def _repr_html_(self) -> str:
        cells = ((name, text.translate(_HTML)) for name, text in self._summary().items())
        rows = "".join(f"<tr><th>{name}</th><td>{text}</td></tr>" for name, text in cells)
        return f"<table>{rows}</table>"

    def _summary(self) -> dict[str, str]:
        duration = {"duration": f"{self.duration:.1f}", "model": repr(self.model)}
        if self.bpm is None:
            return {"bpm": "None", "reason": repr(self.reason)} | duration
        return {
            "bpm": f"{self.bpm:.2f}",
            "confidence": f"{self.confidence:.2f}",
            "octave_confidence": f"{self.octave_confidence:.2f}",
            "steady": repr(self.steady),
            "candidates": repr([round(each.bpm, 2) for each in self.candidates]),
        } | duration


@dataclass(frozen=True, slots=True)
class GridSection:
    """A stretch of beats at equal intervals.

    Attributes
    ----------
    start, end : float
        Times of its first and last beat, in seconds.
    anchor : float
        Time of its first downbeat on the grid, in seconds; of its first beat if it has no downbeat.
    bpm : float
        Tempo of the grid, in BPM.
    n_beats : int
        Number of beats.
    residual : float
        Median distance of the beats from the grid, in seconds.
    """

    start: float
    end: float
    anchor: float
    bpm: float
    n_beats: int
    residual: float


@dataclass(frozen=True, slots=True)
class BeatTrack:
    """The beats of one piece of audio.

    Attributes
    ----------
    beats : tuple of Beat
        In time order; empty if there is no tempo.
    metre : int or None
        Beats a bar, 2 to 7; ``None`` if there are no beats.
    metre_confidence : float
        Probability of the metre, 0 to 1.
    estimate : Estimate
        The tempo that the beats follow; its `reason` says why there are none.
    model, model_version : str
        Name and version of the beat network.
    grid : tuple of GridSection
        The beats at constant tempi: one section where one tempo fits the track, otherwise several.
    """

    beats: tuple[Beat, ...]
    metre: int | None
    metre_confidence: float
    estimate: Estimate = field(repr=False)
    model: str
    model_version: str
    grid: tuple[GridSection, ...] = ()

    @property
    def reason(self) -> str | None:
        """Why there are no beats; ``None`` if there are."""
        return self.estimate.reason

    @property
    def downbeats(self) -> tuple[Beat, ...]:
        """The beats that begin a bar."""
        return tuple(beat for beat in self.beats if beat.position == 1)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file; times count from the start of the file.

    Attributes
    ----------
    start : float
        Start in seconds, rounded to a microsecond.
    duration : float or None
        Length in seconds, rounded to a microsecond; ``None`` for the rest of the file.
    title : str or None
        Title from a CUE sheet.

    Raises
    ------
    ValueError
        If `start` is negative or not finite, or `duration` is not above 0.
    """

    start: float = 0.0
    duration: float | None = None
    title: str | None = None

    def __post_init__(self) -> None:
        # Rounded so that a part stays equal after it is written to a result file and read again.
        start = round(float(self.start), 6)
        if not 0.0 <= start <= MAX_SECONDS:
            raise ValueError(f"start {self.start:g} s is not in 0 to {MAX_SECONDS:g} s")
        object.__setattr__(self, "start", start)
        if self.duration is not None:
            duration = round(float(self.duration), 6)
            if not 0.0 < duration <= MAX_SECONDS:
                raise ValueError(f"duration {self.duration:g} s is not above 0 and up to {MAX_SECONDS:g} s")
            object.__setattr__(self, "duration", duration)

    @classmethod
    def of(cls, start: float, duration: float | None, title: str | None = None) -> Part | None:
        """Create a part; return ``None`` for the whole file."""
        part = cls(start, duration, title)
        return None if part.start == 0.0 and part.duration is None else part

    @property
    def end(self) -> float | None:
        """End in seconds; ``None`` for the end of the file."""
        return None if self.duration is None else self.start + self.duration

    def narrowed(self, inner: Part) -> Part:
        """Return a part of this part.

        Raises
        ------
        ValueError
            If the inner part begins at or after the end of this part.
        """
        if self.duration is None:
            return Part(self.start + inner.start, inner.duration, self.title)
        left = self.duration - inner.start
        if left <= 0.0:
            raise ValueError(f"the part would begin at {inner.start:g} s, but lasts {self.duration:g} s")
        duration = left if inner.duration is None else min(left, inner.duration)
        return Part(self.start + inner.start, duration, self.title)


@dataclass(frozen=True, slots=True)
class AudioInput:
    """One input of a batch.

    Attributes
    ----------
    path : str
        The file, as named by the user or by a list of files.
    part : Part or None
        Part of the file to analyse; ``None`` for the whole file.
    refusal : str or None
        Why the input is not read, for example because it is a URL in a list. The input counts as failed.
    """

    path: str
    part: Part | None = None
    refusal: str | None = None

    @property
    def key(self) -> str:
        """Unique key of the input: the path, the start and the length of the part."""
        return input_key(self.path, self.part)


def input_key(path: str, part: Part | None) -> str:
    """Return the unique key of an input; for a whole file, its path."""
    # A path cannot contain a null character, so the key is unambiguous.
    return path if part is None else f"{path}\0{part.start!r}\0{part.duration!r}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found out about one piece of audio.

    Attributes
    ----------
    estimate : Estimate or None
        The tempo, if it was asked for.
    embedding, beats, form, evidence : TrackEmbedding, BeatTrack, SongForm and Evidence, or None
        Vectors, beats, sections and what a profile is learned from, if they were asked for.
    """

    estimate: Estimate | None = None
    embedding: TrackEmbedding | None = None
    beats: BeatTrack | None = None
    form: SongForm | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class FileResult:
    """The outcome for one input of a batch: `error`, or else what was asked for.

    Attributes
    ----------
    path : str
        The input, as named by the user.
    estimate : Estimate or None
        The tempo, if it was asked for and the input could be read.
    error : str or None
        Why the input failed, in one line without the path.
    fingerprint : Fingerprint or None
        State of the file when it was read; ``None`` if it is not a regular file.
    part : Part or None
        Part of the file that was analysed; ``None`` for the whole file.
    embedding, beats, form, evidence : TrackEmbedding, BeatTrack, SongForm and Evidence, or None
        As in `Outcome`, if they were asked for and the input could be read.
    """

    path: str
    estimate: Estimate | None = None
    error: str | None = None
    fingerprint: Fingerprint | None = None
    part: Part | None = None
    embedding: TrackEmbedding | None = None
    beats: BeatTrack | None = None
    form: SongForm | None = None
    evidence: Evidence | None = None
