"""The tracks of a result file, the most doubtful first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tempocli.errors import DataError
from tempocli.output.results.reading import read_rows
from tempocli.output.results.rows import read_part
from tempocli.schema import Candidate, Part, TempoSection, input_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MAX_BPM = 1000.0


@dataclass(frozen=True, slots=True)
class ReviewTrack:
    """A track to review, as a result file has it.

    Attributes
    ----------
    path : str
        The file, as the result file names it.
    part : Part or None
        The part of the file; ``None`` for the whole file.
    bpm : float or None
        Its estimated tempo in BPM; ``None`` if none was found, see `reason`.
    confidence, octave_confidence : float
        As in `tempocli.schema.Estimate`.
    duration : float
        Length in seconds.
    candidates : tuple of Candidate
        Other possible tempi; CSV and TSV do not have their `relation`, which is empty then.
    sections : tuple of TempoSection
        Sections of one tempo; empty for CSV and TSV, which do not have them.
    reason : str
        Why there is no tempo; empty if there is.
    """

    path: str
    part: Part | None
    bpm: float | None
    confidence: float
    octave_confidence: float
    duration: float
    candidates: tuple[Candidate, ...] = ()
    sections: tuple[TempoSection, ...] = ()
    reason: str = ""

    @property
    def key(self) -> str:
        """Unique key of the track: path and part."""
        return input_key(self.path, self.part)


def read_queue(path: Path) -> list[ReviewTrack]:
    """Read the tracks of a result file, the most doubtful first.

    The order is that of the confidence, then of the confidence in the octave, then of the paths. Tracks in
    which no tempo was found come last. Inputs that failed, and standard input, are left out.

    Parameters
    ----------
    path : Path
        CSV, TSV, JSON, JSONL or Parquet, as ``tempo estimate -o`` writes it.

    Raises
    ------
    DataError
        If it cannot be read, is no such file, or has no track.
    MissingExtraError
        If it is Parquet and pyarrow is not installed.
    """
    tracks: dict[str, ReviewTrack] = {}
    for track in read_rows(path, _track):
        if track is not None:
            tracks.setdefault(track.key, track)
    if not tracks:
        raise DataError(f"{path}: has no tracks to review")
    return sorted(tracks.values(), key=_doubt)


def _doubt(track: ReviewTrack) -> tuple[bool, float, float, str]:
    return track.bpm is None, track.confidence, track.octave_confidence, track.key


def _track(record: Mapping[str, Any]) -> ReviewTrack | None:
    path, bpm = record["path"], record["bpm"]
    if not isinstance(path, str) or not path:
        raise ValueError("no path")
    if record.get("error") not in {None, ""} or path == "-":
        return None
    return ReviewTrack(
        path=path,
        part=read_part(record),
        bpm=None if bpm in {None, ""} else _number(bpm, 1.0, _MAX_BPM),
        confidence=_number(record["confidence"], 0.0, 1.0),
        octave_confidence=_number(record["octave_confidence"], 0.0, 1.0),
        duration=_number(record["duration"], 0.0, 1e9),
        candidates=_candidates(record.get("candidates")),
        sections=tuple(_section(each) for each in record.get("tempo_sections") or ()),
        reason=str(record.get("reason") or ""),
    )


def _candidates(value: Any) -> tuple[Candidate, ...]:
    if isinstance(value, str):
        pairs = [each.split(":") for each in value.split()]
        return tuple(Candidate(_number(bpm, 1.0, _MAX_BPM), float(share), "") for bpm, share in pairs)
    return tuple(
        Candidate(_number(each["bpm"], 1.0, _MAX_BPM), float(each["probability"]), str(each["relation"]))
        for each in value or ()
    )


def _section(record: Mapping[str, Any]) -> TempoSection:
    start, end = _number(record["start"], 0.0, 1e9), _number(record["end"], 0.0, 1e9)
    return TempoSection(start, end, _number(record["bpm"], 1.0, _MAX_BPM), float(record["confidence"]))


def _number(value: Any, low: float, high: float) -> float:
    number = float(value)
    if math.isnan(number) or not low <= number <= high:
        raise ValueError(f"{number} is out of range")
    return number
