"""Hearing a piece of audio once: what the models say of its windows, and its onset strength."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.decoder import softmax
from tempocli.features import onset_strength
from tempocli.windows import WindowCutter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from tempocli.encoder import Encode
    from tempocli.methods import ModelFacts

_SILENCE = 0.03  # log-mel of a band at -90 dB of full scale
MIN_SECONDS = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What was heard.

    Attributes
    ----------
    tempograms : dict of str to ndarray of float32, shape=(n_windows, n_bins)
        The windows' tempo distributions, by method. Silent windows are left out.
    embeddings : ndarray of float32, shape=(n_windows, embedding_dim)
        Of the leading model.
    times : ndarray of float64, shape=(n_windows,)
        Centres of the windows, in seconds.
    onset : ndarray of float32, shape=(n_frames,)
        Onset strength of the whole.
    duration : float
        In seconds.
    """

    tempograms: dict[str, NDArray[np.float32]]
    embeddings: NDArray[np.float32]
    times: NDArray[np.float64]
    onset: NDArray[np.float32]
    duration: float

    @property
    def reason(self) -> str | None:
        """Why nothing can be said of it, or ``None``."""
        if self.duration < MIN_SECONDS:
            return "too short"
        return None if len(self.times) else "silence"


def hear(models: Mapping[str, ModelFacts], encode: Encode, chunks: Iterable[NDArray[np.float32]]) -> Heard:
    """Run models over log-mel frames, without keeping the frames.

    Parameters
    ----------
    models : dict of str to ModelFacts
        By method; with the same front end, windows and tempo axis.
    encode : callable
        Runs all of them, see `tempocli.methods.encode_by_all`.
    chunks : iterable of ndarray of float32, shape=(n_frames, n_mels)
        Consecutive frames, of the models' own front end.

    Returns
    -------
    Heard
    """
    leading = next(iter(models.values()))
    front_end = leading.front_end
    cutter = WindowCutter(leading.n_frames, front_end.n_mels)
    windows = _Windows(models, encode)
    onsets: list[NDArray[np.float32]] = []
    previous = np.zeros((0, front_end.n_mels), np.float32)
    for log_mel in chunks:
        joined = np.concatenate([previous, log_mel])
        onsets.append(onset_strength(joined)[len(previous) :])
        previous = joined[-1:]
        cutter.push(log_mel)
        windows.add(cutter.ready())
    windows.add(cutter.rest())
    onset = np.concatenate(onsets) if onsets else np.zeros(0, np.float32)
    return windows.heard(onset, front_end.frame_rate)


class _Windows:
    """Collects what the models say of the windows that are not silent."""

    def __init__(self, models: Mapping[str, ModelFacts], encode: Encode) -> None:
        self._methods = list(models)
        self._encode = encode
        leading = next(iter(models.values()))
        self._logits = [np.zeros((0, len(models) * len(leading.bpms)), np.float32)]
        self._embeddings = [np.zeros((0, leading.embedding_dim), np.float32)]
        self._times: list[float] = []

    def add(self, cut: Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]]) -> None:
        """Run the models on batches of windows."""
        for windows, centres in cut:
            sounding = windows.max(axis=(1, 2)) > _SILENCE
            if not sounding.any():
                continue
            self._times.extend(centres[sounding])
            logits, embedding = self._encode(windows[sounding])
            self._logits.append(logits)
            self._embeddings.append(embedding)

    def heard(self, onset: NDArray[np.float32], frame_rate: float) -> Heard:
        """Put all of it together."""
        parts = np.split(np.concatenate(self._logits), len(self._methods), axis=1)
        tempograms = {method: softmax(logits) for method, logits in zip(self._methods, parts, strict=True)}
        times = np.array(self._times) / frame_rate
        return Heard(tempograms, np.concatenate(self._embeddings), times, onset, len(onset) / frame_rate)
