"""The record of the settings of results, compared when a run is resumed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tempocli.output.formats import Layout


def canonical(settings: Mapping[str, Any], layout: Layout) -> str:
    """Return a record as one line of JSON with sorted keys, so that equal records give equal texts.

    Parameters
    ----------
    settings : dict of str to Any
        From `tempocli.estimator.Estimator.settings`.
    layout : Layout
        How numbers are written.
    """
    record = {**settings, "precision": layout.precision, "curve": layout.curve}
    return json.dumps(record, sort_keys=True, separators=(",", ":"))


def difference(old: str, new: str) -> str:
    """Describe in one line the difference between the record of a result file and that of this run.

    Parameters
    ----------
    old, new : str
        From `canonical`; `old` is read from a file and may be invalid.
    """
    try:
        record = json.loads(old)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        # Those wrote the settings as prose, without the versions of the models.
        return "made by an earlier version of tempo, which may estimate otherwise"
    before, now = _facts(record), _facts(json.loads(new))
    parts = [
        f"{name} {before.get(name, 'none')}, now {now.get(name, 'none')}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    # With another model, all other facts differ, too.
    if before.get("model") != now.get("model"):
        parts = [part for part in parts if not part.startswith(("model version", "model files"))]
    return f"made with other settings ({'; '.join(parts)})"


def _facts(record: Mapping[str, Any]) -> dict[str, str]:
    """Return a record as readable names and values; a model by name, version and checksum."""
    facts = {key: _text(value) for key, value in record.items() if key != "model"}
    model = record.get("model")
    if isinstance(model, dict):
        facts["model"] = _text(model.get("name"))
        facts["model version"] = _text(model.get("version"))
        facts["model files"] = " and ".join(_checksums(model))
        facts["references"] = " and ".join(_references(model)) or "none"
    return facts


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _checksums(model: Mapping[str, Any]) -> list[str]:
    inner = [text for member in _members(model) for text in _checksums(member)]
    return [str(model.get("sha256", "none")), *inner]


def _references(model: Mapping[str, Any]) -> list[str]:
    inner = [text for member in _members(model) for text in _references(member)]
    return [str(model["references"]), *inner] if "references" in model else inner


def _members(model: Mapping[str, Any]) -> list[dict[str, Any]]:
    members = model.get("members", [])
    # Values read from a file may be invalid.
    return [each for each in members if isinstance(each, dict)] if isinstance(members, list) else []
