"""The split into training and validation, and the drawing of unlabelled tracks."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tempocli.errors import DataError
from tempocli.training.data.store import open_stores

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tempocli.training.data.store import Clip, Store


@dataclass(frozen=True, slots=True)
class Split:
    """The split of clips into training and validation, by their groups.

    Attributes
    ----------
    held_out : int
        One in `held_out` groups is held out of training.
    """

    held_out: int

    def is_held_out(self, clip: Clip) -> bool:
        """Return whether a clip is held out; all clips of a group are on the same side."""
        return zlib.crc32(clip.group.encode()) % self.held_out == 0

    def parts(self, clips: Iterable[Clip]) -> tuple[list[Clip], list[Clip]]:
        """Return the clips for training and the held-out clips, in order."""
        training: list[Clip] = []
        validation: list[Clip] = []
        for clip in clips:
            (validation if self.is_held_out(clip) else training).append(clip)
        return training, validation


class Groups:
    """Draws clips of unlabelled music, group by group.

    Parameters
    ----------
    clips : list of Clip
        At least one.

    Attributes
    ----------
    clips : list of Clip
    """

    def __init__(self, clips: list[Clip]) -> None:
        by_group: dict[str, list[Clip]] = {}
        for clip in clips:
            by_group.setdefault(clip.group, []).append(clip)
        self.clips = clips
        self._groups = list(by_group.values())
        # Square root: large packages do not dominate, and small ones are not drawn too often.
        shares = np.sqrt([sum(clip.length for clip in group) for group in self._groups])
        self._weights = shares / shares.sum()

    def draw(self, rng: np.random.Generator) -> Clip:
        """Draw a group, then a clip of it."""
        group = self._groups[int(rng.choice(len(self._groups), p=self._weights))]
        return group[int(rng.integers(len(group)))]

    def draw_together(self, rng: np.random.Generator, number: int) -> list[Clip]:
        """Draw a group, then up to `number` different clips of it."""
        group = self._groups[int(rng.choice(len(self._groups), p=self._weights))]
        return [group[index] for index in rng.choice(len(group), min(number, len(group)), replace=False)]


class UnlabelledTracks:
    """Draws tracks from several stores; tempi in a store are never read.

    Parameters
    ----------
    data : Path
        Folder whose subfolders are the stores.
    shares : dict of str to float
        Share of each store in the draws, by folder name.
    split : Split
    longer_than : float
        Length in frames; clips that are not longer are left out.

    Attributes
    ----------
    stores : list of Store
    front_end : FrontEnd
        The front end of all stores.
    held_out : list of (Store, Clip)
        Clips for validation.

    Raises
    ------
    DataError
        If no stores are named, or one is missing, empty, without clips to train on, or has another front end
        than the first.
    """

    def __init__(self, data: Path, shares: dict[str, float], split: Split, *, longer_than: float = 0) -> None:
        if not shares:
            raise DataError("the recipe names no stores")
        self.stores = list(open_stores(data, shares).values())
        self.front_end = self.stores[0].front_end
        values = np.array(list(shares.values()))
        self._shares = values / values.sum()
        self._groups: list[Groups] = []
        self.held_out: list[tuple[Store, Clip]] = []
        for name, store in zip(shares, self.stores, strict=True):
            training, validation = split.parts(clip for clip in store.clips if clip.length > longer_than)
            if not training:
                raise DataError(f"{data / name}: too few long clips to train on")
            self._groups.append(Groups(training))
            self.held_out += [(store, clip) for clip in validation]

    def training(self) -> list[tuple[Store, Clip]]:
        """Return the clips for training, in order."""
        pairs = zip(self.stores, self._groups, strict=True)
        return [(store, clip) for store, groups in pairs for clip in groups.clips]

    def draw(self, rng: np.random.Generator) -> tuple[Store, Clip]:
        """Draw a store by its share, then a clip for training."""
        which = int(rng.choice(len(self.stores), p=self._shares))
        return self.stores[which], self._groups[which].draw(rng)

    def draw_together(self, rng: np.random.Generator, number: int) -> list[tuple[Store, Clip]]:
        """Draw a store by its share, then up to `number` clips for training of one of its groups."""
        if number == 1:
            return [self.draw(rng)]
        which = int(rng.choice(len(self.stores), p=self._shares))
        return [(self.stores[which], clip) for clip in self._groups[which].draw_together(rng, number)]

    def draw_first(self, rng: np.random.Generator) -> tuple[Store, Clip]:
        """Draw a clip for training from the first store."""
        return self.stores[0], self._groups[0].draw(rng)

    def draw_held_out(self, rng: np.random.Generator, number: int) -> list[tuple[Store, Clip]]:
        """Draw up to `number` different clips for validation.

        Raises
        ------
        DataError
            If there are no held-out clips.
        """
        if not self.held_out:
            raise DataError("too few tracks: none is left for validation")
        return [self.held_out[index] for index in rng.permutation(len(self.held_out))[:number]]
