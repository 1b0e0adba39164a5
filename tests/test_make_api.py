"""docs/make_api.py: the reference is current and complete, and the guide uses nothing else."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import tempocli

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture(scope="module")
def api() -> Any:
    spec = importlib.util.spec_from_file_location("make_api", DOCS / "make_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(api: Any) -> None:
    assert api.main(check=True), "run python docs/make_api.py"


def test_a_stale_page_is_noticed(api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PAGE", tmp_path / "api.md")
    assert not api.main(check=True)
    assert not api.PAGE.exists()
    assert not api.main()
    assert api.main(check=True)
    api.PAGE.write_text(api.PAGE.read_text(encoding="utf-8") + "x", encoding="utf-8")
    assert not api.main(check=True)


def test_every_public_name_is_there_once(api: Any) -> None:
    headings = re.findall(r"^### (\w+)$", api.page(), re.MULTILINE)
    assert sorted(headings) == sorted(set(tempocli.__all__) - {"__version__"})


def test_public_names_can_be_imported_and_have_docstrings() -> None:
    for name in set(tempocli.__all__) - {"__version__"}:
        assert inspect.getdoc(getattr(tempocli, name)), name
    assert set(tempocli._HOMES) == set(tempocli.__all__) - {"__version__"}


def test_the_guide_imports_public_names_only() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(encoding="utf-8"), re.DOTALL)
    imports = [
        node for block in blocks for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)
    ]
    ours = [node for node in imports if (node.module or "").split(".")[0] == "tempocli"]
    assert len(ours) >= 6
    assert {node.module for node in ours} == {"tempocli"}
    assert {alias.name for node in ours for alias in node.names} <= set(tempocli.__all__)


def test_a_docstring_becomes_markdown(api: Any) -> None:
    sections = (
        "Parameters\n----------\nx : float\n    In ``Hz``.",
        "Examples\n--------\n>>> f(1)  # doctest: +SKIP\n2",
    )
    text = "\n\n".join(("Do it.", *sections))
    assert api.body(text) == (
        "Do it.\n\n**Parameters**\n\n- `x`: float\n  In `Hz`.\n\n**Examples**\n\n    >>> f(1)\n    2"
    )
