"""Tracks that are like a track, as text, CSV, JSON and M3U8 playlists."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tempocli.errors import DataError
from tempocli.output.formats.layout import encode, escape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tempocli.schema import Part


@dataclass(frozen=True, slots=True)
class Row:
    """A track that was found.

    Attributes
    ----------
    path : str
    similarity : float
    bpm : float or None
    part : Part or None
        Part of the file; ``None`` for the whole file.
    duration : float or None
        In seconds.
    label : str or None
        Label of the section that was found; ``None`` for a whole track.
    """

    path: str
    similarity: float
    bpm: float | None
    part: Part | None = None
    duration: float | None = None
    label: str | None = None


def text(rows: Sequence[Row]) -> bytes:
    """Return the paths, one per line."""
    return encode("".join(f"{escape(row.path)}\n" for row in rows))


def as_csv(rows: Sequence[Row]) -> bytes:
    """Return a table with the columns path, similarity, bpm, start, duration, and label for sections."""
    labelled = any(row.label is not None for row in rows)
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["path", "similarity", "bpm", "start", "duration", *(["label"] if labelled else [])])
    for row in rows:
        bpm = "" if row.bpm is None else f"{row.bpm:.2f}"
        start = "" if row.part is None else row.part.start
        duration = "" if row.duration is None else f"{row.duration:.3f}"
        label = [row.label] if labelled else []
        writer.writerow([row.path, f"{row.similarity:.4f}", bpm, start, duration, *label])
    return encode(file.getvalue())


def as_json(rows: Sequence[Row]) -> bytes:
    """Return a list of objects."""
    return encode(json.dumps([_record(row) for row in rows], indent=2, ensure_ascii=False) + "\n")


def _record(row: Row) -> dict[str, Any]:
    record: dict[str, Any] = {
        "path": row.path,
        "similarity": round(row.similarity, 4),
        "bpm": None if row.bpm is None else round(row.bpm, 2),
    }
    if row.part is not None and row.label is not None:
        record |= {"start": row.part.start, "end": row.part.end, "label": row.label}
    elif row.part is not None:
        record |= {"start": row.part.start, "part_duration": row.part.duration, "title": row.part.title}
    return record


def as_m3u8(rows: Sequence[Row]) -> bytes:
    """Return a playlist in UTF-8.

    Raises
    ------
    DataError
        If a path has a line break, which a playlist cannot hold.
    """
    lines = ["#EXTM3U"]
    for row in rows:
        if "\n" in row.path or "\r" in row.path:
            raise DataError(f"{row.path!r}: a playlist cannot hold a path with a line break")
        if row.duration is not None:
            lines.append(f"#EXTINF:{round(row.duration)},")
        # A path that begins with "#" would be a comment.
        lines.append(f"./{row.path}" if row.path.startswith("#") else row.path)
    return encode("\n".join(lines) + "\n")


FORMATS: dict[str, Callable[[Sequence[Row]], bytes]] = {
    "text": text,
    "csv": as_csv,
    "json": as_json,
    "m3u8": as_m3u8,
}
