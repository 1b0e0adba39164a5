"""Decode beats, spectra, chroma and embeddings of a track into its sections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.decoding.segments import vectors
from tempocli.decoding.segments.boundaries import (
    boundary_scores,
    find_boundaries,
    length_prior,
    repeat_novelty,
    sound_novelty,
)
from tempocli.decoding.segments.grid import make_grid
from tempocli.decoding.segments.labels import group, letters, section_similarity
from tempocli.decoding.segments.song import Section
from tempocli.features.cells import means

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tempocli.decoding.segments.grid import Grid
    from tempocli.schema import BeatTrack

    EncodeCells = Callable[[NDArray[np.floating], NDArray[np.float64]], NDArray[np.float32]]

SEGMENT_DECODING_VERSION = 1  # raised when sections change with the same models
_DIGITS = 4  # of times, in seconds, as of beats, and of tempi and confidences


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """What a track sounds like, in frames from its start.

    Attributes
    ----------
    log_mel : ndarray, shape=(n_frames, n_mels)
        In any precision.
    chroma : ndarray, shape=(n_chroma_frames, 12)
        Strengths of the pitch classes, corrected for the tuning.
    embedding : ndarray, shape=(n_pieces, dim)
        Vectors of length 1 of the music around equally spaced times, the first one at the start.
    log_mel_rate, chroma_rate, embedding_rate : float
        Frames per second, in Hz.
    """

    log_mel: NDArray[np.floating]
    chroma: NDArray[np.floating]
    embedding: NDArray[np.floating]
    log_mel_rate: float
    chroma_rate: float
    embedding_rate: float


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The sections of a track, and what they were found by.

    Attributes
    ----------
    sections : tuple of Section
    times : ndarray of float64, shape=(n_cells + 1,)
        Edges of the cells of the grid, in seconds.
    vectors : ndarray of float64, shape=(n_cells, dim)
        Their products are the similarities of the cells.
    """

    sections: tuple[Section, ...]
    times: NDArray[np.float64]
    vectors: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sounds:
    """What the cells of a grid sound like: vectors, whose products are similarities.

    Attributes
    ----------
    repeats, changes, labels : ndarray of float64, shape=(n_cells, dim)
        For the novelty of repeats, for the novelty of sound, and to compare sections.
    """

    repeats: NDArray[np.float64]
    changes: NDArray[np.float64]
    labels: NDArray[np.float64]


def describe(grid: Grid, frames: Frames, encode: EncodeCells | None) -> Sounds:
    """Describe the cells of a grid; `encode` is that of `decode_sections`."""
    parts = vectors.parts_of(grid.times)
    spectra = means(frames.log_mel, parts * frames.log_mel_rate)
    pitches = means(frames.chroma, parts * frames.chroma_rate)
    embedding = means(frames.embedding, grid.times * frames.embedding_rate + 0.5)
    timbre = vectors.timbre_vectors(spectra)
    shapes = [vectors.spectral_shape(spectra)]
    if encode is not None:
        shapes.append(encode(frames.log_mel, grid.times * frames.log_mel_rate).astype(np.float64))
    discriminant = vectors.discriminant_vectors(np.concatenate(shapes, axis=1))
    return Sounds(
        repeats=vectors.joined(vectors.chroma_vectors(pitches, centred=False), timbre, discriminant),
        changes=discriminant,
        labels=vectors.joined(
            vectors.chroma_vectors(pitches, centred=True), timbre, vectors.embedding_vectors(embedding)
        ),
    )


def decode_sections(
    track: BeatTrack,
    frames: Frames,
    duration: float,
    encode: EncodeCells | None,
    *,
    n_sections: int | None = None,
    min_bars: int = 1,
) -> Decoded:
    """Find the sections of a track.

    Boundaries are those of bars, or of seconds where there are no beats. They are found by novelty and
    dynamic programming with a prior of lengths, and labels by the similarity of whole sections.

    Parameters
    ----------
    track : BeatTrack
    frames : Frames
    duration : float
        Length of the audio, in seconds, above 0.
    encode : callable or None
        Embeds the cells between edges, in frames, of log-mel frames, as
        `tempocli.inference.structure.sections.SectionEncoder.encode` does. ``None`` leaves this part out.
    n_sections : int, optional
        Number of sections, if it is known; there are fewer if that many do not fit.
    min_bars : int
        Least length of a section, in bars; where no beats are known, in cells of about two seconds.
    """
    grid = make_grid(track, duration)
    sounds = describe(grid, frames, encode)
    scores = boundary_scores(repeat_novelty(sounds.repeats), sound_novelty(sounds.changes))
    prior = length_prior(grid.n_cells, in_bars=grid.in_bars, least=min_bars)
    boundaries, probabilities = find_boundaries(scores, prior, n_sections)
    labels = group(section_similarity(sounds.labels, boundaries))
    sections = _sections(grid, track, boundaries, labels, probabilities)
    return Decoded(sections, grid.times, sounds.labels)


def _sections(
    grid: Grid,
    track: BeatTrack,
    boundaries: list[int],
    labels: list[int],
    probabilities: NDArray[np.float64],
) -> tuple[Section, ...]:
    beats = np.array([beat.time for beat in track.beats])
    sections = []
    for start, end, label in zip(boundaries, boundaries[1:], labels, strict=False):
        first, last = float(grid.times[start]), float(grid.times[end])
        inside = beats[(beats >= first - 1e-3) & (beats <= last + 1e-3)]
        bpm = 60.0 / float(np.diff(inside).mean()) if grid.in_bars and len(inside) > 1 else None
        sections.append(
            Section(
                start=round(first, _DIGITS),
                end=round(last, _DIGITS),
                label=letters(label),
                bars=end - start if grid.in_bars else None,
                bpm=None if bpm is None else round(bpm, _DIGITS),
                confidence=round(float(probabilities[start]), _DIGITS),
            )
        )
    return tuple(sections)
