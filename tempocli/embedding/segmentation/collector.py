"""Compute what sections are told by of a stream of samples, keeping little of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tempocli.decoding.segments.decoder import Frames
from tempocli.embedding.track import unit
from tempocli.features.chroma import fold, tuning
from tempocli.inference.window_analysis import SILENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from tempocli.inference.music import MusicSpec

    Floats = NDArray[np.float32]
    Encode = Callable[[Floats], Floats]

_BATCH = 16  # pieces per call of the network
_PER_PIECE = 2  # pieces begin in the time of one piece
_POOLED = 4  # log-mel frames that are averaged, to about 22 per second


class FrameCollector:
    """Computes log-mel, chroma and embeddings of samples that are pushed to it; 20 MB an hour are kept.

    Parameters
    ----------
    spec : MusicSpec
    encode : callable
        Embeds pieces, see `tempocli.inference.music.MusicEncoder.encode`.
    """

    def __init__(self, spec: MusicSpec, encode: Encode) -> None:
        self._spec, self._encode = spec, encode
        self._log_mel, self._chroma = spec.front_end.framer(), spec.chroma.framer()
        self._hop = spec.n_frames // _PER_PIECE
        self._rest = np.zeros((0, spec.front_end.n_mels), np.float32)  # not pooled yet
        self._pooled = [self._rest.astype(np.float16)]
        self._fine: list[Floats] = []
        # Pieces are centred on multiples of their hop; those near the start hear the first frame before it.
        self._kept: Floats | None = None
        self._waiting: list[Floats] = []
        self._embeddings = [np.zeros((0, spec.embedding_dim), np.float32)]
        self._n_samples = 0
        self.loudest = -np.inf

    @property
    def duration(self) -> float:
        """Length of what was pushed, in seconds."""
        return self._n_samples / self._spec.front_end.sample_rate

    @property
    def silent(self) -> bool:
        """Whether nothing was heard."""
        return self.loudest <= SILENCE

    def watch(self, blocks: Iterable[Floats]) -> Iterator[Floats]:
        """Yield blocks of mono samples at the sample rate of the front end as they are; add each."""
        for block in blocks:
            self._n_samples += len(block)
            self._add(self._log_mel.push(block))
            self._add_chroma(self._chroma.push(block))
            yield block

    def finish(self) -> Frames:
        """Return what was computed.

        Raises
        ------
        ModelError
            If the model fails.
        """
        spec = self._spec
        self._add(self._log_mel.finish())
        self._add_chroma(self._chroma.finish())
        if len(self._rest):
            self._pooled.append(self._rest.mean(axis=0, keepdims=True).astype(np.float16))
        if self._kept is not None:
            self._cut(np.concatenate([self._kept, np.repeat(self._kept[-1:], spec.n_frames // 2, axis=0)]))
            if self._waiting:
                self._embed()
        fine = np.concatenate([np.zeros((0, 60), np.float32), *self._fine])
        return Frames(
            log_mel=np.concatenate(self._pooled),
            chroma=fold(fine, tuning(fine.sum(axis=0))),
            embedding=unit(np.concatenate(self._embeddings)),
            log_mel_rate=spec.front_end.frame_rate / _POOLED,
            chroma_rate=spec.chroma.frame_rate,
            embedding_rate=spec.front_end.frame_rate / self._hop,
        )

    def _add_chroma(self, frames: Floats | None) -> None:
        if frames is not None:
            self._fine.append(frames)

    def _add(self, log_mel: Floats | None) -> None:
        if log_mel is None or not len(log_mel):
            return
        self.loudest = max(self.loudest, float(log_mel.max()))
        rest = np.concatenate([self._rest, log_mel])
        whole = len(rest) // _POOLED * _POOLED
        pooled = rest[:whole].reshape(-1, _POOLED, rest.shape[1]).mean(axis=1)
        self._pooled.append(pooled.astype(np.float16))
        self._rest = rest[whole:]
        if self._kept is None:
            self._kept = np.repeat(log_mel[:1], self._spec.n_frames // 2, axis=0)
        self._kept = self._cut(np.concatenate([self._kept, log_mel]))

    def _cut(self, frames: Floats) -> Floats:
        """Embed the pieces that are complete; return the frames that are still needed."""
        start = 0
        while start + self._spec.n_frames <= len(frames):
            self._waiting.append(frames[start : start + self._spec.n_frames])
            start += self._hop
            if len(self._waiting) == _BATCH:
                self._embed()
        return frames[start:].copy()

    def _embed(self) -> None:
        self._embeddings.append(self._encode(np.stack(self._waiting)))
        self._waiting = []
