"""Embed a stream of samples, keeping only the frames of one window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tempocli.embedding.track import TrackEmbedding, unit
from tempocli.features.chroma import FINE, fold, tuning
from tempocli.features.rhythm import rhythm_spectrum
from tempocli.features.spectrum import statistics
from tempocli.inference.window_analysis import SILENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from tempocli.inference.music import MusicSpec

    Floats = NDArray[np.float32]
    Encode = Callable[[Floats], Floats]

_BATCH = 16  # pieces per call of the network
MIN_SECONDS = 0.1  # a drum hit or a short note has a sound, though no tempo


class TrackCollector:
    """Computes the embedding of a track from samples that are pushed to it.

    The network embeds pieces of a few seconds. A window is some consecutive pieces, and one begins with each
    piece; the last piece and the last window end with the last frame.

    Parameters
    ----------
    spec : MusicSpec
    encode : callable
        Embeds pieces, see `tempocli.inference.music.MusicEncoder.encode`.
    """

    def __init__(self, spec: MusicSpec, encode: Encode) -> None:
        self._spec = spec
        self._log_mel = spec.front_end.framer()
        self._timbre = _Timbre(encode, spec.embedding_dim)
        self._chroma = _Chroma(spec)
        self._kept = np.zeros((0, spec.front_end.n_mels), np.float32)
        self._first = 0  # index of the first kept frame
        self._next = 0  # index of the first frame of the next piece
        self._n_samples = 0
        self._is_finished = False
        self._windows: list[tuple[float, int, Floats, Floats]] = []  # centre, end in pieces, rhythm, spectrum

    def push(self, block: Floats) -> None:
        """Add mono samples at the sample rate of the front end, shape=(n_samples,).

        Raises
        ------
        ValueError
            If the track is finished.
        """
        self._check_open()
        self._n_samples += len(block)
        self._chroma.push(block)
        self._add(self._log_mel.push(block))

    def watch(self, blocks: Iterable[Floats]) -> Iterator[Floats]:
        """Yield blocks as they are, after pushing each."""
        for block in blocks:
            self.push(block)
            yield block

    def finish(self) -> TrackEmbedding:
        """Return the embedding of all that was pushed; nothing can be added after it.

        Raises
        ------
        ModelError
            If the model fails.
        ValueError
            If the track is finished.
        """
        self._check_open()
        self._is_finished = True
        self._add(self._log_mel.finish())
        self._add_rest()
        seconds = self._n_samples / self._spec.front_end.sample_rate
        if seconds < MIN_SECONDS:
            return self._empty("too short", seconds)
        timbre, heard = self._timbre.finish()
        if not heard.any():
            return self._empty("silence", seconds)
        return self._embedding(timbre, heard, seconds)

    def _check_open(self) -> None:
        if self._is_finished:
            raise ValueError("the track is finished; make another collector")

    def _add(self, log_mel: Floats | None) -> None:
        """Add frames; cut the pieces and windows that are complete."""
        if log_mel is None:
            return
        self._kept = np.concatenate([self._kept, log_mel])
        n_frames, window = self._spec.n_frames, self._spec.n_frames * self._spec.pieces
        while self._next + n_frames <= self._first + len(self._kept):
            self._timbre.add(self._frames(self._next, self._next + n_frames))
            self._next += n_frames
            if self._timbre.n_pieces >= self._spec.pieces:
                self._add_window(self._next - window, self._next)
        # The frames of one window stay, for a last window that ends with the last frame.
        spare = max(0, self._next - window - self._first)
        self._kept = self._kept[spare:]
        self._first += spare

    def _add_rest(self) -> None:
        end = self._first + len(self._kept)
        n_frames, window = self._spec.n_frames, self._spec.n_frames * self._spec.pieces
        if end > self._next:
            last = self._frames(max(0, end - n_frames), end)
            missing = n_frames - len(last)
            sides = ((missing // 2, missing - missing // 2), (0, 0))
            self._timbre.add(np.pad(last, sides, mode="edge"))
        if end > self._next or (end and not self._windows):
            self._add_window(max(0, end - window), end)

    def _frames(self, start: int, end: int) -> Floats:
        return self._kept[start - self._first : end - self._first]

    def _add_window(self, start: int, end: int) -> None:
        log_mel = self._frames(start, end)
        rhythm = rhythm_spectrum(log_mel, self._spec.front_end, self._spec.rhythm)
        self._windows.append((0.5 * (start + end), self._timbre.n_pieces, rhythm, statistics(log_mel)))

    def _embedding(self, timbre: Floats, heard: NDArray[np.bool_], seconds: float) -> TrackEmbedding:
        spec = self._spec
        fine = self._chroma.finish(len(timbre))
        tuned = tuning(fine.sum(axis=0))
        rows: dict[str, list[Floats]] = {part.name: [] for part in spec.parts}
        times = []
        for centre, end, rhythm, spectrum in self._windows:
            pieces = slice(max(0, end - spec.pieces), end)
            if not heard[pieces].any():
                continue
            times.append(centre / spec.front_end.frame_rate)
            rows["timbre"].append(timbre[pieces].sum(axis=0))
            rows["rhythm"].append(rhythm)
            rows["chroma"].append(_pitch_classes(fine[pieces].sum(axis=0), tuned))
            rows["spectrum"].append((spectrum - spec.spectrum_mean) / spec.spectrum_scale)
        windows = {name: unit(np.stack(vectors)) for name, vectors in rows.items()}
        parts = {name: unit(vectors.mean(axis=0)) for name, vectors in windows.items()}
        parts["timbre"] = unit(timbre.sum(axis=0))
        parts["chroma"] = unit(_pitch_classes(fine.sum(axis=0), tuned))
        return TrackEmbedding(parts, windows, np.array(times), seconds, spec.name, spec.version, tuned)

    def _empty(self, reason: str, seconds: float) -> TrackEmbedding:
        spec = self._spec
        parts = {part.name: np.zeros(part.dim, np.float32) for part in spec.parts}
        windows = {part.name: np.zeros((0, part.dim), np.float32) for part in spec.parts}
        return TrackEmbedding(parts, windows, np.zeros(0), seconds, spec.name, spec.version, reason=reason)


def _pitch_classes(fine: Floats, tuned: float) -> Floats:
    """Return square roots of the strengths of the pitch classes, less their mean, shape=(12,)."""
    strengths = np.sqrt(fold(fine, tuned))
    return np.asarray(strengths - strengths.mean(), np.float32)


class _Timbre:
    """Embeds pieces in batches; silent ones are left out."""

    def __init__(self, encode: Encode, dim: int) -> None:
        self._encode = encode
        self._waiting: list[Floats] = []
        self._embeddings = [np.zeros((0, dim), np.float32)]
        self._heard: list[bool] = []

    @property
    def n_pieces(self) -> int:
        """Number of pieces so far, silent ones included."""
        return len(self._heard)

    def add(self, piece: Floats) -> None:
        """Add a piece, shape=(n_frames, n_mels)."""
        self._heard.append(bool(piece.max() > SILENCE))
        if self._heard[-1]:
            self._waiting.append(piece.copy())
        if len(self._waiting) == _BATCH:
            self._embed()

    def finish(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Return vectors of unit length, shape=(n_pieces, dim), zeros where silent, and which were heard."""
        if self._waiting:
            self._embed()
        heard = np.array(self._heard, bool)
        embedded = np.concatenate(self._embeddings)
        vectors = np.zeros((len(heard), embedded.shape[1]), np.float32)
        vectors[heard] = unit(embedded)
        return vectors, heard

    def _embed(self) -> None:
        self._embeddings.append(self._encode(np.stack(self._waiting)))
        self._waiting = []


