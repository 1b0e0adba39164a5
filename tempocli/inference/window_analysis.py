"""Analyse audio in one pass: compute the models' results for its windows, and its onset strength."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.features.front_end import onset_strength
from tempocli.features.periodicity import rises
from tempocli.features.windows import WindowCutter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from tempocli.inference.classifier import Encode
    from tempocli.inference.spec import ModelSpec

SILENCE = 0.03  # log-mel of a band at -90 dB of full scale
MIN_SECONDS = 0.9  # a bar of four beats at 260 BPM
EDGE_FRAMES = 8  # frames of the start and the end, used to recognise a loop


@dataclass(frozen=True, slots=True, eq=False)
class WindowAnalysis:
    """Result of the analysis of a piece of audio.

    Attributes
    ----------
    tempograms : dict of str to ndarray of float32, shape=(n_windows, n_bins)
        Tempo distributions of the windows, by method. Silent windows are left out.
    embeddings : ndarray of float32, shape=(n_windows, embedding_dim)
        Embeddings by the leading model.
    times : ndarray of float64, shape=(n_windows,)
        Centres of the windows, in seconds.
    onset : ndarray of float32, shape=(n_frames,)
        Onset strength of the whole audio, from `tempocli.features.front_end.onset_strength`.
    curve : ndarray of float32, shape=(n_frames,)
        Onset curve of the whole audio, from `tempocli.features.periodicity.rises`.
    head, tail : ndarray of float32, shape=(n_frames, n_mels)
        The first and the last eight log-mel frames. For audio not longer than a window, both contain all
        frames.
    duration : float
        In seconds.
    is_exact : bool
        Whether `duration` is accurate to one sample rather than one frame.
    """

    tempograms: dict[str, NDArray[np.float32]]
    embeddings: NDArray[np.float32]
    times: NDArray[np.float64]
    onset: NDArray[np.float32]
    curve: NDArray[np.float32]
    head: NDArray[np.float32]
    tail: NDArray[np.float32]
    duration: float
    is_exact: bool = False

    @property
    def reason(self) -> str | None:
        """Why the audio has no tempo, or ``None``."""
        if self.duration < MIN_SECONDS:
            return "too short"
        return None if len(self.times) else "silence"


def analyse_windows(spec: ModelSpec, encode: Encode, chunks: Iterable[NDArray[np.float32]]) -> WindowAnalysis:
    """Run a model on log-mel frames, without keeping the frames.

    Parameters
    ----------
    spec : ModelSpec
        Description of the model, which may be an ensemble.
    encode : callable
        Runs the model, see `tempocli.inference.methods.WindowModel.encode`.
    chunks : iterable of ndarray of float32, shape=(n_frames, n_mels)
        Consecutive frames, computed by the model's own front end.

    Returns
    -------
    WindowAnalysis
    """
    front_end = spec.front_end
    cutter = WindowCutter(spec.n_frames, front_end.n_mels)
    windows = _Windows(spec, encode)
    edges = _Edges(spec.n_frames, front_end.n_mels)
    onsets = [np.zeros(0, np.float32)]
    curves = [np.zeros(0, np.float32)]
    previous = np.zeros((0, front_end.n_mels), np.float32)
    for log_mel in chunks:
        joined = np.concatenate([previous, log_mel])
        onsets.append(onset_strength(joined)[len(previous) :])
        curves.append(rises(joined, front_end)[len(previous) :])
        previous = joined[-2:]
        edges.push(log_mel)
        cutter.push(log_mel)
        windows.add(cutter.ready())
    windows.add(cutter.rest())
    onset, curve = np.concatenate(onsets), np.concatenate(curves)
    tempograms, embeddings, times = windows.heard(front_end.frame_rate)
    duration = len(onset) / front_end.frame_rate
    return WindowAnalysis(tempograms, embeddings, times, onset, curve, edges.head, edges.tail, duration)


class _Edges:
    """Keep the first and the last frames; keep all frames if there is no more than a window of them."""

    def __init__(self, n_frames: int, n_mels: int) -> None:
        self._n_frames = n_frames
        self.head = self.tail = np.zeros((0, n_mels), np.float32)
        self._n_seen = 0

    def push(self, log_mel: NDArray[np.float32]) -> None:
        """Add the next frames, shape=(n_frames, n_mels)."""
        self._n_seen += len(log_mel)
        keep = self._n_frames if self._n_seen <= self._n_frames else EDGE_FRAMES
        if len(self.head) < keep:
            self.head = np.concatenate([self.head, log_mel])
        self.head = self.head[:keep]
        self.tail = np.concatenate([self.tail[-keep:], log_mel])[-keep:]


class _Windows:
    """Collect the results of the models for the windows that are not silent."""

    def __init__(self, spec: ModelSpec, encode: Encode) -> None:
        self._spec = spec
        self._encode = encode
        self._logits = [np.zeros((0, len(spec.parts) * spec.axis.n_bins), np.float32)]
        self._embeddings = [np.zeros((0, spec.embedding_dim), np.float32)]
        self._times: list[float] = []

    def add(self, cut: Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]]) -> None:
        """Run the models on batches of windows."""
        for windows, centres in cut:
            sounding = windows.max(axis=(1, 2)) > SILENCE
            if not sounding.any():
                continue
            self._times.extend(centres[sounding])
            logits, embedding = self._encode(windows[sounding])
            self._logits.append(logits)
            self._embeddings.append(embedding)

    def heard(
        self, frame_rate: float
    ) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32], NDArray[np.float64]]:
        """Concatenate tempograms, embeddings and times."""
        tempograms = split_methods(self._spec, np.concatenate(self._logits))
        return tempograms, np.concatenate(self._embeddings), np.array(self._times) / frame_rate


def split_methods(spec: ModelSpec, logits: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Compute the tempo distributions of each part of a model from the joint logits, by method."""
    parts = np.split(logits, len(spec.parts), axis=1)
    return {each.method: softmax(part) for each, part in zip(spec.parts, parts, strict=True)}


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert logits, shape=(..., n_bins), to distributions."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), np.float32)
