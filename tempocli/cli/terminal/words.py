"""What is said about an estimate in words, on stderr and in tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tempocli.output.formats import Layout
    from tempocli.schema import Estimate, Part, TempoSection


@dataclass(frozen=True, slots=True)
class Notes:
    """What stderr adds to an output that is a number.

    Attributes
    ----------
    layout : Layout
        How tempi are written.
    doubt : bool
        Whether to say that the number is doubtful.
    steadiness : bool
        Whether to say if the tempo is steady.
    """

    layout: Layout
    doubt: bool
    steadiness: bool

    def __call__(self, estimate: Estimate) -> Iterator[str]:
        """Yield the notes on one estimate, a line each."""
        if estimate.bpm is None:
            yield no_tempo(estimate)
            return
        if self.doubt and estimate.doubtful:
            yield f"doubtful: confidence {estimate.confidence:.2f}"
        if self.steadiness and estimate.steady is not None:
            yield steadiness(estimate, self.layout)


def no_tempo(estimate: Estimate) -> str:
    """Say why there is no tempo."""
    reason = estimate.reason or ""
    return reason if reason.startswith("no tempo") else f"no tempo: {reason}"


def steadiness(estimate: Estimate, layout: Layout) -> str:
    """Say whether the tempo is steady, and if not, where it is which."""
    if estimate.steady:
        return "steady"
    parts = [f"{layout.bpm(each.bpm)} BPM from {span(each)}" for each in estimate.tempo_sections]
    return f"not steady: {', '.join(parts)}" if parts else "not steady"


def span(section: TempoSection) -> str:
    """Write where a section begins and ends."""
    return f"{_clock(section.start)} to {_clock(section.end)}"


def input_name(path: str, part: Part | None) -> str:
    """Name an input for a message: its path, with the part and its title if it is a part of a file."""
    if part is None:
        return path
    start = _clock(part.start)
    until = f"from {start}" if part.end is None else f"{start} to {_clock(part.end)}"
    return f"{path}, {until}" if part.title is None else f"{path}, {until} ({part.title})"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