class _Chroma:
    """Sums fine chroma frames over the time of each piece."""

    def __init__(self, spec: MusicSpec) -> None:
        self._framer = spec.chroma.framer()
        # Frames of chroma per piece.
        self._per_piece = spec.n_frames * spec.front_end.hop_length / spec.chroma.hop_length
        self._sums = [np.zeros(12 * FINE, np.float32)]
        self._n_frames = 0

    def push(self, block: Floats) -> None:
        """Add samples."""
        self._add(self._framer.push(block))

    def finish(self, n_pieces: int) -> Floats:
        """Return the sums, shape=(n_pieces, 12 * FINE)."""
        self._add(self._framer.finish())
        sums = np.zeros((max(n_pieces, len(self._sums)), 12 * FINE), np.float32)
        sums[: len(self._sums)] = self._sums
        # The frame at the end of the audio may lie in a piece that does not exist.
        sums[n_pieces - 1] += sums[n_pieces:].sum(axis=0)
        return sums[:n_pieces]

    def _add(self, frames: Floats | None) -> None:
        for frame in () if frames is None else frames:
            piece = int(self._n_frames / self._per_piece)
            while piece >= len(self._sums):
                self._sums.append(np.zeros(12 * FINE, np.float32))
            self._sums[piece] += frame
            self._n_frames += 1
