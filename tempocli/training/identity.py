"""The identity of a recipe: a canonical record of the settings that affect the weights.

It contains only settings that differ from their defaults. A new setting whose default keeps the training as
it was changes no record, so older checkpoints can still be resumed. If a default or the meaning of a setting
changes, raise `FORMAT` and translate older records in `read_identity`.
"""

from __future__ import annotations

import ast
import json
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from tempocli.errors import DataError
from tempocli.training.recipe import build_recipe, default_of

if TYPE_CHECKING:
    from tempocli.training.recipe import Recipe

FORMAT = 1
# Version 0.1.0 stored the `repr` of the recipe, which begins with its class name.
_OLD_CLASSES = {"Recipe": "tempo", "ComparisonRecipe": "comparison", "ContrastiveRecipe": "contrastive"}


def identity(recipe: Recipe) -> str:
    """Return the canonical record of a recipe: JSON with sorted keys.

    Parameters
    ----------
    recipe : Recipe

    Returns
    -------
    str
        Equal for two recipes if and only if a run of one can be resumed with the other.
    """
    record = {"format": FORMAT, "kind": recipe.kind, "settings": changed_settings(recipe)}
    return json.dumps(record, sort_keys=True)


def changed_settings(settings: Any) -> dict[str, Any]:
    """Return the settings that affect the weights and differ from their defaults, as JSON values.

    Parameters
    ----------
    settings : dataclass instance
        A recipe, or a part of one.
    """
    changed: dict[str, Any] = {}
    for item in fields(settings):
        value = getattr(settings, item.name)
        if not item.metadata.get("weights", True):
            continue
        if is_dataclass(value):
            part = changed_settings(value)
            if part:
                changed[item.name] = part
        elif value != default_of(item):
            changed[item.name] = _plain(value, str(item.type))
    return changed


def _plain(value: Any, kind: str) -> Any:
    if isinstance(value, dict):  # a list, since the order of the stores affects the draws
        return [[name, float(share)] for name, share in value.items()]
    if isinstance(value, tuple | list):
        return list(value)
    return float(value) if kind == "float" else value


def read_identity(text: str, kind: type[Recipe]) -> dict[str, Any]:
    """Parse the record in a checkpoint; records of version 0.1.0 are translated.

    Parameters
    ----------
    text : str
    kind : type of Recipe
        Expected kind of the recipe.

    Returns
    -------
    dict
        As `identity` writes it.

    Raises
    ------
    DataError
        If the record has a newer format or cannot be parsed.
    """
    if not text.startswith("{"):
        return _translate(text, kind)
    record: dict[str, Any] = json.loads(text)
    if record["format"] > FORMAT:
        raise DataError("was made by a newer version of tempocli; use that version, or another --out")
    return record


def _translate(text: str, kind: type[Recipe]) -> dict[str, Any]:
    try:
        call = ast.parse(text, mode="eval").body
        name, table = _arguments(call)
        if _OLD_CLASSES[name] != kind.kind:
            return {"format": 0, "kind": _OLD_CLASSES[name], "settings": {}}
        return dict(json.loads(identity(build_recipe(kind, table))))
    except (SyntaxError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            "was made by an older version of tempocli, with settings that this one does not have; "
            "choose another --out"
        ) from error


def _arguments(call: ast.expr) -> tuple[str, dict[str, Any]]:
    """Parse ``Name(setting=value, ...)``; values may be nested calls."""
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
        raise ValueError("not the text of a recipe")
    table = {}
    for keyword in call.keywords:
        inner = isinstance(keyword.value, ast.Call)
        table[str(keyword.arg)] = _arguments(keyword.value)[1] if inner else ast.literal_eval(keyword.value)
    return call.func.id, table


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Describe the differences of two records, one entry per setting."""
    if old["kind"] != new["kind"]:
        return [f"kind was {old['kind']}"]
    before, now = (dict(_flat(record["settings"])) for record in (old, new))
    words = []
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            was, is_ = (json.dumps(each[name]) if name in each else "the default" for each in (before, now))
            words.append(f"{name} was {was}, is {is_}")
    return words


def _flat(settings: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    flat = []
    for name, value in settings.items():
        flat += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return flat
