"""Batches for the tempo encoder: labelled windows and views of unlabelled recordings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.errors import DataError
from tempocli.training.data.sampling import Groups, Split
from tempocli.training.data.store import open_stores
from tempocli.training.data.views import augment, beatless, draw_excerpt, overlay, produce, shorten, stretch

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.features.front_end import FrontEnd
    from tempocli.training.data.store import Clip, Store
    from tempocli.training.tempo.recipe import TempoRecipe


@dataclass(frozen=True, slots=True)
class Batch:
    """The windows of one step.

    Attributes
    ----------
    labelled : ndarray of float32, shape=(batch_size, n_frames, n_mels)
    bpm : ndarray of float32, shape=(batch_size,)
        Tempo of each labelled window, in BPM; NaN for no tempo.
    views : ndarray of float32, shape=(n_views, unlabelled_size, n_frames, n_mels)
        Views of unlabelled recordings.
    log2_rate : ndarray of float32, shape=(n_views, unlabelled_size)
        Base-2 logarithm of the rate of each view.
    """

    labelled: NDArray[np.float32]
    bpm: NDArray[np.float32]
    views: NDArray[np.float32]
    log2_rate: NDArray[np.float32]


class TempoSampler:
    """Draws batches from the stores of a data folder.

    Parameters
    ----------
    data : Path
        Folder whose subfolders are the stores that the recipe names.
    recipe : TempoRecipe

    Attributes
    ----------
    front_end : FrontEnd
    known : list of (Store, list of Clip)
        Clips of known tempo not used in training: the held-out groups of the labelled stores, or the click
        tracks that set the scale.
    calibration : list of (Store, list of Clip)
        The clips of `known` that the confidence is fitted on.

    Raises
    ------
    DataError
        If a store is missing, or has another front end than the first.
    """

    def __init__(self, data: Path, recipe: TempoRecipe) -> None:
        self.recipe = recipe
        names = [*recipe.mix, *(name for name in (recipe.unlabelled, recipe.scale) if name)]
        opened = open_stores(data, names)
        self.front_end: FrontEnd = opened[names[0]].front_end
        self.stores = [(opened[name], weight) for name, weight in recipe.mix.items()]
        self.unlabelled = opened[recipe.unlabelled] if recipe.unlabelled else None
        split = Split(recipe.held_out)
        self._train: list[list[Clip]] = []
        self.known: list[tuple[Store, list[Clip]]] = []
        for store, _ in self.stores:
            training, held_out = split.parts(store.clips)
            self._train.append(training)
            self.known.append((store, held_out))
        if recipe.scale:
            self.known.append((opened[recipe.scale], opened[recipe.scale].clips))
        chosen = recipe.calibration or tuple(recipe.mix)
        self.calibration = [
            entry for name, entry in zip(recipe.mix, self.known, strict=False) if name in chosen
        ] or self.known
        total = sum(recipe.mix.values())
        self._weights = [weight / total for weight in recipe.mix.values()]
        self._groups = Groups(self.unlabelled.clips) if self.unlabelled else None

    @property
    def n_frames(self) -> int:
        """Number of frames in a window."""
        return self.recipe.network.n_frames

    @property
    def clicks_only(self) -> bool:
        """Whether all clips of known tempo are click tracks."""
        return bool(self.recipe.scale)

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""
        rng = np.random.default_rng([self.recipe.seed, step])
        labelled = [self._labelled(rng) for _ in range(self.recipe.batch_size if self.stores else 0)]
        recordings = [self._views(rng) for _ in range(self.recipe.unlabelled_size)] if self.unlabelled else []
        shape = (0, self.recipe.network.n_frames, self.front_end.n_mels)
        views = [views for views, _ in recordings]
        rates = [rates for _, rates in recordings]
        return Batch(
            np.stack([window for window, _ in labelled]) if labelled else np.zeros(shape, np.float32),
            np.array([bpm for _, bpm in labelled], np.float32),
            np.stack(views, axis=1) if views else np.zeros((0, *shape), np.float32),
            np.log2(np.stack(rates, axis=1)).astype(np.float32) if rates else np.zeros((0, 0), np.float32),
        )

    def _rate(self, rng: np.random.Generator) -> float:
        spread = self.recipe.views.max_stretch
        return float(np.exp(rng.uniform(-spread, spread)))

    def _labelled(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], float]:
        n_frames = self.recipe.network.n_frames
        if rng.random() < self.recipe.beatless:
            return beatless(n_frames, self.front_end, rng), float("nan")
        which = int(rng.choice(len(self.stores), p=self._weights))
        clips = self._train[which]
        clip = clips[int(rng.integers(len(clips)))]
        rate = self._rate(rng)
        window = self._cut(self.stores[which][0], clip, rate, rng)
        if clip.bpm is None:
            return self._augment(window, rng), float("nan")
        window = self.disguise(window, rate * clip.bpm, rng)
        if self.recipe.views.short and rng.random() < self.recipe.views.short:
            window = shorten(window, rng)
        return window, rate * clip.bpm

    def disguise(
        self, window: NDArray[np.float32], bpm: float, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Augment labelled music with the settings of the recipe's `views`.

        Parameters
        ----------
        window : ndarray of float32, shape=(n_frames, n_mels)
            Log-mel frames.
        bpm : float
            Tempo of the frames, in BPM.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of float32, shape=(n_frames, n_mels)
        """
        views = self.recipe.views
        window = self._augment(window, rng)
        window = produce(window, 60.0 * self.front_end.frame_rate / bpm, views, rng)
        if self.unlabelled is not None and rng.random() < views.overlay:
            clip, rate = self._draw_unlabelled(rng), self._rate(rng)
            under = self._cut(self.unlabelled, clip, rate, rng, n_frames=len(window))
            window = overlay(window, self._augment(under, rng), rng)
        return window

    def _augment(self, window: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        return augment(window, self.recipe.views, self.front_end, rng)

    def _cut(
        self,
        store: Store,
        clip: Clip,
        rate: float,
        rng: np.random.Generator,
        *,
        start: float | None = None,
        n_frames: int | None = None,
    ) -> NDArray[np.float32]:
        n_frames = n_frames or self.recipe.network.n_frames
        frames = store.frames_of(clip)
        if start is None:
            start = draw_excerpt(len(frames), rate=rate, n_frames=n_frames, rng=rng)
        return stretch(frames, start=start, rate=rate, n_frames=n_frames)

    def _draw_unlabelled(self, rng: np.random.Generator) -> Clip:
        assert self._groups is not None
        return self._groups.draw(rng)

    def _views(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        assert self.unlabelled is not None
        clip = self._draw_unlabelled(rng)
        rates = [self._rate(rng) for _ in range(self.recipe.n_views)]
        views: list[NDArray[np.float32]] = []
        for rate in rates:
            # Each view shows the excerpt of the previous one or, with some probability, a new one.
            if not views or (self.recipe.elsewhere and rng.random() < self.recipe.elsewhere):
                # Draw with the highest rate, which needs the longest excerpt, so that no view has padding.
                start = draw_excerpt(
                    clip.length, rate=max(rates), n_frames=self.recipe.network.n_frames, rng=rng
                )
            views.append(self._augment(self._cut(self.unlabelled, clip, rate, rng, start=start), rng))
        return np.stack(views), np.array(rates)

    def validation(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Cut one window, without augmentation, from each clip of known tempo not used in training.

        Returns
        -------
        windows : ndarray of float32, shape=(n, n_frames, n_mels)
        bpm : ndarray of float32, shape=(n,)

        Raises
        ------
        DataError
            If there is no such clip.
        """
        n_frames = self.recipe.network.n_frames
        windows, bpm = [], []
        for store, clips in self.known:
            for clip in clips:
                if clip.bpm is not None:
                    frames = store.frames_of(clip)
                    start = max(0.0, (clip.length - n_frames) / 2.0)
                    windows.append(stretch(frames, start=start, rate=1.0, n_frames=n_frames))
                    bpm.append(clip.bpm)
        if not windows:
            raise DataError("too few labelled clips: none is left for validation")
        return np.stack(windows), np.array(bpm, np.float32)
