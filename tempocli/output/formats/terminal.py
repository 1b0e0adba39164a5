"""Escape text for a terminal, so that no character of a name can control it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tempocli.output.formats.layout import printable

if TYPE_CHECKING:
    from tempocli.schema import FileResult


def printable_result(result: FileResult) -> FileResult:
    r"""Replace unprintable characters in the texts of a result by escapes such as ``\x1b``."""
    estimate = result.estimate
    if estimate is not None:
        reason = None if estimate.reason is None else printable(estimate.reason)
        estimate = replace(
            estimate,
            model=printable(estimate.model),
            model_version=printable(estimate.model_version),
            reason=reason,
        )
    error = None if result.error is None else printable(result.error)
    return replace(result, path=printable(result.path), error=error, estimate=estimate)


def printable_json(text: str) -> str:
    r"""Replace unprintable characters in JSON by its own escapes, which mean the same; line feeds stay."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(each if each == "\n" or each.isprintable() else _json_escape(each) for each in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))
