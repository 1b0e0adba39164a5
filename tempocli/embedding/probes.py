"""Label tracks with a probe: a small classifier on their vectors, made by ``tempo train probe``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.errors import ModelError
from tempocli.features.ranges import brief
from tempocli.inference.session.runtime import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.inference.music import MusicSpec

KIND, FORMAT = "probe", "probe-1"
_MAX_LABELS = 1000


class Probe:
    """A probe.

    Parameters
    ----------
    path : Path
        A file made by ``tempo train probe``.
    spec : MusicSpec
        The model that computes the vectors; the probe must have been made for it.

    Attributes
    ----------
    labels : tuple of str
    single : bool
        Whether a track has one label, so that the probabilities add up to 1.
    parts : tuple of str
        Parts of the vector that are read.
    score : dict
        ``score``, ``interval`` and ``chance`` by cross-validation when it was made.

    Raises
    ------
    ModelError
        If the file is not a probe, or was made for another model.
    """

    def __init__(self, path: Path, spec: MusicSpec) -> None:
        self._session = open_session(path, "cpu", 1)
        try:
            metadata = self._session.metadata
            if metadata["version"] != FORMAT:
                raise ValueError(f"version {metadata['version']}")
            self.labels = tuple(json.loads(metadata["labels"]))
            self.parts = tuple(json.loads(metadata["parts"]))
            self.single = json.loads(metadata["single"]) is True
            self.score: dict[str, Any] = json.loads(metadata["score"])
            embedding = json.loads(metadata["embedding"])
            self._check(spec)
        except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
            raise ModelError(f"{path}: not a probe (metadata: {brief(error)})") from error
        if embedding != spec.record():
            made = (
                f"{embedding.get('name')} {embedding.get('version')}"
                if isinstance(embedding, dict)
                else "another"
            )
            raise ModelError(
                f"{path}: was made for the embedding {made}, not for {spec.name} {spec.version}; "
                "train it again"
            )

    def _check(self, spec: MusicSpec) -> None:
        names = [part.name for part in spec.parts]
        if not self.parts or not set(self.parts) <= set(names):
            raise ValueError("parts that the embedding has not")
        if not 1 <= len(self.labels) <= _MAX_LABELS or not all(
            isinstance(label, str) and label.isprintable() for label in self.labels
        ):
            raise ValueError("labels that are no words")
        if self._session.width("probabilities") != len(self.labels):
            raise ValueError("as many probabilities as labels are needed")

    def probabilities(self, parts: Mapping[str, NDArray[np.float32]]) -> dict[str, float]:
        """Return the probability of each label of a track, most probable first.

        Parameters
        ----------
        parts : dict of str to ndarray of float32, shape=(dim,)
            Parts of its vector, as in `tempocli.embedding.track.TrackEmbedding`.

        Raises
        ------
        ModelError
            If the probe cannot be run.
        """
        vector = np.concatenate([parts[name] for name in self.parts])[None].astype(np.float32)
        (values,) = self._session.run({"probabilities": (1, len(self.labels))}, {"vector": vector})
        order = np.argsort(-values[0], kind="stable")
        return {self.labels[place]: float(values[0, place]) for place in order}
