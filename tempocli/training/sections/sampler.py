"""Batches for the section encoder: consecutive cells of several tracks, and triplets of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tempocli.errors import DataError
from tempocli.features.cells import centred_cells
from tempocli.training.data.sampling import Split, UnlabelledTracks
from tempocli.training.data.views import pitch_shift

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.training.data.store import Clip, Store
    from tempocli.training.sections.recipe import SectionRecipe

    Places = NDArray[np.int64]

_VALIDATION_TRACKS = 48


class Triplets(NamedTuple):
    """Cells of several tracks, and triplets by their places.

    Attributes
    ----------
    cells : ndarray of float32, shape=(n_cells, n_parts, n_mels)
        Less the mean spectrum of their track.
    anchors, positives, negatives : ndarray of int64, shape=(n_triplets,)
        Places of cells; all three of a triplet are of one track.
    """

    cells: NDArray[np.float32]
    anchors: Places
    positives: Places
    negatives: Places


class CellSampler:
    """Cuts tracks into cells, as bars of a tempo that is drawn at random.

    Parameters
    ----------
    data : Path
        Folder whose subfolders are the stores that the recipe names.
    recipe : SectionRecipe

    Raises
    ------
    DataError
        If a store is missing or empty, or has other mel bands than the recipe.
    """

    def __init__(self, data: Path, recipe: SectionRecipe) -> None:
        self._recipe = recipe
        # The longest cells must leave place for a negative.
        needed = recipe.near + recipe.gap + 2
        tracks = UnlabelledTracks(data, recipe.stores, Split(recipe.held_out))
        frames = needed * recipe.longest * tracks.front_end.frame_rate + 2
        self._tracks = UnlabelledTracks(data, recipe.stores, Split(recipe.held_out), longer_than=frames)
        self.front_end = self._tracks.front_end
        n_mels = recipe.network.n_mels
        if self.front_end.n_mels != n_mels:
            raise DataError(f"{data}: its stores have {self.front_end.n_mels} mel bands, the recipe {n_mels}")

    def batch(self, step: int) -> Triplets:
        """Return the cells and triplets of a step."""
        rng = np.random.default_rng([self._recipe.seed, step])
        return self._triplets([self._tracks.draw(rng) for _ in range(self._recipe.tracks)], rng)

    def validation(self) -> Triplets:
        """Return those of held-out tracks, the same every time.

        Raises
        ------
        DataError
            If there are no held-out tracks.
        """
        rng = np.random.default_rng([self._recipe.seed, 2**31])
        return self._triplets(self._tracks.draw_held_out(rng, _VALIDATION_TRACKS), rng)

    def _triplets(self, tracks: list[tuple[Store, Clip]], rng: np.random.Generator) -> Triplets:
        cells, places, first = [], [], 0
        for store, clip in tracks:
            cells.append(self._cells(store.frames_of(clip), rng))
            places.append(first + draw_triplets(len(cells[-1]), self._recipe, rng))
            first += len(cells[-1])
        return Triplets(np.concatenate(cells), *np.concatenate(places, axis=1))

    def _cells(self, frames: NDArray[np.float16], rng: np.random.Generator) -> NDArray[np.float32]:
        recipe, rate = self._recipe, self.front_end.frame_rate
        length = float(np.exp(rng.uniform(np.log(recipe.shortest), np.log(recipe.longest)))) * rate
        spare = len(frames) - 2
        n_cells = min(recipe.cells, int(spare / length))
        start = rng.uniform(0.0, spare - n_cells * length)
        edges = start + length * np.arange(n_cells + 1, dtype=np.float64)
        first, last = int(edges[0]), int(edges[-1]) + 2
        cells = centred_cells(frames[first:last], edges - first, recipe.network.n_parts)
        if recipe.semitones:
            shift = float(rng.uniform(-recipe.semitones, recipe.semitones))
            shape = cells.shape
            cells = pitch_shift(cells.reshape(-1, shape[2]), shift, self.front_end).reshape(shape)
        return cells


def draw_triplets(n_cells: int, recipe: SectionRecipe, rng: np.random.Generator) -> Places:
    """Draw triplets of the cells of a track.

    Parameters
    ----------
    n_cells : int
    recipe : SectionRecipe
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int64, shape=(3, n_triplets)
        Anchors, positives and negatives. Draws beyond the ends are left out.
    """
    anchors = np.repeat(np.arange(n_cells), recipe.triplets)
    near = rng.integers(1, recipe.near + 1, len(anchors)) * rng.choice([-1, 1], len(anchors))
    far = rng.integers(recipe.near + recipe.gap, recipe.far + 1, len(anchors))
    places = np.stack([anchors, anchors + near, anchors + far * rng.choice([-1, 1], len(anchors))])
    inside = ((places >= 0) & (places < n_cells)).all(axis=0)
    return np.asarray(places[:, inside], np.int64)
