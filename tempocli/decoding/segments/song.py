"""The sections of a song, as data classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tempocli.schema import Estimate


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a song.

    Attributes
    ----------
    start, end : float
        In seconds.
    label : str
        ``"A"``, ``"B"``, ...; sections that sound alike have the same one.
    bars : int or None
        Number of bars; ``None`` where no beats are known.
    bpm : float or None
        Tempo, in beats per minute; ``None`` where no beats are known.
    confidence : float
        Probability of the boundary at its start, by the model that found it; 1 for the first section.
    """

    start: float
    end: float
    label: str
    bars: int | None
    bpm: float | None
    confidence: float


@dataclass(frozen=True, slots=True)
class SongForm:
    """The sections of one piece of audio.

    Attributes
    ----------
    sections : tuple of Section
        In time order, without gaps, from the start to the end of the audio; empty if there are none.
    estimate : Estimate
        The tempo.
    metre : int or None
        Beats a bar; ``None`` where no beats are known.
    reason : str or None
        Why there are no sections: ``"silence"`` or ``"too short"``; otherwise ``None``.
    duration : float
        Length of the audio, in seconds.
    model, model_version : str
        The model of the embedding that the sections are told by.
    times : ndarray of float64, shape=(n_cells + 1,), or None
        Edges of the bars, or of the cells of about two seconds where there are no beats, if they are kept.
    vectors : ndarray of float64, shape=(n_cells, dim), or None
        What the cells sound like, if they are kept: their products are similarities.
    """

    sections: tuple[Section, ...]
    estimate: Estimate
    metre: int | None
    reason: str | None
    duration: float
    model: str
    model_version: str
    times: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)
    vectors: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)
