"""The models that ship: name to file, checksum and facts; the same code in a checkout and in a wheel."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tempocli.errors import ModelError

_PACKAGE = Path(__file__).resolve().parents[1]
# A wheel carries the models inside the package; in a checkout they lie beside it.
_FOLDERS = (_PACKAGE / "models", _PACKAGE.parent / "models")


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model that ships.

    Attributes
    ----------
    name : str
        What ``--model`` takes.
    path : Path
        The ONNX file.
    sha256 : str
        Its checksum, in hexadecimal.
    size : int
        Its size, in bytes.
    summary, licence : str
        One line each; the model card beside the file says more.
    version : str
        Raised with every change of the model's answers; the file has it, too.
    method : str
        The method of `tempocli.estimator.Estimator` that the model is for.
    """

    name: str
    path: Path
    sha256: str
    size: int
    summary: str
    licence: str
    version: str
    method: str = "classify"


def models_folder() -> Path:
    """Find the folder of the models that ship.

    Raises
    ------
    ModelError
        If it is not there: the installation is damaged.
    """
    for folder in _FOLDERS:
        if (folder / "registry.json").is_file():
            return folder
    raise ModelError("the models that ship with tempo are missing; install it again")


@cache
def list_models() -> list[ModelEntry]:
    """List the models that ship, the default first.

    Raises
    ------
    ModelError
        If the registry is missing or damaged.
    """
    folder = models_folder()
    try:
        entries = _read_registry(folder)["models"]
        return [ModelEntry(path=folder / entry.pop("file"), **entry) for entry in entries]
    except (KeyError, TypeError) as error:
        raise ModelError(
            f"{folder / 'registry.json'}: the registry of models is damaged ({error})"
        ) from error


def _read_registry(folder: Path) -> Any:
    path = folder / "registry.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: the registry of models is damaged ({error})") from error


def resolve(model: str | Path, method: str | None = None) -> Path:
    """Find the file of a model, and check that one of ours is whole.

    Parameters
    ----------
    model : str or Path
        The name of a model that ships, or the path of an ONNX file.
    method : str, optional
        What a model that ships must be for; what an ONNX file is for shows when it is opened.

    Returns
    -------
    Path

    Raises
    ------
    ModelError
        If there is no such model, or a model that ships is damaged or for another method.
    """
    entries = list_models()
    for entry in entries:
        if entry.name == str(model):
            if method not in {None, entry.method}:
                raise ModelError(f"{model}: a model for the method {entry.method}, not for {method}")
            verify(entry)
            return entry.path
    path = Path(model)
    if path.is_file():
        check_if_ours(path)
        return path
    names = ", ".join(entry.name for entry in entries)
    raise ModelError(
        f"{model}: no such model; the names are {names}, anything else is a path to an ONNX file"
    )


def is_name(model: str) -> bool:
    """Tell whether this is the name of a model that ships; else it is the path of a file."""
    return any(entry.name == model for entry in list_models())


def verify(entry: ModelEntry) -> None:
    """Compare a model's file with its checksum.

    Raises
    ------
    ModelError
        If the file cannot be read or differs.
    """
    _verify(entry.path, entry.sha256)


def ships(path: Path) -> bool:
    """Tell whether a path is that of a model that ships."""
    return path in {entry.path for entry in list_models()}


def check_if_ours(path: Path) -> None:
    """Compare a file that ships with its checksum; another one passes.

    Raises
    ------
    ModelError
        If it ships and is missing or damaged.
    """
    sha256 = _checksums().get(path.absolute())
    if sha256 is not None:
        _verify(path, sha256)


def list_files() -> list[Path]:
    """List the files that ship beside the models."""
    models = {entry.path for entry in list_models()}
    return [path for path in _checksums() if path not in models]


@cache
def _checksums() -> dict[Path, str]:
    """Read the checksums of all files that ship."""
    folder = models_folder()
    checksums = {entry.path: entry.sha256 for entry in list_models()}
    try:
        files = _read_registry(folder)["files"].values()
        return checksums | {folder / str(entry["file"]): str(entry["sha256"]) for entry in files}
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{folder / 'registry.json'}: the registry of models is damaged ({error})"
        ) from error


def resolve_file(name: str) -> Path:
    """Find a file that ships beside the models, and check that it is whole.

    Parameters
    ----------
    name : str
        Its name in the registry, such as ``"calibration"``.

    Returns
    -------
    Path

    Raises
    ------
    ModelError
        If it is missing or damaged.
    """
    folder = models_folder()
    try:
        entry = _read_registry(folder)["files"][name]
        path, sha256 = folder / str(entry["file"]), str(entry["sha256"])
    except (KeyError, TypeError) as error:
        raise ModelError(f"{folder / 'registry.json'}: the registry of models lacks {name}") from error
    _verify(path, sha256)
    return path


def _verify(path: Path, sha256: str) -> None:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    if digest != sha256:
        raise ModelError(f"{path}: damaged, its SHA-256 is not the registry's; install tempo again")
