"""The training task of a translation: windows of music, as they are and stretched, as vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tempocli.embedding.track import unit
from tempocli.errors import DataError
from tempocli.features.rhythm import rhythm_spectrum
from tempocli.inference.music import MusicEncoder
from tempocli.training.data.sampling import Split, UnlabelledTracks
from tempocli.training.data.views import stretch
from tempocli.training.losses import total_loss
from tempocli.training.translation.losses import LOSSES, MovedOutputs

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.inference.music import MusicSpec
    from tempocli.training.data.store import Clip, Store
    from tempocli.training.translation.network import TranslationNetwork
    from tempocli.training.translation.recipe import TranslationRecipe

    Floats = NDArray[np.float32]

_VALIDATION_TRACKS = 64


class VectorSampler:
    """Makes vectors of windows of music, and of the same music at another rate.

    The music is stretched by interpolating log-mel frames, which costs next to nothing.

    Parameters
    ----------
    data : Path
        Folder whose subfolders are the stores that the recipe names.
    recipe : TranslationRecipe

    Raises
    ------
    DataError
        If a store is missing or empty, or has another front end than the model.
    ModelError
        If the model is unknown or damaged.
    """

    def __init__(self, data: Path, recipe: TranslationRecipe) -> None:
        self._recipe = recipe
        self._encoder = MusicEncoder(recipe.model, device="cpu")
        self.spec: MusicSpec = self._encoder.spec
        self._n_frames = self.spec.n_frames * self.spec.pieces
        needed = recipe.fastest * self._n_frames + 2
        self._tracks = UnlabelledTracks(data, recipe.stores, Split(recipe.held_out), longer_than=needed)
        if self._tracks.front_end != self.spec.front_end:
            raise DataError(f"{data}: its stores have another front end than the model {self.spec.name}")

    def batch(self, step: int) -> tuple[Floats, Floats, Floats]:
        """Return vectors, the vectors wanted, shape=(tracks, dim), and rates, shape=(tracks, 1)."""
        rng = np.random.default_rng([self._recipe.seed, step])
        return self._vectors([self._tracks.draw(rng) for _ in range(self._recipe.tracks)], rng)

    def validation(self) -> tuple[Floats, Floats, Floats]:
        """Return the same of held-out tracks, the same every time."""
        rng = np.random.default_rng([self._recipe.seed, 2**31])
        return self._vectors(self._tracks.draw_held_out(rng, _VALIDATION_TRACKS), rng)

    def _vectors(
        self, tracks: list[tuple[Store, Clip]], rng: np.random.Generator
    ) -> tuple[Floats, Floats, Floats]:
        recipe = self._recipe
        low, high = np.log(recipe.slowest), np.log(recipe.fastest)
        rates = np.exp(rng.uniform(low, high, (len(tracks), 1)))
        windows = []
        for (store, clip), (rate,) in zip(tracks, rates, strict=True):
            frames = store.frames_of(clip)
            start = rng.uniform(0.0, clip.length - recipe.fastest * self._n_frames - 2)
            for each in (1.0, rate):
                windows.append(stretch(frames, start=start, rate=each, n_frames=self._n_frames))
        vectors = np.concatenate([self._part(name, np.stack(windows)) for name in recipe.parts], axis=1)
        return vectors[0::2], vectors[1::2], rates.astype(np.float32)

    def _part(self, name: str, windows: Floats) -> Floats:
        """Return a part of the vectors of windows, as `tempocli.embedding` computes it."""
        spec = self.spec
        if name == "rhythm":
            return unit(np.stack([rhythm_spectrum(each, spec.front_end, spec.rhythm) for each in windows]))
        pieces = windows.reshape(-1, spec.n_frames, windows.shape[2])
        embedded = unit(self._encoder.encode(pieces))
        return unit(embedded.reshape(len(windows), spec.pieces, -1).sum(axis=1))


class TranslationTask:
    """Training of a translation; the scores are mean cosines to the stretched music's vectors, in percent.

    Parameters
    ----------
    data : Path
        Data folder with the stores that the recipe names.
    recipe : TranslationRecipe

    Raises
    ------
    DataError, ModelError
        As `VectorSampler`.
    """

    def __init__(self, data: Path, recipe: TranslationRecipe) -> None:
        self._recipe = recipe
        sampler = VectorSampler(data, recipe)
        self.batch = sampler.batch
        self._validation = sampler.validation()

    def loss(
        self, network: TranslationNetwork, batch: tuple[Floats, Floats, Floats], step: int, device: str
    ) -> tuple[Tensor, dict[str, float]]:
        """Compute the loss of a batch."""
        vectors, wanted, rates = (torch.from_numpy(each).to(device) for each in batch)
        dims = network.dims
        moved = torch.split(network(vectors, rates), dims, dim=1)
        outputs = MovedOutputs(moved, torch.split(wanted, dims, dim=1))
        return total_loss(LOSSES, outputs, self._recipe, step)

    @torch.inference_mode()
    def validate(self, network: TranslationNetwork, device: str) -> dict[str, float]:
        """Score held-out tracks: all parts together, moved and not."""
        vectors, wanted, rates = (torch.from_numpy(each) for each in self._validation)
        moved = network(vectors.to(device), rates.to(device)).cpu()
        parts = len(network.dims)
        return {
            "validation_moved": 100.0 * float((moved * wanted).sum(dim=1).mean()) / parts,
            "validation_unmoved": 100.0 * float((vectors * wanted).sum(dim=1).mean()) / parts,
        }
