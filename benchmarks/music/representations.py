"""Vectors of files: the parts of the embedding, and the baselines that they must beat."""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tempocli import Embedder
from tempocli.audio import load_audio

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Vectors = dict[str, NDArray[np.float32]]
_COEFFICIENTS = 20
_BLISS_SECONDS = 5.0

# Names of representations, and the vectors that each joins.
REPRESENTATIONS: dict[str, tuple[str, ...]] = {
    "mel statistics": ("mel",),
    "MFCC statistics": ("mfcc",),
    "bliss-audio": ("bliss",),
    "random weights": ("random",),
    "timbre": ("timbre",),
    "rhythm": ("rhythm",),
    "chroma": ("chroma",),
    "spectrum": ("spectrum",),
    "timbre, spectrum": ("timbre", "spectrum"),
    "all parts": ("timbre", "rhythm", "chroma", "spectrum"),
}


class Representer:
    """Computes all vectors of a file, and keeps them in a folder.

    Parameters
    ----------
    model : str or None
        The model; by default, the bundled one.
    cache : Path or None
        Folder to keep vectors in, for the next run with the same model.
    """

    def __init__(self, model: str | None = None, cache: Path | None = None) -> None:
        self._embedder = Embedder(model, device="cpu")
        self._random = _untrained()
        self._cache = cache
        if cache is not None:
            cache.mkdir(parents=True, exist_ok=True)

    @property
    def embedder(self) -> Embedder:
        """The embedder in use."""
        return self._embedder

    def __call__(self, path: Path) -> Vectors:
        """Return the vectors of a file."""
        key = hashlib.sha256(f"3 {self._embedder.spec.checksum} {path}".encode()).hexdigest()[:24]
        kept = None if self._cache is None else self._cache / f"{key}.npz"
        if kept is not None and kept.is_file():
            with np.load(kept) as arrays:
                return dict(arrays)
        vectors = self._compute(path)
        if kept is not None:
            np.savez(kept, **vectors)  # type: ignore[arg-type]
        return vectors

    def _compute(self, path: Path) -> Vectors:
        sample_rate = self._embedder.spec.front_end.sample_rate
        samples = load_audio(path, sample_rate=sample_rate)
        track = self._embedder.embed_array(samples, sample_rate)
        log_mel = self._embedder.spec.front_end.log_mel(samples)
        return {
            **track.parts,
            "mel": _statistics(log_mel),
            "mfcc": _statistics(_mfcc(log_mel)),
            # It refuses short files, such as single notes.
            **({"bliss": _bliss(path)} if len(samples) >= _BLISS_SECONDS * sample_rate else {}),
            "random": self._of_random_weights(log_mel),
        }

    def _of_random_weights(self, log_mel: NDArray[np.float32]) -> NDArray[np.float32]:
        n_frames = self._embedder.spec.n_frames
        missing = -len(log_mel) % n_frames
        pieces = np.pad(log_mel, ((0, missing), (0, 0)), mode="edge").reshape(-1, n_frames, log_mel.shape[1])
        return np.asarray(self._random(pieces).mean(axis=0), np.float32)


def of_all(represent: Representer, paths: list[Path]) -> list[Vectors]:
    """Return the vectors of files, with a line of progress on stderr."""
    vectors = []
    for number, path in enumerate(paths, 1):
        vectors.append(represent(path))
        if number % 100 == 0:
            print(f"{number}/{len(paths)} files", file=sys.stderr)
    return vectors


def has_all(vectors: list[Vectors], names: tuple[str, ...]) -> bool:
    """Return whether all files have the vectors of these names."""
    return all(name in each for each in vectors for name in names)


def matrix(vectors: list[Vectors], names: tuple[str, ...]) -> list[NDArray[np.float32]]:
    """Return the vectors of files as one matrix for each name."""
    return [np.stack([each[name] for each in vectors]) for name in names]


def _statistics(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return mean and deviation of features and of their differences."""
    change = np.diff(frames, axis=0) if len(frames) > 1 else np.zeros_like(frames)
    return np.concatenate([frames.mean(axis=0), frames.std(axis=0), change.mean(axis=0), change.std(axis=0)])


def _bliss(path: Path) -> NDArray[np.float32]:
    """Return the features of bliss-audio, which music players use for playlists."""
    from bliss_audio import Song

    return np.asarray(Song(str(path)).analysis, np.float32)


def _mfcc(log_mel: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.fft import dct

    coefficients: NDArray[np.float32] = dct(log_mel, axis=1, norm="ortho")[:, :_COEFFICIENTS]
    return coefficients


def _untrained() -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return the network of the recipe `music` with random weights."""
    import torch

    from tempocli.training.contrastive.build import build_encoder
    from tempocli.training.contrastive.recipe import ContrastiveRecipe
    from tempocli.training.recipe import find_recipe, read_recipe

    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = build_encoder(read_recipe(find_recipe("music"), ContrastiveRecipe).network).eval()

    @torch.inference_mode()
    def run(pieces: NDArray[np.float32]) -> NDArray[np.float32]:
        values: NDArray[np.float32] = network(torch.from_numpy(pieces)).numpy()
        return values

    return run
