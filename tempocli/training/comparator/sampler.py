"""Batches for the comparator: windows of unlabelled tracks, each at its own known rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.training.data.sampling import Split, UnlabelledTracks
from tempocli.training.data.views import augment, stretch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.training.comparator.recipe import ComparisonRecipe
    from tempocli.training.data.store import Clip, Store

# Ratios of tempi that are easily confused: octaves, 4/3, and three against two.
_CONFUSIONS = tuple(np.log([4 / 3, 3 / 2, 2.0]))
_OCTAVE = float(np.log(2.0))
_VALIDATION_TRACKS = 96


@dataclass(frozen=True, slots=True)
class TrackViews:
    """Windows of several tracks, each at its own known rate.

    Attributes
    ----------
    windows : ndarray of float32, shape=(tracks * views, n_frames, n_mels)
    log_rates : ndarray of float32, shape=(tracks, views)
        Natural logarithms of the rates.
    """

    windows: NDArray[np.float32]
    log_rates: NDArray[np.float32]


class PairSampler:
    """Cuts windows of unlabelled tracks at known rates.

    Parameters
    ----------
    data : Path
        Folder whose subfolders are the stores that the recipe names.
    recipe : ComparisonRecipe

    Raises
    ------
    DataError
        If a store is missing or empty, or has another front end than the first.
    """

    def __init__(self, data: Path, recipe: ComparisonRecipe) -> None:
        self._recipe = recipe
        # Clips shorter than the fastest view needs would be padded, and padding reveals the rate.
        shortest = np.exp(recipe.spread) * recipe.network.n_frames + 2
        self._tracks = UnlabelledTracks(data, recipe.stores, Split(recipe.held_out), longer_than=shortest)
        self.front_end = self._tracks.front_end

    def batch(self, step: int) -> TrackViews:
        """Return the batch of a step."""
        rng = np.random.default_rng([self._recipe.seed, step])
        return self._views((self._tracks.draw(rng) for _ in range(self._recipe.tracks)), rng)

    def validation(self) -> TrackViews:
        """Return a batch of held-out tracks, the same every time.

        Raises
        ------
        DataError
            If there are no held-out tracks.
        """
        rng = np.random.default_rng([self._recipe.seed, 2**31])
        return self._views(self._tracks.draw_held_out(rng, _VALIDATION_TRACKS), rng)

    def _views(self, tracks: Iterable[tuple[Store, Clip]], rng: np.random.Generator) -> TrackViews:
        windows, rates = [], []
        for store, clip in tracks:  # lazy: tracks and views are drawn alternately from one generator
            track, log_rates = self._track(store, clip, rng)
            windows += track
            rates.append(log_rates)
        return TrackViews(np.stack(windows), np.stack(rates))

    def music(self, number: int) -> NDArray[np.float32]:
        """Cut a window without augmentation from each of `number` clips, shape=(number, n_frames, n_mels)."""
        n_frames = self._recipe.network.n_frames
        rng = np.random.default_rng(self._recipe.seed)
        drawn = [self._tracks.draw_first(rng) for _ in range(number)]
        return np.stack(
            [
                stretch(
                    store.frames_of(clip),
                    start=max(0.0, (clip.length - n_frames) / 2.0),
                    rate=1.0,
                    n_frames=n_frames,
                )
                for store, clip in drawn
            ]
        )

    def _track(
        self, store: Store, clip: Clip, rng: np.random.Generator
    ) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
        recipe, n_frames = self._recipe, self._recipe.network.n_frames
        log_rates = draw_log_rates(recipe, rng)
        frames = store.frames_of(clip)
        reach = recipe.neighbourhood * self.front_end.frame_rate
        first = rng.uniform(0.0, max(0.0, clip.length - reach))
        last = min(clip.length, first + reach)
        windows = []
        for log_rate in log_rates:
            rate = float(np.exp(log_rate))
            needed = rate * n_frames + 2
            low = min(first, clip.length - needed)
            start = float(rng.uniform(low, max(low, last - needed)))
            window = stretch(frames, start=start, rate=rate, n_frames=n_frames)
            windows.append(augment(window, recipe.augmentation, self.front_end, rng))
        return windows, log_rates


def draw_log_rates(recipe: ComparisonRecipe, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw the log-rates of a track's views: the same, nearly the same, or easily confused.

    Returns
    -------
    ndarray of float32, shape=(views,)
    """
    jitter = 0.25 * recipe.same
    rates = [float(rng.uniform(-recipe.spread, recipe.spread))]
    while len(rates) < recipe.views:
        rate = rates[int(rng.integers(len(rates)))]
        if len(rates) == 1 or rng.random() < recipe.copies:
            rates.append(rate + float(rng.uniform(-jitter, jitter)))
            continue
        draw = rng.random()
        if draw < recipe.hard:
            distance = float(rng.uniform(recipe.different, 0.12))
        elif draw < recipe.hard + 0.15:
            distance = float(rng.choice(_CONFUSIONS))
        elif draw < recipe.hard + 0.15 + recipe.octaves:
            distance = _OCTAVE
        else:
            distance = float(rng.uniform(0.12, 2.0 * recipe.spread))
        choices = [rate + sign * distance for sign in (-1.0, 1.0)]
        choices = [choice for choice in choices if abs(choice) <= recipe.spread]
        if choices:
            rates.append(choices[int(rng.integers(len(choices)))])
    return np.array(rates, np.float32)
