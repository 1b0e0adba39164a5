"""The front end: compute log-mel frames and onset strength from mono samples, in numpy float32.

Training and inference use the same code. A model file contains the settings it was trained with.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from tempocli.features.framing import Framer, n_frames
from tempocli.features.ranges import number, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

# 64 windows of 1,024 samples are 256 kB. They stay in the cache between window, FFT and mel product, and
# the allocator reuses the memory. This is several times faster than one large call.
_FRAMES_PER_BLOCK = 64
# Products of more rows make OpenBLAS start threads that cost more than the product.
_ROWS_PER_PRODUCT = 8


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """Settings of the log-mel spectrogram, and its computation.

    Parameters
    ----------
    sample_rate : int
        Sample rate of the input, in Hz.
    n_fft : int
        Length of the Hann window and of the FFT, in samples.
    hop_length : int
        Samples between frames; frame ``k`` is centred on sample ``k * hop_length``.
    n_mels : int
        Number of mel bands.
    f_min, f_max : float
        Lower edge of the first band and upper edge of the last, in Hz.
    log_gain : float
        Values are ``log(1 + log_gain * magnitude)``.
    """

    sample_rate: int = 22050
    n_fft: int = 1024
    hop_length: int = 256
    n_mels: int = 40
    f_min: float = 30.0
    f_max: float = 10000.0
    log_gain: float = 1000.0

    @property
    def frame_rate(self) -> float:
        """Frames per second, in Hz."""
        return self.sample_rate / self.hop_length

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames of a signal; the last one is centred at or before the last sample."""
        return n_frames(n_samples, self.hop_length)

    def log_mel(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the log-mel spectrogram of a whole signal.

        Parameters
        ----------
        samples : ndarray of float32, shape=(n_samples,)
            Mono samples at `sample_rate`, full scale 1.

        Returns
        -------
        ndarray of float32, shape=(n_frames, n_mels)
        """
        chunks = list(self.stream([samples]))
        return np.concatenate(chunks) if chunks else np.zeros((0, self.n_mels), np.float32)

    def stream(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Compute the log-mel spectrogram of a signal given in blocks.

        Parameters
        ----------
        blocks : iterable of ndarray of float32, shape=(n_samples,)
            Consecutive mono samples at `sample_rate`; blocks may have any length.

        Returns
        -------
        iterator of ndarray of float32, shape=(n_frames, n_mels)
            Consecutive frames; joined, they equal `log_mel` of the joined blocks.
        """
        return self.framer().stream(blocks)

    def framer(self) -> Framer:
        """Return what computes the log-mel spectrogram of samples that are pushed to it in blocks."""
        return Framer(self.n_fft, self.hop_length, self._frames, least=_FRAMES_PER_BLOCK)

    def _frames(self, samples: NDArray[np.float32], n_frames: int) -> NDArray[np.float32]:
        window, mel, n_bins = _constants(self)
        windows = np.lib.stride_tricks.sliding_window_view(samples, self.n_fft)[:: self.hop_length]
        out = np.empty((n_frames, self.n_mels), np.float32)
        for start in range(0, n_frames, _FRAMES_PER_BLOCK):
            stop = min(start + _FRAMES_PER_BLOCK, n_frames)
            spectrum = np.fft.rfft(windows[start:stop] * window)[:, :n_bins]
            power = np.square(spectrum.real)
            power += np.square(spectrum.imag)
            _product(np.sqrt(power, out=power), mel, out[start:stop])
        out *= np.float32(self.log_gain)
        return np.log1p(out, out=out)

    def to_json(self) -> str:
        """Return the settings as JSON, for the metadata of a model."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> FrontEnd:
        """Read the settings that `to_json` wrote.

        Raises
        ------
        ValueError, TypeError
            If `text` is not JSON, has other names than the settings, or invalid values.
        """
        front_end = cls(**json.loads(text))
        whole(front_end.sample_rate, "sample_rate", 4_000, 192_000)
        whole(front_end.n_fft, "n_fft", 16, 65_536)
        whole(front_end.hop_length, "hop_length", 1, front_end.n_fft)
        whole(front_end.n_mels, "n_mels", 1, 1_024)
        number(front_end.frame_rate, "frame rate", 10.0, 1_000.0)
        number(front_end.f_min, "f_min", 0.0, front_end.sample_rate / 2)
        number(front_end.f_max, "f_max", front_end.f_min + 1.0, front_end.sample_rate / 2)
        number(front_end.log_gain, "log_gain", 1e-6, 1e9)
        return front_end

    def check_window(self, n_frames: int) -> None:
        """Raise ValueError if the window length of a model, in frames, is too short or too long."""
        whole(n_frames, "n_frames", 4, 1_000_000 // self.n_mels)
        number(n_frames / self.frame_rate, "seconds of a window", 0.5, 120.0)


def _product(rows: NDArray[np.float32], matrix: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    whole = len(rows) - len(rows) % _ROWS_PER_PRODUCT
    stacked = rows[:whole].reshape(-1, _ROWS_PER_PRODUCT, rows.shape[1])
    np.matmul(stacked, matrix, out=out[:whole].reshape(-1, _ROWS_PER_PRODUCT, out.shape[1]))
    np.matmul(rows[whole:], matrix, out=out[whole:])


@lru_cache(maxsize=8)
def _constants(front_end: FrontEnd) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    n = np.arange(front_end.n_fft)
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * n / front_end.n_fft)
    mel = mel_filters(front_end)
    # The filters are zero in the bins above the last band.
    n_bins = int(np.flatnonzero(mel.any(axis=1))[-1]) + 1
    scale = 2.0 / window.sum()  # a full-scale sine has magnitude 1
    return window.astype(np.float32), (scale * mel[:n_bins]).astype(np.float32), n_bins


def mel_filters(front_end: FrontEnd) -> NDArray[np.float64]:
    """Build triangular mel filters (HTK scale), each with unit sum over its bins.

    Returns
    -------
    ndarray of float64, shape=(n_fft // 2 + 1, n_mels)
    """
    edges = _mel_edges(front_end)
    freqs = np.arange(front_end.n_fft // 2 + 1) * front_end.sample_rate / front_end.n_fft
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (freqs[:, None] - lower) / (centre - lower)
    falling = (upper - freqs[:, None]) / (upper - centre)
    filters = np.maximum(0.0, np.minimum(rising, falling))
    # The lowest bands can be narrower than a bin; such a band takes the bin nearest to its centre.
    for band in np.flatnonzero(filters.sum(axis=0) == 0.0):
        filters[np.argmin(np.abs(freqs - centre[band])), band] = 1.0
    normalised: NDArray[np.float64] = filters / filters.sum(axis=0)
    return normalised


def mel_centres(front_end: FrontEnd) -> NDArray[np.float64]:
    """Compute the centres of the mel bands in Hz, shape=(n_mels,)."""
    return _mel_edges(front_end)[1:-1]


def _mel_edges(front_end: FrontEnd) -> NDArray[np.float64]:
    edges_mel = np.linspace(_to_mel(front_end.f_min), _to_mel(front_end.f_max), front_end.n_mels + 2)
    return np.asarray(700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0))


def _to_mel(frequency: float) -> float:
    return float(2595.0 * np.log10(1.0 + frequency / 700.0))


def onset_strength(log_mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the onset strength: the half-wave rectified rise, averaged over all bands (spectral flux).

    Parameters
    ----------
    log_mel : ndarray of float32, shape=(n_frames, n_mels)

    Returns
    -------
    ndarray of float32, shape=(n_frames,)
        Frame ``k`` is the mean rise from frame ``k - 1`` to ``k``; frame 0 is 0.
    """
    onset = np.zeros(len(log_mel), np.float32)
    if len(log_mel) > 1:
        np.maximum(np.diff(log_mel, axis=0), 0.0).mean(axis=1, out=onset[1:])
    return onset
