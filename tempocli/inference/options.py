"""Options of an estimator: method, model, device and range of tempi."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tempocli.axis import MAX_BPM, MIN_BPM

if TYPE_CHECKING:
    from tempocli.decoding.profiles.profile import Profile

METHODS = ("both", "classify", "compare", "periodicity")  # the default first
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Range of tempi and number of candidates.

    Attributes
    ----------
    min_bpm, max_bpm : float
        Range of the estimate in BPM, within 30 to 300.
    top : int
        Maximum number of candidates.

    Raises
    ------
    ValueError
        If the range or `top` is invalid.
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
        """Whether the range is the whole range of tempi."""
        return (self.min_bpm, self.max_bpm) == (MIN_BPM, MAX_BPM)


@dataclass(frozen=True, slots=True)
class EstimatorOptions:
    """Options of an estimator; picklable, for worker processes and other machines.

    Attributes
    ----------
    model : str or None
        Name of a bundled model, or path of an ONNX file; by default, the bundled model of the method.
    method : str
        One of `METHODS`.
    references : str or None
        Folder of references to compare with; by default, the built-in references.
    device : str
        One of `DEVICES`.
    search : SearchOptions
        Range of tempi and number of candidates.
    profile : Profile or None
        How the user counts.

    Raises
    ------
    ValueError
        If an option is invalid, or two options contradict each other.
    """

    model: str | None = None
    method: str = METHODS[0]
    references: str | None = None
    device: str = "auto"
    search: SearchOptions = SearchOptions()
    profile: Profile | None = None

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
