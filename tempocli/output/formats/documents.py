"""The JSON formats: JSON, JSONL, JAMS. ``docs/estimate.schema.json`` describes the first two."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tempocli import __version__
from tempocli.output.formats.layout import Layout
from tempocli.output.formats.lines import COLUMNS
from tempocli.schema import SCHEMA_VERSION, FileResult, Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tempocli.schema import Candidate, Estimate, TempoSection

_SURROGATE = re.compile("[\ud800-\udfff]")
_JAMS_VERSION = "0.3.4"
PART_KEYS = ("part_start", "part_duration", "part_title")  # of the record of a part of a file
RECORD_KEYS = (*(name for name in COLUMNS if name not in PART_KEYS), "tempo_sections")  # of every record


def write_json(results: Iterable[FileResult], layout: Layout) -> Iterator[str]:
    """Write one JSON document for all results."""
    records = [_record(result, layout) for result in results]
    yield dump({"schema_version": SCHEMA_VERSION, "results": records}, indent=2)


def write_jsonl(results: Iterable[FileResult], layout: Layout) -> Iterator[str]:
    """Write one JSON object per line and result."""
    for result in results:
        yield dump(line_record(result, layout))


def write_jams(results: Iterable[FileResult], layout: Layout) -> Iterator[str]:
    """Write a JAMS document; values without a place in the tempo namespace go to the sandbox."""
    for result in results:
        if result.estimate is not None:
            yield dump(jams_document(result, layout), indent=2)


def line_record(result: FileResult, layout: Layout) -> dict[str, Any]:
    """Return the object of one line of JSONL."""
    return {"schema_version": SCHEMA_VERSION, **_record(result, layout)}


def _record(result: FileResult, layout: Layout) -> dict[str, Any]:
    part = result.part
    if part is None:
        return _whole_record(result, layout)
    values = (part.start, part.duration, part.title)
    return _whole_record(result, layout) | dict(zip(PART_KEYS, values, strict=True))


def _whole_record(result: FileResult, layout: Layout) -> dict[str, Any]:
    estimate = result.estimate
    if estimate is None:
        nothing = dict.fromkeys(RECORD_KEYS)
        return nothing | {"path": result.path, "candidates": [], "error": result.error, "tempo_sections": []}
    record: dict[str, Any] = {
        "path": result.path,
        "bpm": None if estimate.bpm is None else round(estimate.bpm, layout.precision),
        "confidence": round(estimate.confidence, 4),
        "octave_confidence": round(estimate.octave_confidence, 4),
        "candidates": _candidates(estimate.candidates, layout),
        "reason": estimate.reason,
        "duration": round(estimate.duration, 3),
        "model": estimate.model,
        "model_version": estimate.model_version,
        "error": None,
        "bpm_error": None if estimate.bpm_error is None else layout.round_error(estimate.bpm_error),
        "steady": estimate.steady,
        "tempo_sections": _sections(estimate.tempo_sections, layout),
    }
    if estimate.by_method:
        record["by_method"] = {method: round(bpm, layout.precision) for method, bpm in estimate.by_method}
    if layout.curve:
        record["curve"] = [
            {
                "time": round(point.time, 3),
                "bpm": round(point.bpm, layout.precision),
                "confidence": round(point.confidence, 4),
            }
            for point in estimate.curve
        ]
    return record


def estimate_to_jams(estimate: Estimate, path: str = "", *, start: float = 0.0) -> dict[str, Any]:
    """Return a JAMS document (Humphrey et al., ISMIR 2014), as `tempo estimate --format jams` writes it.

    Parameters
    ----------
    estimate : Estimate
        Of a file or an array.
    path : str
        Of the file, for the document's identifiers.
    start : float
        Start of the part in its file, in seconds, if a part was estimated.

    Returns
    -------
    dict
        JSON values with one annotation of the namespace ``tempo``.
    """
    part = Part.of(start, estimate.duration) if start else None
    return jams_document(FileResult(path, estimate, part=part), Layout())


def jams_document(result: FileResult, layout: Layout) -> dict[str, Any]:
    """Return the JAMS document of a file or a part with an estimate, as JSON values."""
    record = _record(result, layout)
    start = record.get("part_start", 0.0)
    annotation = {
        "namespace": "tempo",
        "annotation_metadata": {
            "annotation_tools": (
                f"tempo-estimate {__version__}, model {record['model']} {record['model_version']}"
            ).rstrip(),
            "data_source": "program",
        },
        "time": start,
        "duration": record["duration"],
        "data": [] if record["bpm"] is None else _observations(record),
        "sandbox": {
            key: record[key] for key in ("octave_confidence", "candidates", "reason", "bpm_error", "steady")
        },
    }
    return {
        "file_metadata": {
            # For a part, only a lower bound of the length of the file is known.
            "duration": round(start + record["duration"], 3),
            "identifiers": {"path": record["path"]},
            "jams_version": _JAMS_VERSION,
        },
        "annotations": [annotation],
        "sandbox": {},
    }


def _observations(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one observation of the whole or, if the tempo is not steady, one per section.

    With a range of tempi, the whole may have a tempo in the range while no section does.
    """
    start = record.get("part_start", 0.0)
    whole = {
        "start": start,
        "end": start + record["duration"],
        "bpm": record["bpm"],
        "confidence": record["confidence"],
    }
    return [
        {
            "time": section["start"],
            "duration": round(section["end"] - section["start"], 3),
            "value": section["bpm"],
            "confidence": section["confidence"],
        }
        for section in ((record["steady"] is False and record["tempo_sections"]) or [whole])
    ]


def _sections(sections: tuple[TempoSection, ...], layout: Layout) -> list[dict[str, Any]]:
    return [
        {
            "start": round(each.start, 3),
            "end": round(each.end, 3),
            "bpm": round(each.bpm, layout.precision),
            "confidence": round(each.confidence, 4),
        }
        for each in sections
    ]


def _candidates(candidates: tuple[Candidate, ...], layout: Layout) -> list[dict[str, Any]]:
    return [
        {
            "bpm": round(each.bpm, layout.precision),
            "probability": round(each.probability, 4),
            "relation": each.relation,
        }
        for each in candidates
    ]


def dump(value: dict[str, Any], *, indent: int | None = None) -> str:
    """Return a JSON value with a line feed, in characters that UTF-8 can encode."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent) + "\n"
    # Surrogates, which stand for bytes of a path that are not UTF-8, cannot be encoded as UTF-8.
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
