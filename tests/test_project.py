"""What is written twice agrees: the version, the test command, the tools that check the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import tempocli

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return found


def test_the_version_is_the_same_everywhere(project: dict[str, Any]) -> None:
    assert tempocli.__version__ == project["project"]["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", citation, re.MULTILINE) == [tempocli.__version__]


def test_the_test_command_of_the_readme_runs_all_tests() -> None:
    """`.ci/run` runs the first line of the README with the word pytest in it."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    command = next(line for line in lines if "pytest" in line)
    assert command.endswith("&& .venv/bin/python -m pytest")
    assert "'.[test]'" in command


def test_lint_versions_are_exact_and_written_once(project: dict[str, Any]) -> None:
    lint = project["project"]["optional-dependencies"]["lint"]
    assert {name.partition("==")[0] for name in lint if "==" in name} == {"ruff", "mypy"}
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"repo: (.*)", hooks) == ["local"], "a hook of another place has a version of its own"
    for tool in ("ruff check", "ruff format", "mypy"):
        assert f"entry: python -m {tool}" in hooks


def test_every_file_that_the_project_names_is_in_the_source_distribution(project: dict[str, Any]) -> None:
    included = project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    for page in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff"):
        assert (ROOT / page).is_file()
        assert f"/{page}" in included
