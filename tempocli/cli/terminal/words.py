"""Texts about an estimate, for stderr and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tempocli.output.formats import Layout
    from tempocli.schema import Estimate, Part, TempoSection


@dataclass(frozen=True, slots=True)
class Notes:
    """Notes on stderr for output that is a plain number.

    Attributes
    ----------
    layout : Layout
        Format of tempi.
    doubt : bool
        Whether to note a doubtful tempo.
    steadiness : bool
        Whether to note if the tempo is steady.
    """

    layout: Layout
    doubt: bool
    steadiness: bool

    def __call__(self, estimate: Estimate) -> Iterator[str]:
        """Yield the notes on one estimate, one line each."""
        if estimate.bpm is None:
            yield no_tempo(estimate)
            return
        if self.doubt and estimate.doubtful:
            yield f"doubtful: confidence {estimate.confidence:.2f}"
        if self.steadiness and estimate.steady is not None:
            yield steadiness(estimate, self.layout)


def no_tempo(estimate: Estimate) -> str:
    """Return the reason why there is no tempo."""
    reason = estimate.reason or ""
    return reason if reason.startswith("no tempo") else f"no tempo: {reason}"


def steadiness(estimate: Estimate, layout: Layout) -> str:
    """Return whether the tempo is steady, and if not, the tempo of each section."""
    if estimate.steady:
        return "steady"
    parts = [f"{layout.bpm(each.bpm)} BPM from {span(each)}" for each in estimate.tempo_sections]
    return f"not steady: {', '.join(parts)}" if parts else "not steady"


def span(section: TempoSection) -> str:
    """Format the start and end of a section."""
    return f"{_clock(section.start)} to {_clock(section.end)}"


def input_name(path: str, part: Part | None) -> str:
    """Return the name of an input for messages: its path, and for a part its times and title."""
    if part is None:
        return path
    return f"{path}, {times(part)}" if part.title is None else f"{path}, {times(part)} ({part.title})"


def times(part: Part) -> str:
    """Format the start and end of a part."""
    start = _clock(part.start)
    return f"from {start}" if part.end is None else f"{start} to {_clock(part.end)}"


def shortened(name: str, width: int) -> str:
    """Cut a name in the middle to a number of terminal columns, so that its start and end stay."""
    from rich.cells import cell_len

    if cell_len(name) <= width:
        return name
    head, tail = "", ""
    while True:
        # The end, which tells files of one folder apart, gets the larger half.
        from_end = cell_len(tail) <= cell_len(head)
        rest = name[len(head) : len(name) - len(tail)]
        longer = (head, rest[-1] + tail) if from_end else (head + rest[0], tail)
        if cell_len("".join(longer)) + 1 > width:
            return f"{head}…{tail}"
        head, tail = longer


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
