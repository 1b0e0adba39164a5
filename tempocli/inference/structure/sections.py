"""The section encoder: its description, and its embeddings of bars."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.errors import ModelError
from tempocli.features.cells import centred_cells
from tempocli.features.front_end import FrontEnd
from tempocli.features.ranges import brief, whole, word
from tempocli.inference.registry import list_models, resolve, ships
from tempocli.inference.session.runtime import open_session
from tempocli.inference.spec import MAX_EMBEDDING, checksum_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = "sections-1"
METHOD = "segment"
_SHOWN_CHECKSUM = 16  # of the 64 digits
_BATCH = 256  # cells per call of the network


@dataclass(frozen=True, kw_only=True)
class SectionSpec:
    """Description of a section encoder; picklable.

    Attributes
    ----------
    name, version, checksum : str
        Name and version of the model, and SHA-256 of its file.
    front_end : FrontEnd
    n_parts : int
        Equal parts of a cell.
    embedding_dim : int
    """

    name: str
    version: str
    checksum: str
    front_end: FrontEnd
    n_parts: int
    embedding_dim: int

    def record(self) -> dict[str, Any]:
        """Return everything that the vectors depend on, as JSON values for a record of settings."""
        return {
            "kind": "sections",
            "name": self.name,
            "version": self.version,
            "sha256": self.checksum[:_SHOWN_CHECKSUM],
        }


def read_sections(metadata: Mapping[str, str], *, embedding_dim: object, checksum: str) -> SectionSpec:
    """Read the metadata of the ONNX file of a section encoder.

    Parameters
    ----------
    metadata : dict of str to str
    embedding_dim : int
        Width of the output, which is checked.
    checksum : str
        SHA-256 of the file.

    Raises
    ------
    KeyError, TypeError, ValueError, RecursionError
        If the metadata are invalid.
    """
    if metadata["version"] != FORMAT:
        raise ValueError(f"version {metadata['version']}")
    return SectionSpec(
        name=word(metadata["name"], "name"),
        version=word(metadata.get("model_version", checksum[:12]), "model_version"),
        checksum=checksum,
        front_end=FrontEnd.from_json(metadata["front_end"]),
        n_parts=whole(json.loads(metadata["n_parts"]), "n_parts", 1, 64),
        embedding_dim=whole(embedding_dim, "embedding_dim", 1, MAX_EMBEDDING),
    )


class SectionEncoder:
    """A section encoder (McCallum 2019): bars that are near in time have vectors that are alike.

    Parameters
    ----------
    model : str, Path or None
        Name of a bundled model, or path of an ONNX file made by ``tempo train export``; by default, the
        bundled model.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"``: CUDA if it works, otherwise the CPU.

    Attributes
    ----------
    spec : SectionSpec
    device : str
        The device in use: ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ModelError
        If the model is unknown, damaged, or no section encoder.
    DeviceError
        If ``"cuda"`` is requested and does not work.
    """

    def __init__(self, model: str | Path | None = None, *, device: str = "auto") -> None:
        path = resolve(_default() if model is None else model, METHOD)
        self._session = open_session(path, device, 1, trusted=ships(path))
        self.device = self._session.device
        try:
            self.spec = read_sections(
                self._session.metadata,
                embedding_dim=self._session.width("embedding"),
                checksum=checksum_of(path),
            )
        except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
            raise ModelError(f"{path}: not a section encoder (metadata: {brief(error)})") from error

    def encode(self, log_mel: NDArray[np.floating], edges: NDArray[np.float64]) -> NDArray[np.float32]:
        """Embed the cells of a track.

        Parameters
        ----------
        log_mel : ndarray, shape=(n_frames, n_mels)
            Log-mel frames of the front end, or means of a few consecutive ones.
        edges : ndarray of float64, shape=(n_cells + 1,)
            Edges of the cells, in frames, in order.

        Returns
        -------
        ndarray of float32, shape=(n_cells, embedding_dim)
            Of unit length.

        Raises
        ------
        ModelError
            If the output of the model is invalid, or the model takes too long.
        """
        cells = centred_cells(log_mel, edges, self.spec.n_parts)
        vectors = [np.zeros((0, self.spec.embedding_dim), np.float32)]
        for start in range(0, len(cells), _BATCH):
            some = np.ascontiguousarray(cells[start : start + _BATCH])
            vectors += self._session.run({"embedding": (len(some), self.spec.embedding_dim)}, {"cells": some})
        return np.concatenate(vectors)


def _default() -> str:
    """Return the name of the bundled section encoder."""
    for entry in list_models():
        if entry.method == METHOD:
            return entry.name
    raise ModelError("no section encoder ships with this version of tempo")
