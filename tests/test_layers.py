"""Data flows one way, heavy libraries stay in their module, and starting costs no more than it must."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from import_graph import imports as read_imports

import tempocli

# The one that is imported, which in .ci/run is a wheel's.
PACKAGE = Path(tempocli.__file__).resolve().parent
ROOT = Path(__file__).resolve().parents[1]

# A module may import modules of lower ranks, and of its own folder. Every module has a rank, so that a new
# one is given a place on purpose.
RANKS = {
    "axis": 0,
    "errors": 0,
    "schema": 1,
    "features": 2,
    "evaluation": 2,
    "system": 2,
    "audio": 3,
    "output": 3,
    "inference": 4,
    "decoding": 5,
    "analyser": 6,
    "comparison": 6,
    "estimator": 7,
    "batch": 8,
    "beats": 8,
    "embedding": 9,
    "cli": 10,
}
# What training shares with inference; nothing but the command line imports training.
TRAINING_MAY_IMPORT = {
    "axis", "errors", "schema", "system", "audio", "features", "inference", "decoding", "evaluation", "batch",
    "embedding", "estimator",
}  # fmt: skip
# Rooms within training, ranked likewise: a room imports rooms of lower ranks, and itself.
TRAINING_RANKS = {
    "recipe": 0,
    "layers": 0,
    "losses": 0,
    "probe": 0,
    "synth": 0,
    "identity": 1,
    "data": 1,
    "checkpoint": 2,
    "engine": 3,
    "export": 3,
    "start": 3,
    "calibrate": 3,
    "recalibrate": 4,
    "beats": 4,
    "sections": 4,
    "tempo": 4,
    "contrastive": 4,
    "translation": 4,
    "comparator": 5,
    "kinds": 6,
}
# Where each library may be imported: a folder or a file.
HOMES = {
    "click": "cli",
    "rich": "cli",
    "onnxruntime": "inference/session/runtime.py",
    "soundfile": "audio",
    "soxr": "audio",
    "av": "audio",
    "torch": "training",
    "matplotlib": "output/plots",
    "pyarrow": "output",
    "mutagen": "audio/tags",
    "sklearn": "training/probe",
    "mirdata": "evaluation/datasets.py",
    "ray": "batch/engines/ray",
    "fsspec": ("audio/files/web.py", "batch/engines/ray"),
    "aiohttp": "audio/files/web.py",
}
MODULES = sorted(PACKAGE.rglob("*.py"))
imports = cache(read_imports)


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_onnxruntime(path: Path) -> bool:
    """Tell whether a file imports onnxruntime itself, be it in a text that another Python runs."""
    texts = [
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    pattern = r"\b(import [\w., ]*(?<![\w.])onnxruntime\b|from (?:onnxruntime)\b)"
    names = {name.split(".")[0] for name in imports(path)}
    return "onnxruntime" in names or any(re.search(pattern, text) for text in texts)


def our_layers(path: Path) -> set[str]:
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("tempocli.")}
    return ours - {"__version__", "__getattr__"}


def complaints(path: Path) -> list[str]:
    layer = layer_of(path)
    if layer in {"__init__", "__main__"}:
        return []
    found = []
    for other in our_layers(path) - {layer}:
        if layer == "training":
            allowed = other in TRAINING_MAY_IMPORT
        elif other == "training":
            allowed = layer == "cli"
        else:
            allowed = RANKS[other] < RANKS[layer]
        if not allowed:
            found.append(f"{layer} imports {other}")
    for name in {name.split(".")[0] for name in imports(path)}:
        homes = HOMES.get(name, ("",))
        homes = (homes,) if isinstance(homes, str) else homes
        place = f"{path.relative_to(PACKAGE).as_posix()}/"
        if name in HOMES and not place.startswith(tuple(f"{home}/" for home in homes)):
            found.append(f"{layer} imports {name}, which belongs in {' or '.join(homes)}")
    return found


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE / "training").parts[0].removesuffix(".py")


def training_complaints(path: Path) -> list[str]:
    room = room_of(path)
    names = [name.split(".") for name in imports(path) if name.startswith("tempocli.training.")]
    others = {name[2] for name in names} - {room}
    return sorted(
        f"{room} imports {other}" for other in others if TRAINING_RANKS[other] >= TRAINING_RANKS[room]
    )


def loaded_by(code: str) -> set[str]:
    code = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def run_command(*args: str) -> set[str]:
    code = (
        "from tempocli.cli import cli\ntry:\n    cli({})\nexcept SystemExit as end:\n    assert end.code == 0"
    )
    return loaded_by(code.format(list(args)))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    assert complaints(path) == []


def test_every_module_has_a_rank() -> None:
    assert {layer_of(path) for path in MODULES} - {"__init__", "__main__", "training"} == set(RANKS)


def test_a_breach_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "features.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from tempocli.errors import AudioError\n"
        "if TYPE_CHECKING:\n    from tempocli.cli import cli\n"
        "def f():\n    from tempocli import batch\n    import torch.nn\n"
    )
    assert sorted(complaints(tmp_path / "features.py")) == [
        "features imports batch",
        "features imports torch, which belongs in training",
    ]


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if layer_of(path) == "training" and room_of(path) != "__init__"],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_imports_within_training_go_one_way(path: Path) -> None:
    assert training_complaints(path) == []


def test_every_room_of_training_has_a_rank() -> None:
    rooms = {room_of(path) for path in MODULES if layer_of(path) == "training"}
    assert rooms - {"__init__"} == set(TRAINING_RANKS)


def test_a_breach_within_training_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "tempocli"
    (package / "training" / "data").mkdir(parents=True)
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", package)
    (package / "training" / "recipe.py").write_text(
        "def f():\n    from tempocli.training.data import store\n"
    )
    (package / "training" / "data" / "views.py").write_text(
        "from tempocli.training.data.store import Store\n"
    )
    assert training_complaints(package / "training" / "recipe.py") == ["recipe imports data"]
    assert training_complaints(package / "training" / "data" / "views.py") == []


@pytest.mark.slow
def test_there_is_one_door_to_onnxruntime() -> None:
    """Its telemetry is off for all who come by it; the test of that has controls, which do not."""
    folders = [PACKAGE, *(ROOT / name for name in ("tests", "benchmarks", "docs"))]
    files = [(folder.parent, path) for folder in folders for path in folder.rglob("*.py")]
    found = {path.relative_to(root).as_posix() for root, path in files if imports_onnxruntime(path)}
    assert found == {"tempocli/inference/session/runtime.py", "tests/test_privacy.py"}


@pytest.mark.slow
@pytest.mark.parametrize("module", ["estimator", "batch", "output.formats", "evaluation.metrics"])
def test_the_core_brings_no_torch_and_no_command_line(module: str) -> None:
    loaded = loaded_by(f"import tempocli.{module}")
    assert "tempocli" in loaded
    assert not loaded & {"torch", "click", "rich", "matplotlib", "pandas"}


@pytest.mark.slow
@pytest.mark.parametrize("args", [["--help"], ["estimate", "--help"], ["models", "--help"], ["--version"]])
def test_help_is_light(args: list[str]) -> None:
    loaded = run_command(*args)
    assert "click" in loaded
    assert not loaded & {"numpy", "onnxruntime", "soundfile", "soxr", "rich", "torch"}


@pytest.mark.slow
def test_one_file_in_a_pipe_loads_no_more_than_it_needs(model_path: Path) -> None:
    sample = model_path.parents[1] / "docs" / "sample.ogg"
    if not sample.is_file():
        pytest.skip("needs docs/sample.ogg, which is not here")
    loaded = run_command("estimate", str(sample))
    assert {"numpy", "onnxruntime", "soundfile", "soxr"} <= loaded
    assert not loaded & {
        "rich",
        "torch",
        "matplotlib",
        "concurrent",
        "csv",
        "av",
        "scipy",
        "tomllib",
        "platformdirs",
    }


@pytest.mark.slow
@pytest.mark.parametrize(("given", "used"), [(None, "1"), ("3", "3")])
def test_the_command_starts_no_threads_of_blas(given: str | None, used: str) -> None:
    code = (
        "import os, sys\nos._exit = lambda code: print(os.environ['OPENBLAS_NUM_THREADS'], file=sys.stderr)\n"
        "sys.argv = ['tempo', '--version']\nfrom tempocli.cli import main\nmain()"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    environment |= {} if given is None else {"OPENBLAS_NUM_THREADS": given}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stderr.split() == [used]
