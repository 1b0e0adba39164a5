"""Mono downmix: the mean of the channels, or the strongest channel if they cancel each other out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The energy of the sum of the channels over the sum of their energies: 1 for channels that are unrelated or
# of which all but one are silent, 2 for stereo that is mono, 0 for one channel that is the other inverted.
# Very wide stereo stays near 1. Channels cancel out below the first value, and no longer above the second.
_CANCELS_BELOW = 0.1
_ADDS_UP_ABOVE = 0.3
# Another channel is chosen only if it is stronger by this factor.
_CLEARLY_STRONGER = 4.0
# Half-life of past energy, in seconds.
_HALF_LIFE = 3.0
# Energy is measured on the first 256 of every 2,048 samples; all would cost a tenth of decoding a WAV.
_MEASURED, _OF = 256, 2048


class Downmixer:
    """Mix the channels of a stream of blocks down to one.

    The choice is made for each block from the energy so far, with more weight on recent blocks. Two
    thresholds (hysteresis) keep it stable. Where the choice changes, the signals are cross-faded over the
    block.

    Parameters
    ----------
    channels : int
        Number of channels.
    sample_rate : int
        In Hz.
    """

    def __init__(self, channels: int, sample_rate: int) -> None:
        self._channels = channels
        self._sample_rate = sample_rate
        self._energy = 0.0
        self._energy_of_sum = 0.0
        self._energies: NDArray[np.float64] = np.zeros(channels)
        self._chosen: int | None = None

    def mix(self, block: NDArray[Any], full_scale: float) -> NDArray[np.float32]:
        """Mix a block down to one channel.

        Parameters
        ----------
        block : ndarray, shape=(n_samples, channels)
            Consecutive samples.
        full_scale : float
            Value of `block` that is scaled to 1.

        Returns
        -------
        ndarray of float32, shape=(n_samples,)
            A new array.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            samples = block.astype(np.float32, copy=False)
            mono = self._mean(samples, full_scale)
            if self._channels == 1 or not len(block):
                return mono
            before, silent_so_far = self._chosen, not self._energy
            self._chosen = self._choose(samples, mono, full_scale)
            new = self._signal(self._chosen, samples, mono, full_scale)
            if self._chosen == before or silent_so_far:
                return new
            fade = np.linspace(0.0, 1.0, len(new), dtype=np.float32)
            return new * fade + self._signal(before, samples, mono, full_scale) * (1 - fade)

    def _choose(
        self, samples: NDArray[np.float32], mono: NDArray[np.float32], full_scale: float
    ) -> int | None:
        """Choose the channel for a block; ``None`` is the mean of all channels."""
        heard = _excerpts(samples, self._channels)
        energy = _energy(heard) / full_scale**2
        if not energy:
            return self._chosen
        kept = 0.5 ** (len(mono) / (_HALF_LIFE * self._sample_rate))
        self._energy = kept * self._energy + energy
        energy_of_sum = self._channels**2 * _energy(_excerpts(mono, 1))
        self._energy_of_sum = kept * self._energy_of_sum + energy_of_sum
        self._energies *= kept
        limit = _CANCELS_BELOW if self._chosen is None else _ADDS_UP_ABOVE
        if not self._energy_of_sum < limit * self._energy:  # false for NaN
            return None
        by_channel = heard.reshape(-1, self._channels)
        self._energies += np.square(by_channel).sum(axis=0)
        strongest = int(np.argmax(self._energies))
        if self._chosen is not None and (
            self._energies[strongest] <= _CLEARLY_STRONGER * self._energies[self._chosen]
        ):
            return self._chosen
        return strongest

    def _signal(
        self, chosen: int | None, samples: NDArray[np.float32], mono: NDArray[np.float32], full_scale: float
    ) -> NDArray[np.float32]:
        if chosen is None:
            return mono
        signal: NDArray[np.float32] = samples[:, chosen] * np.float32(1.0 / full_scale)
        return signal

    def _mean(self, samples: NDArray[np.float32], full_scale: float) -> NDArray[np.float32]:
        scale = np.float32(1.0 / (self._channels * full_scale))
        # A numpy reduction over a short last axis is forty times slower; a matrix product starts threads.
        mono: NDArray[np.float32] = samples[:, 0] * scale
        for channel in range(1, self._channels):
            mono += samples[:, channel] * scale
        return mono


def _excerpts(samples: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Return the excerpts of `samples` to measure, as rows; all samples if there are few."""
    n_rows = len(samples) // _OF
    if not n_rows:
        return samples.reshape(1, -1)
    return samples[: n_rows * _OF].reshape(n_rows, -1)[:, : _MEASURED * channels]


def _energy(rows: NDArray[np.float32]) -> float:
    # No dot product here: it may start threads.
    return float(np.einsum("ij,ij->", rows, rows))
