"""Beats as JSON, JSONL and JAMS. ``docs/beats.schema.json`` describes the first two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tempocli import __version__
from tempocli.output.formats.documents import PART_KEYS, dump

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tempocli.output.formats import Layout
    from tempocli.schema import FileResult

BEATS_SCHEMA_VERSION = 1
_JAMS_VERSION = "0.3.4"
RECORD_KEYS = (
    "path",
    "bpm",
    "confidence",
    "octave_confidence",
    "steady",
    "metre",
    "metre_confidence",
    "first_beat",
    "first_downbeat",
    "beats",
    "positions",
    "beat_confidence",
    "downbeat_confidence",
    "grid",
    "reason",
    "duration",
    "model",
    "model_version",
    "tempo_model",
    "tempo_model_version",
    "error",
)
_LISTS = frozenset({"beats", "positions", "beat_confidence", "downbeat_confidence", "grid"})


def write_json(results: Iterable[FileResult], layout: Layout, *, grid: bool) -> Iterator[str]:
    """Write one JSON document for all results."""
    records = [_record(result, layout) for result in results]
    yield dump({"schema_version": BEATS_SCHEMA_VERSION, "results": records}, indent=2)


def write_jsonl(results: Iterable[FileResult], layout: Layout, *, grid: bool) -> Iterator[str]:
    """Write one JSON object per line and result."""
    for result in results:
        yield dump(line_record(result, layout))


def write_jams(results: Iterable[FileResult], layout: Layout, *, grid: bool) -> Iterator[str]:
    """Write a JAMS document with the namespace ``beat``, whose values are positions in the bar."""
    for result in results:
        if result.beats is None:
            continue
        record = _record(result, layout)
        start = record.get("part_start", 0.0)
        tool = f"tempo-estimate {__version__}, model {record['model']} {record['model_version']}"
        annotation = {
            "namespace": "beat",
            "annotation_metadata": {"annotation_tools": tool, "data_source": "program"},
            "time": start,
            "duration": record["duration"],
            "data": [
                {"time": time, "duration": 0.0, "value": position, "confidence": confidence}
                for time, position, confidence in zip(
                    record["beats"], record["positions"], record["beat_confidence"], strict=True
                )
            ],
            "sandbox": {key: record[key] for key in ("metre", "metre_confidence", "bpm", "reason")},
        }
        document = {
            "file_metadata": {
                "duration": round(start + record["duration"], 3),
                "identifiers": {"path": record["path"]},
                "jams_version": _JAMS_VERSION,
            },
            "annotations": [annotation],
            "sandbox": {},
        }
        yield dump(document, indent=2)


def line_record(result: FileResult, layout: Layout) -> dict[str, Any]:
    """Return the object of one line of JSONL."""
    return {"schema_version": BEATS_SCHEMA_VERSION, **_record(result, layout)}


def _record(result: FileResult, layout: Layout) -> dict[str, Any]:
    part = result.part
    cut = {} if part is None else dict(zip(PART_KEYS, (part.start, part.duration, part.title), strict=True))
    track = result.beats
    if track is None:
        nothing: dict[str, Any] = {key: [] if key in _LISTS else None for key in RECORD_KEYS}
        return nothing | {"path": result.path, "error": result.error} | cut
    estimate, beats, downbeats = track.estimate, track.beats, track.downbeats
    record: dict[str, Any] = {
        "path": result.path,
        "bpm": None if estimate.bpm is None else round(estimate.bpm, layout.precision),
        "confidence": round(estimate.confidence, 4),
        "octave_confidence": round(estimate.octave_confidence, 4),
        "steady": estimate.steady,
        "metre": track.metre,
        "metre_confidence": round(track.metre_confidence, 4),
        "first_beat": beats[0].time if beats else None,
        "first_downbeat": downbeats[0].time if downbeats else None,
        "beats": [beat.time for beat in beats],
        "positions": [beat.position for beat in beats],
        "beat_confidence": [round(beat.confidence, 3) for beat in beats],
        "downbeat_confidence": [round(beat.downbeat_confidence, 3) for beat in beats],
        "grid": [
            {
                "start": each.start,
                "end": each.end,
                "anchor": round(each.anchor, 4),
                "bpm": round(each.bpm, max(layout.precision, 3)),
                "n_beats": each.n_beats,
                "residual_ms": round(1000.0 * each.residual, 2),
            }
            for each in track.grid
        ],
        "reason": track.reason,
        "duration": round(estimate.duration, 3),
        "model": track.model,
        "model_version": track.model_version,
        "tempo_model": estimate.model,
        "tempo_model_version": estimate.model_version,
        "error": None,
    }
    return record | cut
