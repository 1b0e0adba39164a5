"""Batches for the contrastive encoder: two views each of several tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tempocli.training.contrastive.labels import (
    Labels,
    agreement,
    has_labels,
    is_labelled,
    labels_of,
    targets,
)
from tempocli.training.data.sampling import Split, UnlabelledTracks
from tempocli.training.data.views import augment, pitch_shift, stretch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.training.contrastive.recipe import ContrastiveRecipe
    from tempocli.training.data.store import Clip, Store

_VALIDATION_TRACKS = 128


class Views(NamedTuple):
    """The two views of several tracks.

    Attributes
    ----------
    a, b : ndarray of float32, shape=(tracks, n_frames, n_mels)
    agreement : ndarray of float32, shape=(2 * tracks, 2 * tracks), or None
        How far the labels of two views agree, those of `a` before those of `b`; ``None`` if the recipe names
        no labels.
    targets : ndarray of float32, shape=(2 * tracks, n_labels), or None
        Labels of the views; see `tempocli.training.contrastive.labels.targets`.
    """

    a: NDArray[np.float32]
    b: NDArray[np.float32]
    agreement: NDArray[np.float32] | None = None
    targets: NDArray[np.float32] | None = None


class ExcerptSampler:
    """Cuts two windows from each of several tracks.

    Parameters
    ----------
    data : Path
        Folder whose subfolders are the stores that the recipe names.
    recipe : ContrastiveRecipe

    Raises
    ------
    DataError
        If a store is missing or empty, or has another front end than the first.
    """

    def __init__(self, data: Path, recipe: ContrastiveRecipe) -> None:
        self._recipe = recipe
        self._tracks = UnlabelledTracks(data, recipe.stores, Split(recipe.held_out))
        self.front_end = self._tracks.front_end
        self._same_tempo = "tempo" in recipe.labels and bool(recipe.losses.get("same_labels"))
        self._labelled = [
            (store, clip)
            for store, clip in self._tracks.training()
            if recipe.labelled_tracks
            and is_labelled(clip, recipe.labelled)
            and has_labels(clip, recipe.labels)
        ]

    def batch(self, step: int) -> Views:
        """Return the two views of a step's tracks."""
        rng = np.random.default_rng([self._recipe.seed, step])
        chosen: dict[tuple[int, int], tuple[Store, Clip]] = {}
        wanted = min(round(self._recipe.labelled_tracks * self._recipe.tracks), len(self._labelled))
        for index in rng.choice(len(self._labelled), wanted, replace=False) if wanted else ():
            store, clip = self._labelled[index]
            chosen[id(store), clip.start] = (store, clip)
        for _ in range(4 * self._recipe.tracks):
            for store, clip in self._tracks.draw_together(rng, self._recipe.album):
                # A track drawn twice would be its own negative.
                chosen[id(store), clip.start] = (store, clip)
            if len(chosen) >= self._recipe.tracks:
                break
        return self._views(list(chosen.values())[: self._recipe.tracks], rng)

    def validation(self) -> Views:
        """Return the two views of held-out tracks, the same every time.

        Raises
        ------
        DataError
            If there are no held-out tracks.
        """
        rng = np.random.default_rng([self._recipe.seed, 2**31])
        return self._views(self._tracks.draw_held_out(rng, _VALIDATION_TRACKS), rng)

    def plain(self, number: int, n_frames: int) -> Iterator[NDArray[np.float32]]:
        """Yield windows of the tracks for training as they are, the same every time.

        Parameters
        ----------
        number : int
        n_frames : int
            Length of a window; shorter tracks end in silence.

        Yields
        ------
        ndarray of float32, shape=(n_frames, n_mels)
        """
        rng = np.random.default_rng([self._recipe.seed, 2**31 + 1])
        for _ in range(number):
            store, clip = self._tracks.draw(rng)
            start = float(round(rng.uniform(0.0, max(0, clip.length - n_frames - 2))))
            yield stretch(store.frames_of(clip), start=start, rate=1.0, n_frames=n_frames)

    def _views(self, tracks: list[tuple[Store, Clip]], rng: np.random.Generator) -> Views:
        recipe = self._recipe
        pairs = [self._pair(store, clip, rng) for store, clip in tracks]
        a, b = (np.stack([pair[which][0] for pair in pairs]) for which in (0, 1))
        if not recipe.labels:
            return Views(a, b)
        labels = [
            labels_of(clip, pair[which][1]) if is_labelled(clip, recipe.labelled) else Labels()
            for which in (0, 1)
            for (_, clip), pair in zip(tracks, pairs, strict=True)
        ]
        return Views(a, b, agreement(labels, recipe.labels), targets(labels, recipe.labels))

    def _pair(
        self, store: Store, clip: Clip, rng: np.random.Generator
    ) -> list[tuple[NDArray[np.float32], float]]:
        recipe, n_frames = self._recipe, self._recipe.network.n_frames
        frames = store.frames_of(clip)
        spare = max(0.0, clip.length - np.exp(recipe.max_stretch) * n_frames - 2)
        first = rng.uniform(0.0, spare)
        reach = recipe.reach * self.front_end.frame_rate
        starts = [first, float(np.clip(first + rng.uniform(-reach, reach), 0.0, spare))]
        first_view = self._view(frames, starts[0], rng)
        # Views that are drawn together for their tempo must have the same.
        same = self._same_tempo and bool(clip.bpm) and is_labelled(clip, recipe.labelled)
        return [first_view, self._view(frames, starts[1], rng, first_view[1] if same else None)]

    def _view(
        self, frames: NDArray[np.float16], start: float, rng: np.random.Generator, rate: float | None = None
    ) -> tuple[NDArray[np.float32], float]:
        recipe = self._recipe
        drawn = float(np.exp(rng.uniform(-recipe.max_stretch, recipe.max_stretch)))
        rate = drawn if rate is None else rate
        view = stretch(frames, start=start, rate=rate, n_frames=recipe.network.n_frames)
        if recipe.semitones:
            shift = float(rng.uniform(-recipe.semitones, recipe.semitones))
            view = pitch_shift(view, shift, self.front_end)
        return augment(view, recipe.augmentation, self.front_end, rng), rate
