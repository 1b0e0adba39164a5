"""Write docs/api.md, the public names of tempocli, from their docstrings.

python docs/make_api.py            # writes
python docs/make_api.py --check    # exits with 1 if the page is out of date

What is public is what `tempocli.__all__` names, and the methods and properties of those classes that have a
docstring and no underscore in front.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tempocli

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().parent / "api.md"
HEAD = """# Python reference

Made by `python docs/make_api.py` from the docstrings. [python.md](python.md) shows how these are used.
Everything here is imported from `tempocli`; what is not here is not public and can change in any version.
"""
UNDERLINE = re.compile(r"^(.+)\n-{3,}$", re.MULTILINE)


def groups() -> list[tuple[str, list[str]]]:
    """Return the public names: functions, classes to work with, results, errors."""
    names = [name for name in tempocli.__all__ if not name.startswith("_")]
    values = {name: getattr(tempocli, name) for name in names}
    errors = [name for name in names if inspect.isclass(values[name]) and issubclass(values[name], Exception)]
    data = [name for name in names if hasattr(values[name], "__dataclass_fields__")]
    functions = [name for name in names if inspect.isfunction(values[name])]
    classes = [name for name in names if name not in {*errors, *data, *functions}]
    return [("Functions", functions), ("Classes", classes), ("Data", data), ("Errors", errors)]


def members(cls: type) -> Iterator[tuple[str, str, str]]:
    """Yield the name, signature and docstring of the public methods and properties of a class of ours."""
    for name, value in inspect.getmembers(cls):
        if name.startswith("_"):
            continue
        if isinstance(value, property):
            if value.__doc__:
                yield name, "", value.__doc__
        elif inspect.isroutine(value) and value.__module__.startswith("tempocli") and value.__doc__:
            yield name, signature(value), value.__doc__


def signature(value: Any) -> str:
    """Return the parameters of a function, method or class, without `self`."""
    parameters = inspect.signature(value)
    kept = [each for each in parameters.parameters.values() if each.name not in {"self", "cls"}]
    if inspect.isclass(value):
        parameters = parameters.replace(return_annotation=inspect.Signature.empty)
    return str(parameters.replace(parameters=kept)).replace("'", "")


def body(docstring: str) -> str:
    """Turn a numpydoc docstring into Markdown: bold titles, one item per entry, examples as code."""
    text = UNDERLINE.sub(r"**\1**\n", inspect.cleandoc(docstring)).replace("``", "`")
    lines: list[str] = []
    section = ""
    for line in text.splitlines():
        if re.fullmatch(r"\*\*.+\*\*", line):
            section = line.strip("*")
            lines.append(line)
        elif section and section not in {"Examples", "Notes"} and line and not line.startswith(" "):
            name, _, kind = line.partition(" : ")
            lines.append(f"- `{name}`: {kind}" if kind else f"- `{name}`")
        elif section == "Examples" and line:
            lines.append(f"    {line}".replace("  # doctest: +SKIP", ""))
        else:
            lines.append(f"  {line.strip()}" if section and line.startswith(" ") else line)
    return "\n".join(lines)


def entry(name: str, value: Any) -> str:
    """Write a public name with all that belongs to it."""
    called = name + ("" if is_error(value) else signature(value))
    parts = [f"### {name}", f"    {called}", body(value.__doc__ or "")]
    if inspect.isclass(value) and not is_error(value):
        for member, parameters, text in members(value):
            parts += [f"#### {name}.{member}", f"    {member}{parameters}", body(text)]
    return "\n\n".join(parts)


def is_error(value: Any) -> bool:
    """Return whether a value is a class of exceptions."""
    return inspect.isclass(value) and issubclass(value, Exception)


def page() -> str:
    """Write the whole page."""
    parts = [HEAD.strip()]
    for title, names in groups():
        parts.append(f"## {title}")
        parts += [entry(name, getattr(tempocli, name)) for name in sorted(names, key=str.lower)]
    return "\n\n".join(parts) + "\n"


def main(*, check: bool = False) -> bool:
    """Write the page, or only compare it; return whether it was up to date."""
    new = page()
    current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == new
    if not (check or current):
        PAGE.write_text(new, encoding="utf-8")
    return current


if __name__ == "__main__":
    checked = sys.argv[1:] == ["--check"]
    if not main(check=checked) and checked:
        sys.exit("out of date: api.md; run python docs/make_api.py")
