"""Chroma: how strong each pitch class is, corrected for the tuning of the recording.

A transposition of the music rotates its chroma.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from tempocli.features.framing import Framer
from tempocli.features.ranges import number, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FINE = 5  # bins per semitone, before the tuning is known
_LOWEST, _HIGHEST = 60.0, 2100.0  # Hz; below, an FFT cannot tell semitones; above are mostly overtones
_A4 = 440.0
_FRAMES_PER_BLOCK = 32
_WIDTH = 0.3  # semitones: standard deviation of the weights that fold fine bins


@dataclass(frozen=True, slots=True)
class ChromaFrontEnd:
    """Settings of the chroma, and its computation.

    Parameters
    ----------
    sample_rate : int
        Sample rate of the input, in Hz.
    n_fft : int
        Length of the Hann window and of the FFT, in samples.
    hop_length : int
        Samples between frames; frame ``k`` is centred on sample ``k * hop_length``.
    """

    sample_rate: int = 22050
    n_fft: int = 8192
    hop_length: int = 4096

    @property
    def frame_rate(self) -> float:
        """Frames per second, in Hz."""
        return self.sample_rate / self.hop_length

    def check(self) -> None:
        """Raise ValueError if the settings of a model do not tell semitones, or are not of music."""
        whole(self.n_fft, "n_fft", 1024, 65_536)
        whole(self.hop_length, "hop_length", 64, self.n_fft)
        number(_HIGHEST, "highest frequency of the chroma", _LOWEST, self.sample_rate / 2)

    def stream(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Compute fine chroma frames of a signal given in blocks.

        Parameters
        ----------
        blocks : iterable of ndarray of float32, shape=(n_samples,)
            Consecutive mono samples at `sample_rate`; blocks may have any length.

        Returns
        -------
        iterator of ndarray of float32, shape=(n_frames, 12 * FINE)
            Consecutive frames: strength at each fifth of a semitone, octaves folded, C first.
        """
        return self.framer().stream(blocks)

    def framer(self) -> Framer:
        """Return what computes the fine chroma of samples that are pushed to it in blocks."""
        return Framer(self.n_fft, self.hop_length, self._frames)

    def _frames(self, samples: NDArray[np.float32], n_frames: int) -> NDArray[np.float32]:
        window, first, last = _constants(self)
        frames = np.lib.stride_tricks.sliding_window_view(samples, self.n_fft)[:: self.hop_length]
        out = np.empty((n_frames, 12 * FINE), np.float32)
        for start in range(0, n_frames, _FRAMES_PER_BLOCK):
            stop = min(start + _FRAMES_PER_BLOCK, n_frames)
            magnitude = np.abs(np.fft.rfft(frames[start:stop] * window)[:, first - 1 : last + 1])
            out[start:stop] = self._fine(magnitude, first)
        return out

    def _fine(self, magnitude: NDArray[np.float32], first: int) -> NDArray[np.float32]:
        """Place the peaks of spectra in fine pitch classes; bin 1 of `magnitude` is FFT bin `first`."""
        below, middle, above = magnitude[:, :-2], magnitude[:, 1:-1], magnitude[:, 2:]
        rows, columns = np.nonzero((middle > below) & (middle >= above))
        low, high, peak = below[rows, columns], above[rows, columns], middle[rows, columns]
        # The maximum of the parabola through a peak and its neighbours, at most half a bin away.
        offset = 0.5 * (low - high) / (low - 2.0 * peak + high)
        hertz = (columns + first + offset) * (self.sample_rate / self.n_fft)
        pitch = 12.0 * np.log2(hertz / _A4) + 9.0  # semitones from C
        places = np.rint(pitch * FINE).astype(np.int64) % (12 * FINE)
        n_frames = len(magnitude)
        # Square roots, so that loud notes do not hide soft ones.
        sums = np.bincount(rows * (12 * FINE) + places, np.sqrt(peak), n_frames * 12 * FINE)
        return np.asarray(sums.reshape(n_frames, 12 * FINE), np.float32)


@lru_cache(maxsize=8)
def _constants(front_end: ChromaFrontEnd) -> tuple[NDArray[np.float32], int, int]:
    """Return the window, and the first and the last FFT bin of the range, plus one."""
    n_fft = front_end.n_fft
    window = 0.5 - 0.5 * np.cos(2.0 * math.pi * np.arange(n_fft) / n_fft)
    per_hertz = n_fft / front_end.sample_rate
    scaled = np.asarray(window * (2.0 / window.sum()), np.float32)
    return scaled, math.ceil(_LOWEST * per_hertz), math.floor(_HIGHEST * per_hertz) + 1


def tuning(fine: NDArray[np.float32]) -> float:
    """Estimate the tuning of a recording.

    Parameters
    ----------
    fine : ndarray of float32, shape=(12 * FINE,)
        Sum of fine chroma frames.

    Returns
    -------
    float
        Deviation from A4 = 440 Hz in semitones, -0.5 to 0.5; 0 for silence.
    """
    places = np.arange(12 * FINE) / FINE
    return float(np.angle(np.sum(fine * np.exp(2j * math.pi * places))) / (2.0 * math.pi))


def fold(fine: NDArray[np.float32], tuned: float) -> NDArray[np.float32]:
    """Fold fine chroma frames into the twelve pitch classes.

    Parameters
    ----------
    fine : ndarray of float32, shape=(..., 12 * FINE)
    tuned : float
        From `tuning`, in semitones.

    Returns
    -------
    ndarray of float32, shape=(..., 12)
        Strength of each pitch class, C first.
    """
    return np.asarray(fine @ _folding(round(tuned, 3)), np.float32)


@lru_cache(maxsize=64)
def _folding(tuned: float) -> NDArray[np.float32]:
    places = np.arange(12 * FINE) / FINE - tuned
    distance = (places[:, None] - np.arange(12) + 6.0) % 12.0 - 6.0
    return np.asarray(np.exp(-0.5 * (distance / _WIDTH) ** 2), np.float32)
