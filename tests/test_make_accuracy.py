"""docs/make_accuracy.py, on a few files of a fake estimator."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tempocli.cli import cli

pytest.importorskip("matplotlib")

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def accuracy(monkeypatch, tmp_path, fake):
    spec = importlib.util.spec_from_file_location("make_accuracy", REPOSITORY / "docs" / "make_accuracy.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "make_accuracy", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "DOCS", tmp_path / "docs")
    monkeypatch.setattr(module, "CARDS", tmp_path / "models")
    monkeypatch.setattr(module, "SYSTEMS", [each for each in module.SYSTEMS if each.name != "equivariant"])
    monkeypatch.setattr(module, "RANGES", ((60, 110),))
    monkeypatch.setattr(module, "evaluate", evaluate)
    (tmp_path / "docs").mkdir()
    (tmp_path / "models").mkdir()
    for card in ("tempo", "compare"):
        shutil.copy(REPOSITORY / "models" / f"{card}.md", tmp_path / "models")
    return module


def evaluate(*arguments):
    result = CliRunner().invoke(cli, ["evaluate", *arguments, "--format", "json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def write_reference(folder, name, tempi):
    (folder / name).mkdir()
    for found in tempi:
        (folder / name / f"{found}.wav").touch()
    rows = [f"{name}/{found}.wav,{bpm},pop,here,1\n" for found, bpm in tempi.items()]
    (folder / f"{name}.csv").write_text("path,bpm,genre,source,steady\n" + "".join(rows))
    return str(folder / f"{name}.csv")


def test_two_references_fill_the_docs_and_the_cards(accuracy, tmp_path):
    one = write_reference(tmp_path, "one", {100: 100, 80: 160})
    two = write_reference(tmp_path, "two", {90: 90})
    accuracy.main([one, two])
    text = (tmp_path / "docs" / "accuracy.md").read_text()
    for method in ("both", "classify", "compare", "periodicity"):
        assert f"## `{method}`" in text
        assert f"| `{method}` | 60 to 110 | 100.0 (34.2 to 100.0) | 100.0" in text
    assert "one, 2 files:" in text
    assert "together, 3 files:" in text
    assert "| score | one | two | together |" in text
    assert "| files | 2 | 1 | 3 |" in text
    assert "| half | 50.0" in text
    for figure in ("both", "tempo", "compare", "periodicity"):
        assert f"(reliability-{figure}.png)" in text
        assert (tmp_path / "docs" / f"reliability-{figure}.png").stat().st_size
    card = (tmp_path / "models" / "tempo.md").read_text()
    assert "- one: Accuracy 1 50.0 %, Accuracy 2 100.0 %\n- two: Accuracy 1 100.0 %" in card
    assert card.count(accuracy.FIRST) == card.count(accuracy.LAST) == 1
    shipped = (REPOSITORY / "models" / "tempo.md").read_text()
    assert card.split(accuracy.LAST)[1] == shipped.split(accuracy.LAST)[1]


def test_one_reference_has_no_column_of_all_together(accuracy, tmp_path):
    accuracy.main([write_reference(tmp_path, "one", {100: 100})])
    assert "| together |" not in (tmp_path / "docs" / "accuracy.md").read_text()
