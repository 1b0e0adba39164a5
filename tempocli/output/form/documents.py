"""Sections as JSON, JSONL and JAMS. ``docs/sections.schema.json`` describes the first two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tempocli import __version__
from tempocli.output.formats.documents import PART_KEYS, dump

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tempocli.output.formats import Layout
    from tempocli.schema import FileResult

SECTIONS_SCHEMA_VERSION = 1
_JAMS_VERSION = "0.3.4"
RECORD_KEYS = (
    "path",
    "bpm",
    "confidence",
    "steady",
    "metre",
    "sections",
    "reason",
    "duration",
    "model",
    "model_version",
    "tempo_model",
    "tempo_model_version",
    "error",
)


def write_json(results: Iterable[FileResult], layout: Layout) -> Iterator[str]:
    """Write one JSON document for all results."""
    records = [_record(result, layout) for result in results]
    yield dump({"schema_version": SECTIONS_SCHEMA_VERSION, "results": records}, indent=2)


def write_jsonl(results: Iterable[FileResult], layout: Layout) -> Iterator[str]:
    """Write one JSON object per line and result."""
    for result in results:
        yield dump(line_record(result, layout))


def write_jams(results: Iterable[FileResult], layout: Layout) -> Iterator[str]:
    """Write a JAMS document with the namespace ``segment_open``, whose values are the labels."""
    for result in results:
        if result.form is None:
            continue
        record = _record(result, layout)
        start = record.get("part_start", 0.0)
        tool = f"tempo-estimate {__version__}, model {record['model']} {record['model_version']}"
        annotation = {
            "namespace": "segment_open",
            "annotation_metadata": {"annotation_tools": tool, "data_source": "program"},
            "time": start,
            "duration": record["duration"],
            "data": [
                {
                    "time": each["start"],
                    "duration": round(each["end"] - each["start"], 4),
                    "value": each["label"],
                    "confidence": each["confidence"],
                }
                for each in record["sections"]
            ],
            "sandbox": {key: record[key] for key in ("metre", "bpm", "reason")},
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
    return {"schema_version": SECTIONS_SCHEMA_VERSION, **_record(result, layout)}


def _record(result: FileResult, layout: Layout) -> dict[str, Any]:
    part = result.part
    cut = {} if part is None else dict(zip(PART_KEYS, (part.start, part.duration, part.title), strict=True))
    form = result.form
    if form is None:
        nothing: dict[str, Any] = dict.fromkeys(RECORD_KEYS)
        return nothing | {"path": result.path, "sections": [], "error": result.error} | cut
    estimate = form.estimate
    record: dict[str, Any] = {
        "path": result.path,
        "bpm": None if estimate.bpm is None else round(estimate.bpm, layout.precision),
        "confidence": round(estimate.confidence, 4),
        "steady": estimate.steady,
        "metre": form.metre,
        "sections": [
            {
                "start": each.start,
                "end": each.end,
                "label": each.label,
                "bars": each.bars,
                "bpm": None if each.bpm is None else round(each.bpm, layout.precision),
                "confidence": round(each.confidence, 4),
            }
            for each in form.sections
        ],
        "reason": form.reason,
        "duration": round(form.duration, 3),
        "model": form.model,
        "model_version": form.model_version,
        "tempo_model": estimate.model,
        "tempo_model_version": estimate.model_version,
        "error": None,
    }
    return record | cut
