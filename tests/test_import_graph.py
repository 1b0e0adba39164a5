"""The package stays easy to find one's way in: few things at its top, small folders and files, no circles."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from import_graph import (
    arrows,
    circles,
    entries,
    files_by_folder,
    floors,
    imports,
    lengths,
    module_graph,
    report,
    room_graph,
)

import tempocli

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(tempocli.__file__).resolve().parent


def test_few_folders_and_files_lie_directly_under_the_package() -> None:
    folders, files = entries(PACKAGE)
    assert len(folders) <= 12, folders
    assert len(files) <= 8, files


def test_no_folder_has_more_than_12_python_files() -> None:
    assert {folder: n for folder, n in files_by_folder(PACKAGE).items() if n > 12} == {}


def test_no_file_of_the_package_has_more_than_400_lines() -> None:
    assert {path: n for path, n in lengths(PACKAGE).items() if n > 400} == {}


def test_files_and_folders_of_training_stay_small() -> None:
    training = PACKAGE / "training"
    assert {path: n for path, n in lengths(training).items() if n > 400} == {}
    assert {folder: n for folder, n in files_by_folder(training).items() if n > 12} == {}


def test_no_file_of_the_tests_has_more_than_500_lines() -> None:
    assert {path: n for path, n in lengths(ROOT / "tests").items() if n > 500} == {}


def test_no_modules_import_each_other() -> None:
    graph = module_graph(PACKAGE)
    assert len(graph) > 100
    assert circles(graph) == []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A package of three rooms; two modules of one of them import each other."""
    package = tmp_path / "tempocli"
    (package / "audio").mkdir(parents=True)
    (package / "__init__.py").write_text("from tempocli.estimator import estimate\n")
    (package / "errors.py").write_text("import json\n")
    (package / "audio" / "__init__.py").write_text("from tempocli.audio.reading import load\n")
    (package / "audio" / "reading.py").write_text(
        "from tempocli.audio import formats\nfrom tempocli.errors import AudioError\n"
    )
    (package / "audio" / "formats.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from tempocli.estimator import Estimate\n"
        "def f():\n    import tempocli.audio.reading\n"
    )
    (package / "estimator.py").write_text(
        "from tempocli.audio import load\nfrom tempocli.errors import TempoError\n"
    )
    return tmp_path


def test_rooms_arrows_and_floors_are_counted(checkout: Path) -> None:
    rooms = room_graph(module_graph(checkout / "tempocli"), "tempocli")
    assert rooms == {"audio": {"errors"}, "errors": set(), "estimator": {"audio", "errors"}}
    assert len(arrows(rooms)) == 3
    assert floors(rooms) == [["errors"], ["audio"], ["estimator"]]
    inner = room_graph(module_graph(checkout / "tempocli"), "tempocli.audio")
    assert inner == {"formats": {"reading"}, "reading": {"formats"}}
    assert floors(inner) == [["formats", "reading"]]


def test_circles_within_a_room_are_found(checkout: Path) -> None:
    circle = ["tempocli.audio.formats", "tempocli.audio.reading"]
    assert circles(module_graph(checkout / "tempocli")) == [circle]
    # For type checkers, the estimator imports the audio, which imports the estimator.
    with_typing = circles(module_graph(checkout / "tempocli", typing=True))
    assert with_typing == [sorted([*circle, "tempocli.audio", "tempocli.estimator"])]


def test_relative_imports_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from . import b\n")
    with pytest.raises(ValueError, match="relative import"):
        imports(tmp_path / "a.py")


def test_the_report_names_what_is_too_large(checkout: Path) -> None:
    (checkout / "tempocli" / "long.py").write_text("\n" * 401)
    lines = report(checkout, None, listed=True)
    assert lines[:2] == ["rooms: 4", "arrows between rooms: 3"]
    assert "files of more than 400 lines: 1" in lines
    assert "long.py: 401" in lines
    assert "estimator -> audio, errors" in lines


@pytest.mark.slow
def test_another_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    script = ROOT / "benchmarks" / "import_graph.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{tmp_path}: no tempocli/ here\n")
