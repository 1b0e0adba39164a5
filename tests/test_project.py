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
    recipe = (ROOT / "deploy" / "conda" / "recipe.yaml").read_text(encoding="utf-8")
    assert re.findall(r"^  version: ([\d.]+)$", recipe, re.MULTILINE) == [tempocli.__version__]


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


def test_the_extra_all_has_every_extra_for_users(project: dict[str, Any]) -> None:
    extras = project["project"]["optional-dependencies"]
    (listed,) = re.findall(r"^tempo-estimate\[(.*)\]$", "\n".join(extras["all"]), re.MULTILINE)
    not_for_users = {"all", "train", "ray", "lint", "release"}
    assert set(listed.split(",")) == {name for name in extras if not name.startswith("test")} - not_for_users


def test_the_links_of_the_readme_lead_somewhere_on_the_package_index(project: dict[str, Any]) -> None:
    hook = project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    assert hook["fragments"] == [{"path": "README.md"}]
    address = project["project"]["urls"]["Homepage"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    relative = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith(("http", "#"))]
    assert relative
    for rule in hook["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert all(link.startswith(("https://", "#")) for link in links)
    for link in relative:
        assert (ROOT / link.partition("#")[0]).exists(), f"README leads to {link}, which is not here"
        assert f"{address}/blob/main/{link}" in links


def test_the_conda_recipe_asks_for_what_the_wheel_asks_for(project: dict[str, Any]) -> None:
    recipe = (ROOT / "deploy" / "conda" / "recipe.yaml").read_text(encoding="utf-8")
    run = recipe.partition("  run:\n")[2].partition("\ntests:")[0]
    conda = dict(re.findall(r"^    - ([a-z-]+) (>=[\d.]+)$", run, re.MULTILINE))
    names = {"soundfile": "pysoundfile", "soxr": "soxr-python", "onnxruntime-gpu": "onnxruntime"}
    wheel = {}
    for requirement in project["project"]["dependencies"]:
        name, bound = re.fullmatch(r"([a-z-]+)(>=[\d.]+)(?:;.*)?", requirement).groups()
        wheel[names.get(name, name)] = bound
    assert conda == wheel
