"""The calibration of the methods that have no model file of their own, in one JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from tempocli.errors import DataError
from tempocli.methods import encode_by_all, open_models
from tempocli.training.calibrate import calibrate, track_by
from tempocli.writers.files import atomic_file

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli.training.sampling import Sampler

METHODS = ("both", "periodicity")


def write_calibrations(sampler: Sampler, path: Path) -> None:
    """Fit the calibration of each method, with the models that ship, and write all into one file.

    Parameters
    ----------
    sampler : Sampler
        Of clips of known tempo.
    path : Path
        Written whole or not at all.

    Raises
    ------
    DataError
        If the clips were made with another front end than the models.
    """
    fitted = {}
    for method in METHODS:
        models = open_models(method, None, device="cpu", references=None)
        leading = next(iter(models.values()))
        if leading.front_end != sampler.front_end:
            raise DataError(f"the clips were made with another front end than {leading.name}")
        track = track_by(dict(models), encode_by_all(models))
        fitted[method] = asdict(calibrate(track, leading.bpms, sampler))
    with atomic_file(str(path)) as file:
        file.write((json.dumps(fitted, indent=2) + "\n").encode())
