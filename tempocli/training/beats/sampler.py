"""Batches for the beat network: windows, and where their beats and downbeats are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.errors import DataError
from tempocli.training.beats.network import FRAME_STEP
from tempocli.training.data.sampling import Groups, Split
from tempocli.training.data.store import open_stores
from tempocli.training.data.views import (
    augment,
    beatless,
    draw_excerpt,
    overlay,
    pitch_shift,
    produce,
    stretch,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.features.front_end import FrontEnd
    from tempocli.training.beats.recipe import BeatRecipe
    from tempocli.training.data.store import Clip, Store

_VALIDATION_CLIPS = 200


@dataclass(frozen=True, slots=True)
class BeatBatch:
    """The windows of one step.

    Attributes
    ----------
    windows : ndarray of float32, shape=(batch_size, n_frames, n_mels)
    targets : ndarray of float32, shape=(batch_size, n_frames / FRAME_STEP, 2)
        Of beats and downbeats. A beat between two activations is divided between them.
    known : ndarray of float32, shape=(batch_size, 1, 2)
        1 where the target is known; bars may be unknown where beats are known.
    """

    windows: NDArray[np.float32]
    targets: NDArray[np.float32]
    known: NDArray[np.float32]


class BeatSampler:
    """Draws batches from the stores of a data folder.

    Parameters
    ----------
    data : Path
        Folder whose subfolders are the stores that the recipe names.
    recipe : BeatRecipe

    Attributes
    ----------
    front_end : FrontEnd

    Raises
    ------
    DataError
        If a store is missing, has no clip with known beats, or has another front end than the first.
    """

    def __init__(self, data: Path, recipe: BeatRecipe) -> None:
        self._recipe = recipe
        names = [*recipe.mix, *([recipe.overlay] if recipe.overlay else [])]
        stores = open_stores(data, names)
        self.front_end: FrontEnd = stores[names[0]].front_end
        split = Split(recipe.held_out)
        self._train: list[tuple[Store, list[Clip]]] = []
        self._held_out: list[tuple[Store, Clip]] = []
        for name in recipe.mix:
            training, held_out = split.parts(clip for clip in stores[name].clips if clip.beats)
            if not training:
                raise DataError(f"{data / name}: has no clip whose beats are known")
            self._train.append((stores[name], training))
            self._held_out += [(stores[name], clip) for clip in held_out]
        total = sum(recipe.mix.values())
        self._shares = [share / total for share in recipe.mix.values()]
        self._under = (
            (stores[recipe.overlay], Groups(stores[recipe.overlay].clips)) if recipe.overlay else None
        )

    def batch(self, step: int) -> BeatBatch:
        """Return the batch of a step."""
        rng = np.random.default_rng([self._recipe.seed, step])
        return _joined([self._window(rng) for _ in range(self._recipe.batch_size)])

    def validation(self) -> BeatBatch:
        """Cut a window, as it is, from the middle of held-out clips.

        Raises
        ------
        DataError
            If there are no held-out clips.
        """
        if not self._held_out:
            raise DataError("too few clips with known beats: none is left for validation")
        n_frames = self._recipe.network.n_frames
        rng = np.random.default_rng([self._recipe.seed, 2**31])
        chosen = rng.permutation(len(self._held_out))[:_VALIDATION_CLIPS]
        items = []
        for store, clip in (self._held_out[index] for index in chosen):
            start = max(0.0, (clip.length - n_frames) / 2.0)
            window = stretch(store.frames_of(clip), start=start, rate=1.0, n_frames=n_frames)
            items.append((window, *self._targets(clip, start, 1.0)))
        return _joined(items)

    def _window(
        self, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        recipe, n_frames = self._recipe, self._recipe.network.n_frames
        if rng.random() < recipe.beatless:
            nothing = np.zeros((n_frames // FRAME_STEP, 2), np.float32)
            return beatless(n_frames, self.front_end, rng), nothing, np.ones((1, 2), np.float32)
        store, clips = self._train[int(rng.choice(len(self._train), p=self._shares))]
        clip = clips[int(rng.integers(len(clips)))]
        rate = self._rate(rng)
        frames = store.frames_of(clip)
        start = draw_excerpt(len(frames), rate=rate, n_frames=n_frames, rng=rng)
        window = stretch(frames, start=start, rate=rate, n_frames=n_frames)
        return self._disguised(window, clip, rate, rng), *self._targets(clip, start, rate)

    def _rate(self, rng: np.random.Generator) -> float:
        spread = self._recipe.views.max_stretch
        return float(np.exp(rng.uniform(-spread, spread)))

    def _disguised(
        self, window: NDArray[np.float32], clip: Clip, rate: float, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        recipe, views = self._recipe, self._recipe.views
        if recipe.semitones:
            shift = float(rng.uniform(-recipe.semitones, recipe.semitones))
            window = pitch_shift(window, shift, self.front_end)
        window = augment(window, views, self.front_end, rng)
        times = np.array([time for time, _ in clip.beats])
        beat = float(np.median(np.diff(times))) / rate if len(times) > 1 else 0.5
        window = produce(window, beat * self.front_end.frame_rate, views, rng)
        if self._under is not None and rng.random() < views.overlay:
            store, groups = self._under
            frames, rate = store.frames_of(groups.draw(rng)), self._rate(rng)
            start = draw_excerpt(len(frames), rate=rate, n_frames=len(window), rng=rng)
            under = stretch(frames, start=start, rate=rate, n_frames=len(window))
            window = overlay(window, augment(under, views, self.front_end, rng), rng)
        return window

    def _targets(
        self, clip: Clip, start: float, rate: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        times = np.array([time for time, _ in clip.beats])
        positions = np.array([position for _, position in clip.beats])
        places = (times * self.front_end.frame_rate - start) / rate / FRAME_STEP
        n = self._recipe.network.n_frames // FRAME_STEP
        targets = np.stack([_spread(places, n), _spread(places[positions == 1], n)], axis=1)
        known = np.array([[1.0, 1.0 if positions.all() else 0.0]], np.float32)
        return targets, known


def _spread(places: NDArray[np.float64], n: int) -> NDArray[np.float32]:
    """Divide each event between the two nearest of `n` places."""
    out = np.zeros(n + 2, np.float32)  # one more at each end
    inside = places[(places > -1.0) & (places < n)] + 1.0
    below = np.floor(inside).astype(np.int64)
    weight = (inside - below).astype(np.float32)
    np.maximum.at(out, below, 1.0 - weight)
    np.maximum.at(out, below + 1, weight)
    return out[1:-1]


def _joined(items: list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]) -> BeatBatch:
    windows, targets, known = (np.stack(part) for part in zip(*items, strict=True))
    return BeatBatch(windows, targets, known)
