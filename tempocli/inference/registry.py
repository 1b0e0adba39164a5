"""The bundled models: their files, checksums and descriptions, in a checkout and in a wheel."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tempocli.errors import ModelError

_PACKAGE = Path(__file__).resolve().parents[1]
# A wheel contains the models inside the package; in a checkout they are next to it.
_FOLDERS = (_PACKAGE / "models", _PACKAGE.parent / "models")


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A bundled model.

    Attributes
    ----------
    name : str
        Name, as for ``--model``.
    path : Path
        The ONNX file.
    sha256 : str
        SHA-256 of the file, in hexadecimal.
    size : int
        Size of the file, in bytes.
    summary, licence : str
        One line each; for more see the model card beside the file.
    version : str
        Version of the model, increased whenever its results change; also stored in the file.
    method : str
        Method of `tempocli.estimator.Estimator` that uses the model.
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
    """Return the folder of the bundled models.

    Raises
    ------
    ModelError
        If the folder is missing, which means a damaged installation.
    """
    for folder in _FOLDERS:
        if (folder / "registry.json").is_file():
            return folder
    raise ModelError("the models that ship with tempo are missing; install it again")


@cache
def list_models() -> list[ModelEntry]:
    """Return the bundled models, the default first.

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
    """Return the file of a model; verify the checksum of a bundled model.

    Parameters
    ----------
    model : str or Path
        Name of a bundled model, or path of an ONNX file.
    method : str, optional
        Method that a bundled model must belong to. The method of an ONNX file is checked when it is opened.

    Returns
    -------
    Path

    Raises
    ------
    ModelError
        If there is no such model, or a bundled model is damaged or belongs to another method.
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
    """Return whether this is the name of a bundled model; otherwise it is the path of a file."""
    return any(entry.name == model for entry in list_models())


def verify(entry: ModelEntry) -> None:
    """Verify the checksum of a model's file.

    Raises
    ------
    ModelError
        If the file cannot be read or differs.
    """
    _verify(entry.path, entry.sha256)


def ships(path: Path) -> bool:
    """Return whether a path is that of a bundled model."""
    return path in {entry.path for entry in list_models()}


def check_if_ours(path: Path) -> None:
    """Verify the checksum of a bundled file; other files are not checked.

    Raises
    ------
    ModelError
        If a bundled file is missing or damaged.
    """
    sha256 = _checksums().get(path.absolute())
    if sha256 is not None:
        _verify(path, sha256)


def list_files() -> list[Path]:
    """Return the bundled files other than models."""
    models = {entry.path for entry in list_models()}
    return [path for path in _checksums() if path not in models]


@cache
def _checksums() -> dict[Path, str]:
    """Read the checksums of all bundled files."""
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
    """Return a bundled file other than a model, after verifying its checksum.

    Parameters
    ----------
    name : str
        Name in the registry, such as ``"calibration"``.

    Returns
    -------
    Path

    Raises
    ------
    ModelError
        If the file is missing or damaged.
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
