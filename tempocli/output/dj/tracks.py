"""Tracks to export, read from result files of ``tempo beats``, ``tempo segment`` and ``tempo estimate``."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tempocli.errors import DataError
from tempocli.output.formats.layout import decode
from tempocli.schema import Beat, GridSection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_MAX_BPM = 1000.0


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue point: its time in seconds, and its name."""

    time: float
    name: str


@dataclass(frozen=True, slots=True)
class DjTrack:
    """A track with what DJ software wants to know of it.

    Attributes
    ----------
    path : str
        Absolute path of the file.
    bpm : float
        Tempo in BPM.
    duration : float
        Length in seconds.
    metre : int
        Beats a bar; 4 if it is not known.
    beats : tuple of Beat
        Empty if only the tempo is known.
    grid : tuple of GridSection
        The same at constant tempi.
    cues : tuple of Cue
        The starts of its sections.
    """

    path: str
    bpm: float
    duration: float
    metre: int = 4
    beats: tuple[Beat, ...] = ()
    grid: tuple[GridSection, ...] = ()
    cues: tuple[Cue, ...] = ()

    @property
    def name(self) -> str:
        """Name of the file without its suffix."""
        return os.path.splitext(os.path.basename(self.path))[0]

    def first_beats(self) -> Iterator[tuple[GridSection, float, int]]:
        """Yield each section of the grid with the time and the position in the bar of its first beat.

        The time lies on the grid, and is not negative.
        """
        index = 0
        for section in self.grid:
            period = 60.0 / section.bpm
            time = section.anchor - period * round((section.anchor - section.start) / period)
            position = self.beats[index].position if index < len(self.beats) else 1
            if time < 0.0:
                time, position = time + period, position % self.metre + 1
            yield section, time, max(1, position)
            index += section.n_beats


def read_tracks(path: Path) -> tuple[list[DjTrack], int]:
    """Read the tracks that have a tempo, and count the results that have none.

    Parameters
    ----------
    path : Path
        JSON, JSONL or CSV from ``tempo beats``, ``tempo segment`` or ``tempo estimate``. CSV has no beats and
        no cues.

    Returns
    -------
    tracks : list of DjTrack
    n_without : int
        Results without a tempo, failed inputs, and parts of files.

    Raises
    ------
    DataError
        If it is not such a file.
    """
    try:
        text = decode(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    tracks, n_without = [], 0
    try:
        for record in _records(path, text):
            track = _track(record)
            if track is None:
                n_without += 1
            else:
                tracks.append(track)
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error, RecursionError) as error:
        raise DataError(f"{path}: not a result file of tempo beats, segment or estimate") from error
    return tracks, n_without


def add_cues(tracks: Sequence[DjTrack], path: Path) -> tuple[list[DjTrack], int]:
    """Give tracks the cue points of a result file of ``tempo segment``.

    Parameters
    ----------
    tracks : sequence of DjTrack
    path : Path
        JSON or JSONL.

    Returns
    -------
    tracks : list of DjTrack
    n_without : int
        Tracks without sections in the file.

    Raises
    ------
    DataError
        If it is no such file.
    """
    found = {track.path: track.cues for track in read_tracks(path)[0]}
    if found and not any(found.values()):
        raise DataError(f"{path}: has no sections; write it with 'tempo segment -o FILE.jsonl'")
    cued = [replace(track, cues=found.get(track.path, ())) for track in tracks]
    return cued, sum(not track.cues for track in cued)


def _records(path: Path, text: str) -> Iterator[Mapping[str, Any]]:
    suffix = path.suffix.lower()
    if suffix == ".csv":
        yield from csv.DictReader(text.splitlines(keepends=True), strict=True)
    elif suffix == ".json":
        yield from json.loads(text)["results"]
    else:
        yield from (json.loads(line) for line in text.split("\n") if line)


def _track(record: Mapping[str, Any]) -> DjTrack | None:
    bpm, path = record["bpm"], record["path"]
    if not isinstance(path, str) or not path:
        raise ValueError("no path")
    # A part of a file is no track of a DJ's library.
    if bpm in {None, ""} or record.get("part_start") not in {None, ""} or path == "-":
        return None
    beats = tuple(
        Beat(_number(time, 0.0, 1e9), int(position))
        for time, position in zip(record.get("beats", ()), record.get("positions", ()), strict=True)
    )
    return DjTrack(
        path=os.path.abspath(path),
        bpm=_number(bpm, 1.0, _MAX_BPM),
        duration=_number(record["duration"], 0.0, 1e9),
        metre=int(_number(record.get("metre") or 4, 1, 99)),
        beats=beats,
        grid=tuple(_section(each) for each in record.get("grid", ())) if beats else (),
        cues=tuple(
            Cue(_number(each["start"], 0.0, 1e9), str(each["label"])) for each in record.get("sections", ())
        ),
    )


def _section(record: Mapping[str, Any]) -> GridSection:
    return GridSection(
        start=_number(record["start"], 0.0, 1e9),
        end=_number(record["end"], 0.0, 1e9),
        anchor=_number(record["anchor"], -10.0, 1e9),
        bpm=_number(record["bpm"], 1.0, 10_000.0),
        n_beats=int(_number(record["n_beats"], 1, 1e9)),
        residual=_number(record["residual_ms"], 0.0, 1e9) / 1000.0,
    )


def _number(value: Any, low: float, high: float) -> float:
    number = float(value)
    if not low <= number <= high:
        raise ValueError(f"{number} is out of range")
    return number
