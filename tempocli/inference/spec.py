"""A picklable description of a model, for use in any process without opening a session."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from tempocli.axis import TempoAxis
from tempocli.features.front_end import FrontEnd
from tempocli.features.ranges import number, whole, word
from tempocli.inference.calibration import NEUTRAL, Calibration
from tempocli.inference.priors import OctavePrior, PowerPrior

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tempocli.inference.priors import Prior

    Kind = Literal["classifier", "comparator", "periodicity", "ensemble"]
    Pooling = Literal["certainty", "geometric", "whole", "product"]

# Versions of the metadata format by kind of model; not the versions of the models.
FORMATS: dict[Kind, str] = {"classifier": "2", "comparator": "compare-2"}
METHOD_OF: dict[Kind, str] = {
    "classifier": "classify",
    "comparator": "compare",
    "periodicity": "periodicity",
    "ensemble": "both",
}
MAX_EMBEDDING = 8192
_SHOWN_CHECKSUM = 16  # of the 64 digits


# No slots: the cached property needs an instance dictionary.
@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Description of a model.

    Attributes
    ----------
    kind : str
        ``"classifier"``, ``"comparator"``, ``"periodicity"`` (the baseline) or ``"ensemble"``.
    name : str
        Name of the model; for an ensemble, the names of its members, joined by ``+``.
    version : str
        Version of the model; without a version, the start of its checksum.
    front_end : FrontEnd
        The front end the model was trained with.
    n_frames : int
        Frames per window.
    axis : TempoAxis
        Tempo axis of the scores.
    pooling : str
        How the windows of a track are pooled: ``"certainty"`` (mean, each window weighted by its certainty),
        ``"geometric"`` (geometric mean), ``"whole"`` (no pooling, the track is measured as a whole) or
        ``"product"`` (product of the members' pooled distributions).
    prior : Prior
        Weights of the tempi, which decide the tempo octave; applied to the pooled distribution of a track.
    calibration : Calibration
        Calibration of the distributions.
    embedding_dim : int
        Length of an embedding.
    checksum : str
        SHA-256 of the file, in hexadecimal; empty without a file.
    references : str
        Name of the references of a comparator; otherwise empty.
    members : tuple of ModelSpec
        Members of an ensemble, the leading model first; otherwise empty.
    """

    kind: Kind
    name: str
    version: str
    front_end: FrontEnd
    n_frames: int
    axis: TempoAxis
    pooling: Pooling
    prior: Prior
    embedding_dim: int
    calibration: Calibration = NEUTRAL
    checksum: str = ""
    references: str = ""
    members: tuple[ModelSpec, ...] = ()

    @property
    def method(self) -> str:
        """Method of `tempocli.estimator.Estimator` that uses the model."""
        return METHOD_OF[self.kind]

    @property
    def parts(self) -> tuple[ModelSpec, ...]:
        """The members of an ensemble; for any other model, the model itself."""
        return self.members or (self,)

    @cached_property
    def prior_weights(self) -> NDArray[np.float64]:
        """The prior on the tempo axis, shape=(n_bins,)."""
        return self.prior.of(self.axis.bpms)

    def record(self) -> dict[str, Any]:
        """Return everything that the scores depend on, as JSON values for a record of settings."""
        known = {
            "kind": self.kind,
            "name": self.name,
            "version": self.version,
            "sha256": self.checksum[:_SHOWN_CHECKSUM],
            "references": self.references,
            "members": [member.record() for member in self.members],
        }
        return {key: value for key, value in known.items() if value}


def ensemble(members: tuple[ModelSpec, ...], calibration: Calibration, *, checksum: str) -> ModelSpec:
    """Describe an ensemble of models; all fields but the scores are those of the leading model.

    Parameters
    ----------
    members : tuple of ModelSpec
        Models with the same front end, windows and axis; the leading model first.
    calibration : Calibration
        Calibration of their combined distribution.
    checksum : str
        SHA-256 of the calibration file.

    Raises
    ------
    ValueError
        If the models do not match.
    """
    leading = members[0]
    for member in members[1:]:
        ours, theirs = ((each.front_end, each.n_frames, each.axis) for each in (leading, member))
        if ours != theirs:
            raise ValueError(f"{leading.name} and {member.name} have different front ends or axes")
    return replace(
        leading,
        kind="ensemble",
        name="+".join(member.name for member in members),
        version="+".join(member.version for member in members),
        pooling="product",
        calibration=calibration,
        checksum=checksum,
        members=members,
    )


def read_classifier(metadata: Mapping[str, str], *, embedding_dim: object, checksum: str) -> ModelSpec:
    """Read the metadata of the ONNX file of a classifier.

    Parameters
    ----------
    metadata : dict of str to str
    embedding_dim : int
        Width of the output, which is checked.
    checksum : str
        SHA-256 of the file.

    Raises
    ------
    KeyError, IndexError, TypeError, ValueError, RecursionError
        If the metadata are invalid.
    """
    _check_format(metadata, "classifier")
    values = json.loads(metadata["axis"])
    prior = PowerPrior(number(json.loads(metadata["tilt"]), "tilt", -10.0, 10.0))
    return ModelSpec(
        kind="classifier",
        **_common(metadata, values["n_frames"], checksum),
        axis=_axis(values),
        pooling="certainty",
        prior=prior,
        embedding_dim=whole(embedding_dim, "embedding_dim", 1, MAX_EMBEDDING),
    )


def read_comparator(
    metadata: Mapping[str, str], axis: TempoAxis, *, embedding_dim: object, checksum: str
) -> ModelSpec:
    """Read the metadata of the ONNX file of a comparator.

    Parameters and errors are those of `read_classifier`; the axis is that of the references.
    """
    _check_format(metadata, "comparator")
    prior = OctavePrior(**json.loads(metadata["prior"]))
    prior.check()
    return ModelSpec(
        kind="comparator",
        **_common(metadata, json.loads(metadata["n_frames"]), checksum),
        axis=axis,
        pooling="geometric",
        prior=prior,
        embedding_dim=whole(embedding_dim, "embedding_dim", 1, MAX_EMBEDDING),
    )


def _check_format(metadata: Mapping[str, str], kind: Kind) -> None:
    if metadata["version"] != FORMATS[kind]:
        raise ValueError(f"version {metadata['version']}")


def _common(metadata: Mapping[str, str], n_frames: int, checksum: str) -> dict[str, Any]:
    front_end = FrontEnd.from_json(metadata["front_end"])
    front_end.check_window(n_frames)
    return {
        "name": word(metadata["name"], "name"),
        "version": word(metadata.get("model_version", checksum[:12]), "model_version"),
        "front_end": front_end,
        "n_frames": n_frames,
        "calibration": Calibration.from_json(metadata["calibration"]),
        "checksum": checksum,
    }


def _axis(values: Mapping[str, Any]) -> TempoAxis:
    axis = TempoAxis(
        number(values["min_bpm"], "min_bpm", 10.0, 120.0),
        whole(values["bins_per_octave"], "bins_per_octave", 4, 480),
        whole(values["n_bins"], "n_bins", 2, 2048),
    )
    number(float(axis.bpms[-1]), "highest BPM", 120.0, 1200.0)
    return axis


def checksum_of(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
