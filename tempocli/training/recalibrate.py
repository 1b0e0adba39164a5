"""Recalibration of exported models, and calibration of the methods without a model file."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from tempocli.errors import DataError, MissingExtraError, ModelError
from tempocli.inference.classifier import Encoder
from tempocli.inference.comparator import Comparator
from tempocli.inference.methods import ReferenceModel, open_model
from tempocli.inference.references.bank import bank_key, load_bank, references_path, write_bank
from tempocli.system.atomic_files import atomic_file
from tempocli.training.calibrate import calibrate, track_by
from tempocli.training.export import proven, save

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli.inference.calibration import Calibration
    from tempocli.inference.methods import WindowModel
    from tempocli.inference.references.bank import Bank
    from tempocli.training.calibrate import KnownMusic

WITHOUT_FILE = ("both", "periodicity")  # methods whose calibration is not in a model file


def write_calibrations(music: KnownMusic, path: Path) -> None:
    """Fit the calibrations of the methods without a model file, with the shipped models; write them to JSON.

    Parameters
    ----------
    music : KnownMusic
        Clips of known tempo.
    path : Path
        JSON file, written atomically.

    Raises
    ------
    DataError
        If the clips have another front end than the models.
    """
    fitted = {}
    for method in WITHOUT_FILE:
        fitted[method] = asdict(_fit(open_model(method, device="cpu"), music))
    with atomic_file(str(path)) as file:
        file.write((json.dumps(fitted, indent=2) + "\n").encode())


def recalibrate(path: Path, music: KnownMusic, *, version: str | None = None) -> None:
    """Recalibrate an exported model and write the calibration into the file's metadata.

    The weights do not change, nor do a comparator's reference embeddings; their file is rewritten with the
    new checksum of the model.

    Parameters
    ----------
    path : Path
        An ONNX file made by ``tempo train export``.
    music : KnownMusic
        Clips of known tempo.
    version : str, optional
        New version of the model; unchanged by default.

    Raises
    ------
    ModelError
        If the file is neither a tempo encoder nor a comparator.
    DataError
        If the clips have another front end than the model.
    MissingExtraError
        If the extra ``train`` is not installed.
    """
    _need_onnx()
    changes = {} if version is None else {"model_version": version}
    model, bank = _open(path)
    _rewrite(path, changes | {"calibration": _fit(model, music).to_json()}, bank)


def set_version(path: Path, version: str) -> None:
    """Set the version of an exported model in the file's metadata; nothing else changes.

    Parameters
    ----------
    path : Path
        An ONNX file made by ``tempo train export``.
    version : str

    Raises
    ------
    ModelError
        If the file is not such a model.
    MissingExtraError
        If the extra ``train`` is not installed.
    """
    _need_onnx()
    _, bank = _open(path)
    _rewrite(path, {"model_version": version}, bank)


def _need_onnx() -> None:
    try:
        import onnx  # noqa: F401  only asks whether it is there
    except ImportError as error:
        raise MissingExtraError("changing a model's metadata", "train") from error


def _open(path: Path) -> tuple[WindowModel, Bank | None]:
    """Open an exported model and, for a comparator, its references."""
    try:
        return Encoder(path, device="cpu"), None
    except ModelError:
        comparator = Comparator(path, device="cpu")
    bank = load_bank(comparator)
    return ReferenceModel(comparator, bank), bank


def _rewrite(path: Path, changes: dict[str, str], bank: Bank | None) -> None:
    import onnx

    graph = onnx.load(str(path))
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    with proven(path) as written:
        save(graph, written, metadata | changes)
    if bank is not None:
        write_bank(references_path(path), bank_key(Comparator(path, device="cpu")), bank.embeddings)


def _fit(model: WindowModel, music: KnownMusic) -> Calibration:
    if model.spec.front_end != music.front_end:
        raise DataError(f"the clips were made with another front end than {model.spec.name}")
    return calibrate(track_by(model.spec, model.encode), model.spec.axis, music)
