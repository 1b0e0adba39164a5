"""The embedding of a track: a vector in named parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class TrackEmbedding:
    """Vectors of a track and of its windows, in named parts.

    Each part of a vector has unit length, or is all zeros where nothing was heard.

    Attributes
    ----------
    parts : dict of str to ndarray of float32, shape=(dim,)
        Vector of the whole track: ``timbre`` (what it sounds like, at any tempo), ``rhythm`` (the modulation
        spectrum of its onsets on a log-tempo axis), ``chroma`` (square roots of the strengths of the pitch
        classes from C, less their mean), ``spectrum`` (statistics of the mel bands).
    windows : dict of str to ndarray of float32, shape=(n_windows, dim)
        The same of windows of about 12 s, every 4 s. Silent windows are left out. Empty
        if the embedder keeps none.
    times : ndarray of float64, shape=(n_windows,)
        Centres of the windows, in seconds from the start of the file.
    duration : float
        Length of the audio that was heard, in seconds.
    model, model_version : str
    tuning : float
        Deviation from A4 = 440 Hz, in semitones.
    reason : str or None
        Why nothing was heard: ``"silence"`` or ``"too short"``; otherwise ``None``.
    sections : dict of str to ndarray of float32, shape=(n_sections, dim)
        The same of sections of the track, if they were asked for; otherwise empty.
    """

    parts: Mapping[str, NDArray[np.float32]]
    windows: Mapping[str, NDArray[np.float32]]
    times: NDArray[np.float64]
    duration: float
    model: str
    model_version: str
    tuning: float = 0.0
    reason: str | None = None
    sections: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def vector(self) -> NDArray[np.float32]:
        """All parts of the track in order, shape=(sum of dims,)."""
        return np.concatenate(list(self.parts.values()))


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale vectors, shape=(..., dim), to unit length; vectors of zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 1e-12, lengths, 1.0), np.float32)
