"""The plain values that pass between the stages; of tempocli this module imports the axis only.

Times are in seconds, tempi in beats per minute (BPM), probabilities in 0 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tempocli.axis import MAX_BPM, MIN_BPM

SCHEMA_VERSION = 2
DOUBTFUL_CONFIDENCE = 0.3  # the user is told of a confidence below this one
METHODS = ("both", "classify", "compare", "periodicity")  # the default first
DEVICES = ("auto", "cpu", "cuda")
MAX_SECONDS = 1e8  # where a part of a file may begin and how long it may be: three years


@dataclass(frozen=True, slots=True)
class Candidate:
    """One tempo that the audio may have.

    Attributes
    ----------
    bpm : float
        Tempo in beats per minute.
    probability : float
        Share of the tempo distribution within 4 % of this tempo; within a range of tempi, its part of what
        lies there and at its octaves.
    relation : str
        Its ratio to the first candidate: ``"1"``, ``"2"``, ``"1/2"``, ``"3"``, ``"1/3"``, ``"3/2"``,
        ``"2/3"``, ``"4/3"``, ``"3/4"``, ``"4"``, ``"1/4"``, or ``"other"``.
    """

    bpm: float
    probability: float
    relation: str


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The tempo at one place of the audio.

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
    """A part of the audio that keeps one tempo.

    Attributes
    ----------
    start, end : float
        In seconds.
    bpm : float
        Tempo in beats per minute; where it rises or falls all the time, that at the middle of the section.
    confidence : float
        Calibrated probability that `bpm` is within 4 % of the truth.
    """

    start: float
    end: float
    bpm: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is known about the tempo of one piece of audio.

    Attributes
    ----------
    bpm : float or None
        Tempo in beats per minute; ``None`` when the audio has no tempo to speak of, see `reason`.
    confidence : float
        Calibrated probability that `bpm` is within 4 % of the truth.
    octave_confidence : float
        Calibrated probability that the tempo octave is right, given that the tempo is right up to a
        factor of 2 or 3.
    candidates : tuple of Candidate
        Best first; empty when `bpm` is ``None``.
    reason : str or None
        Why there is no tempo (``"silence"``, ``"too short"``, ``"no steady pulse"``, or that none lies in the
        range asked for), else ``None``.
    duration : float
        Seconds of audio that were heard.
    model : str
        Name of the model that made the estimate, or of several with ``+`` between them.
    model_version : str
        Its version, or those of several with ``+`` between them.
    curve : tuple of CurvePoint
        Tempo over time, one point a window.
    by_method : tuple of (str, float)
        What each method says by itself, in BPM, when more than one was asked; else empty.
    bpm_error : float or None
        Standard error of `bpm`, in BPM, given that its octave and metrical level are right; ``None`` when
        `bpm` is ``None``.
    steady : bool or None
        Whether the audio keeps one tempo, give or take the drift of a live drummer; ``None`` when `bpm` is
        ``None``.
    tempo_sections : tuple of TempoSection
        The parts that keep a tempo of their own, in the order of time; one for steady audio, empty when `bpm`
        is ``None``. The `bpm` of audio that is not steady is that of its longest section or, where that is
        less certain, that of the whole.
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
        """Whether there is a `bpm`, with a confidence under `DOUBTFUL_CONFIDENCE`."""
        return self.bpm is not None and self.confidence < DOUBTFUL_CONFIDENCE


@dataclass(frozen=True, slots=True)
class TempoComparison:
    """How the tempi of two recordings relate.

    Attributes
    ----------
    probability : float or None
        That they share a tempo; ``None`` when one of them has nothing to compare, see `reason`.
    ratio : float or None
        Tempo of the second over tempo of the first.
    reason : str or None
        Why they cannot be compared (``"silence"``, ``"too short"``), else ``None``.
    """

    probability: float | None
    ratio: float | None
    reason: str | None

    @property
    def same(self) -> bool:
        """Whether they are taken to share a tempo."""
        return self.probability is not None and self.probability >= 0.5


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """By what a file is recognised as unchanged.

    Attributes
    ----------
    size : int
        Bytes.
    mtime_ns : int
        Time of the last change, in nanoseconds of the Unix epoch.
    sha256 : str or None
        Checksum of the content, in hexadecimal, where it was asked for.
    """

    size: int
    mtime_ns: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file, on the file's own time line.

    Attributes
    ----------
    start : float
        Where it begins, in seconds, rounded to a microsecond.
    duration : float or None
        Its length in seconds, rounded to a microsecond; ``None`` for all up to the end of the file.
    title : str or None
        What a CUE sheet calls it.

    Raises
    ------
    ValueError
        If `start` is negative or not finite, or `duration` is not above 0.
    """

    start: float = 0.0
    duration: float | None = None
    title: str | None = None

    def __post_init__(self) -> None:
        # Rounded so that a number that was written to a result file and read again is the same part.
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
        """Make a part; ``None`` when it is the whole file."""
        part = cls(start, duration, title)
        return None if part.start == 0.0 and part.duration is None else part

    @property
    def end(self) -> float | None:
        """Where it ends, in seconds; ``None`` for the end of the file."""
        return None if self.duration is None else self.start + self.duration

    def narrowed(self, inner: Part) -> Part:
        """Take a part of this part.

        Raises
        ------
        ValueError
            If it begins where this part has ended.
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
    """An input of a batch.

    Attributes
    ----------
    path : str
        The file, as the user or a list of files named it.
    part : Part or None
        The part of the file that is meant; ``None`` for the whole file.
    refusal : str or None
        Why it is not read at all, as when it is a URL in a list; it then is an input that failed.
    """

    path: str
    part: Part | None = None
    refusal: str | None = None

    @property
    def key(self) -> str:
        """What tells it from other inputs: the path, and where it begins and how long it is."""
        return input_key(self.path, self.part)


def input_key(path: str, part: Part | None) -> str:
    """Write what tells an input from others; the path itself for a whole file."""
    # No path holds a null character.
    return path if part is None else f"{path}\0{part.start!r}\0{part.duration!r}"


@dataclass(frozen=True, slots=True)
class FileResult:
    """The outcome for one input of a batch: exactly one of `estimate` and `error` is set.

    Attributes
    ----------
    path : str
        The input as the user named it.
    estimate : Estimate or None
        The estimate, when the input could be read.
    error : str or None
        Why it could not, in one line without the path.
    fingerprint : Fingerprint or None
        The file as it was when it was read; ``None`` for what is no regular file.
    part : Part or None
        The part of the file that was meant; ``None`` for the whole file.
    """

    path: str
    estimate: Estimate | None = None
    error: str | None = None
    fingerprint: Fingerprint | None = None
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Which tempi may be answered.

    Attributes
    ----------
    min_bpm, max_bpm : float
        Range that the answer must lie in, in BPM, within 30 to 300.
    top : int
        Candidates at the most.

    Raises
    ------
    ValueError
        If the range or `top` makes no sense.
    """

    min_bpm: float = MIN_BPM
    max_bpm: float = MAX_BPM
    top: int = 5

    def __post_init__(self) -> None:
        low, high = self.min_bpm, self.max_bpm
        if not MIN_BPM <= low < high <= MAX_BPM:
            raise ValueError(
                f"min_bpm {low:g} and max_bpm {high:g} are no range within {MIN_BPM:g} to {MAX_BPM:g}"
            )
        if self.top < 1:
            raise ValueError(f"top {self.top} is less than 1")
        # They may become tempi.
        object.__setattr__(self, "min_bpm", float(low))
        object.__setattr__(self, "max_bpm", float(high))

    @property
    def is_everything(self) -> bool:
        """Whether every tempo may be answered."""
        return (self.min_bpm, self.max_bpm) == (MIN_BPM, MAX_BPM)


@dataclass(frozen=True, slots=True)
class EstimatorOptions:
    """What an estimator is made of; it pickles, and goes to workers and to other machines.

    Attributes
    ----------
    model : str or None
        Name of a model that ships, or path of an ONNX file; by default the one that ships for the method.
    method : str
        One of `METHODS`.
    references : str or None
        Folder of references to compare with; by default the built-in ones.
    device : str
        One of `DEVICES`.
    search : SearchOptions
        Which tempi may be answered.

    Raises
    ------
    ValueError
        If one of them makes no sense, or two do not go together.
    """

    model: str | None = None
    method: str = METHODS[0]
    references: str | None = None
    device: str = "auto"
    search: SearchOptions = SearchOptions()

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise ValueError(f"device {self.device!r} is none of {', '.join(DEVICES)}")
        if self.method not in METHODS:
            raise ValueError(f"method {self.method!r} is none of {', '.join(METHODS)}")
        if self.references is not None and not self.compares:
            raise ValueError(f"references have no use with the method {self.method}")
        if self.model is not None and self.method == "periodicity":
            raise ValueError("the method periodicity has no model")

    @property
    def compares(self) -> bool:
        """Whether the method compares with references."""
        return self.method in {"both", "compare"}
