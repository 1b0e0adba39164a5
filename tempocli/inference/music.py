"""The music encoder: its description, and its embeddings of log-mel pieces."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.errors import ModelError
from tempocli.features.chroma import ChromaFrontEnd
from tempocli.features.front_end import FrontEnd
from tempocli.features.ranges import brief, number, whole, word
from tempocli.features.rhythm import RhythmAxis
from tempocli.inference.registry import list_models, resolve, ships
from tempocli.inference.session.runtime import open_session
from tempocli.inference.spec import MAX_EMBEDDING, checksum_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = "music-1"
METHOD = "embed"
PARTS = ("timbre", "rhythm", "chroma", "spectrum")
_SHOWN_CHECKSUM = 16  # of the 64 digits
_MAX_BASIS = 4_000_000  # the rhythm is a product with as many cosines and sines; ours has 186,000


@dataclass(frozen=True, slots=True)
class PartSpec:
    """A part of the vector of a track: its name and its length."""

    name: str
    dim: int


@dataclass(frozen=True, kw_only=True)
class MusicSpec:
    """Description of a music encoder; picklable.

    Attributes
    ----------
    name, version, checksum : str
        Name and version of the model, and SHA-256 of its file.
    front_end : FrontEnd
        The front end of timbre, rhythm and spectrum.
    n_frames : int
        Frames in a piece, which the network embeds.
    pieces : int
        Pieces in a window; a window begins with each piece.
    rhythm : RhythmAxis
        Axis of the part ``rhythm``.
    chroma : ChromaFrontEnd
        Front end of the part ``chroma``.
    spectrum_mean, spectrum_scale : tuple of float
        Standardisation of the part ``spectrum``.
    embedding_dim : int
        Length of the part ``timbre``.
    """

    name: str
    version: str
    checksum: str
    front_end: FrontEnd
    n_frames: int
    pieces: int
    rhythm: RhythmAxis
    chroma: ChromaFrontEnd
    spectrum_mean: tuple[float, ...]
    spectrum_scale: tuple[float, ...]
    embedding_dim: int

    @property
    def parts(self) -> tuple[PartSpec, ...]:
        """The parts of a vector, in order."""
        dims = (self.embedding_dim, self.rhythm.dim, 12, len(self.spectrum_mean))
        return tuple(PartSpec(name, dim) for name, dim in zip(PARTS, dims, strict=True))

    def record(self) -> dict[str, Any]:
        """Return everything that the vectors depend on, as JSON values for a record of settings."""
        return {
            "kind": "music",
            "name": self.name,
            "version": self.version,
            "sha256": self.checksum[:_SHOWN_CHECKSUM],
        }


def read_music(metadata: Mapping[str, str], *, embedding_dim: object, checksum: str) -> MusicSpec:
    """Read the metadata of the ONNX file of a music encoder.

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
    front_end = FrontEnd.from_json(metadata["front_end"])
    n_frames, pieces = json.loads(metadata["n_frames"]), json.loads(metadata["pieces"])
    front_end.check_window(n_frames)
    pieces = whole(pieces, "pieces", 1, 32)
    front_end.check_window(n_frames * pieces)
    rhythm = RhythmAxis(**json.loads(metadata["rhythm"]))
    rhythm.check(front_end)
    whole(rhythm.dim, "length of rhythm", 1, MAX_EMBEDDING)
    whole(rhythm.n_bins * n_frames * pieces, "bins of rhythm times frames of a window", 1, _MAX_BASIS)
    chroma = ChromaFrontEnd(sample_rate=front_end.sample_rate, **json.loads(metadata["chroma"]))
    chroma.check()
    return MusicSpec(
        name=word(metadata["name"], "name"),
        version=word(metadata.get("model_version", checksum[:12]), "model_version"),
        checksum=checksum,
        front_end=front_end,
        n_frames=n_frames,
        pieces=pieces,
        rhythm=rhythm,
        chroma=chroma,
        spectrum_mean=_numbers(metadata, "spectrum_mean", -1e3, front_end),
        spectrum_scale=_numbers(metadata, "spectrum_scale", 1e-6, front_end),
        embedding_dim=whole(embedding_dim, "embedding_dim", 1, MAX_EMBEDDING),
    )


def _numbers(metadata: Mapping[str, str], key: str, low: float, front_end: FrontEnd) -> tuple[float, ...]:
    values = json.loads(metadata[key])
    if not isinstance(values, list) or len(values) != 3 * front_end.n_mels:
        raise ValueError(f"{key} has not {3 * front_end.n_mels} values")
    return tuple(number(value, key, low, 1e3) for value in values)


class MusicEncoder:
    """A music encoder.

    Parameters
    ----------
    model : str, Path or None
        Name of a bundled model, or path of an ONNX file made by ``tempo train export``; by default, the
        bundled model.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"``: CUDA if it works, otherwise the CPU.

    Attributes
    ----------
    spec : MusicSpec
    device : str
        The device in use: ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ModelError
        If the model is unknown, damaged, or no music encoder.
    DeviceError
        If ``"cuda"`` is requested and does not work.
    """

    def __init__(self, model: str | Path | None = None, *, device: str = "auto") -> None:
        path = resolve(_default() if model is None else model, METHOD)
        self._session = open_session(path, device, 1, trusted=ships(path))
        self.device = self._session.device
        try:
            self.spec = read_music(
                self._session.metadata,
                embedding_dim=self._session.width("embedding"),
                checksum=checksum_of(path),
            )
        except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
            raise ModelError(
                f"{path}: not a model of the music embedding (metadata: {brief(error)})"
            ) from error

    def encode(self, pieces: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed pieces.

        Parameters
        ----------
        pieces : ndarray of float32, shape=(n_pieces, n_frames, n_mels)
            Log-mel frames.

        Returns
        -------
        ndarray of float32, shape=(n_pieces, embedding_dim)
            Not of unit length.

        Raises
        ------
        ModelError
            If the output of the model is invalid, or the model takes too long.
        """
        wanted = {"embedding": (len(pieces), self.spec.embedding_dim)}
        (embedding,) = self._session.run(wanted, {"log_mel": np.ascontiguousarray(pieces)})
        return embedding


def _default() -> str:
    """Return the name of the bundled music encoder."""
    for entry in list_models():
        if entry.method == METHOD:
            return entry.name
    raise ModelError("no music encoder ships with this version of tempo")
