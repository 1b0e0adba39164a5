"""Calibrating exported models anew, and the methods that have no model file."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from tempocli.bank import bank_key, load_bank, references_path, write_bank
from tempocli.comparator import Comparator
from tempocli.encoder import Encoder
from tempocli.errors import DataError, MissingExtraError, ModelError
from tempocli.methods import ReferenceModel, open_model
from tempocli.training.calibrate import calibrate, track_by
from tempocli.training.export import proven, save
from tempocli.writers.files import atomic_file

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli.inference.calibration import Calibration
    from tempocli.methods import WindowModel
    from tempocli.training.calibrate import KnownMusic

WITHOUT_FILE = ("both", "periodicity")  # methods whose calibration is in no model


def write_calibrations(music: KnownMusic, path: Path) -> None:
    """Fit the calibration of each method without a file, with the models that ship, and write all into one.

    Parameters
    ----------
    music : KnownMusic
        Clips of known tempo.
    path : Path
        JSON file, written whole or not at all.

    Raises
    ------
    DataError
        If the clips were made with another front end than the models.
    """
    fitted = {}
    for method in WITHOUT_FILE:
        fitted[method] = asdict(_fit(open_model(method, device="cpu"), music))
    with atomic_file(str(path)) as file:
        file.write((json.dumps(fitted, indent=2) + "\n").encode())


def recalibrate(path: Path, music: KnownMusic) -> None:
    """Fit the calibration of an exported model anew, and write it into the file's metadata.

    The weights stay. So do a comparator's references, which are kept under the file's checksum.

    Parameters
    ----------
    path : Path
        An ONNX file made by ``tempo train export``.
    music : KnownMusic
        Clips of known tempo.

    Raises
    ------
    ModelError
        If the file is neither.
    DataError
        If the clips were made with another front end than the model.
    MissingExtraError
        If the extra ``train`` is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("calibrating a model", "train") from error
    try:
        model: WindowModel = Encoder(path, device="cpu")
        bank = None
    except ModelError:
        comparator = Comparator(path, device="cpu")
        bank = load_bank(comparator)
        model = ReferenceModel(comparator, bank)
    calibration = _fit(model, music)
    graph = onnx.load(str(path))
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    with proven(path) as written:
        save(graph, written, metadata | {"calibration": calibration.to_json()})
    if bank is not None:
        write_bank(references_path(path), bank_key(Comparator(path, device="cpu")), bank.embeddings)


def _fit(model: WindowModel, music: KnownMusic) -> Calibration:
    if model.spec.front_end != music.front_end:
        raise DataError(f"the clips were made with another front end than {model.spec.name}")
    return calibrate(track_by(model.spec, model.encode), model.spec.axis, music)
