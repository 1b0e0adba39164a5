"""What all kinds of training share: the split by groups, and drawing unlabelled tracks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tempocli.errors import DataError
from tempocli.features.front_end import FrontEnd
from tempocli.training.data.sampling import Groups, Split, UnlabelledTracks
from tempocli.training.data.store import Clip, StoreWriter, open_store, open_stores

if TYPE_CHECKING:
    from pathlib import Path


def clip(group: str, index: int = 0, length: int = 100) -> Clip:
    return Clip(f"{group}-{index}", 100 * index, length, None, "audio", group)


def write_store(
    folder: Path, groups: list[str], *, length: int = 100, front_end: FrontEnd | None = None
) -> None:
    with StoreWriter(folder, front_end or FrontEnd()) as writer:
        for index, group in enumerate(groups):
            frames = np.full((length, 40), index, np.float32)
            writer.add(f"{group}-{index}", frames, bpm=None, style="audio", group=group)


@pytest.mark.slow
def test_the_split_keeps_groups_together_and_holds_out_the_share() -> None:
    clips = [clip(f"album-{group}", index) for group in range(1000) for index in range(3)]
    training, held_out = Split(4).parts(clips)
    assert len(training) + len(held_out) == len(clips)
    assert not {each.group for each in training} & {each.group for each in held_out}
    assert len(held_out) / len(clips) == pytest.approx(0.25, abs=0.04)
    assert all(Split(4).is_held_out(each) for each in held_out)
    assert [each for each in clips if each in set(training)] == training  # in their order


def test_the_split_does_not_change() -> None:
    """Or clips that a model was trained on would count as held out."""
    assert [index for index in range(60) if Split(20).is_held_out(clip(f"album-{index}"))] == [10, 33]


def test_groups_are_drawn_by_the_root_of_their_length() -> None:
    groups = Groups([clip("large", index) for index in range(16)] + [clip("small", 20)])
    rng = np.random.default_rng(0)
    counts = Counter(groups.draw(rng).group for _ in range(4000))
    assert counts["large"] / counts["small"] == pytest.approx(4.0, rel=0.15)


def test_tracks_are_drawn_by_the_shares_of_their_stores(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_store(tmp_path / name, [f"{name}{index}" for index in range(12)])
    tracks = UnlabelledTracks(tmp_path, {"a": 3.0, "b": 1.0}, Split(4))
    rng = np.random.default_rng(0)
    drawn = [tracks.draw(rng) for _ in range(2000)]
    counts = Counter(each.group[0] for _, each in drawn)
    assert counts["a"] / counts["b"] == pytest.approx(3.0, rel=0.2)
    assert not any(Split(4).is_held_out(each) for _, each in drawn)
    store, one = drawn[0]
    assert store.frames_of(one).shape == (100, 40)
    assert tracks.draw_first(rng)[0] is tracks.stores[0]


def test_tracks_held_out_come_once_each(tmp_path: Path) -> None:
    write_store(tmp_path / "a", [f"a{index}" for index in range(40)])
    tracks = UnlabelledTracks(tmp_path, {"a": 1.0}, Split(4))
    drawn = [each.name for _, each in tracks.draw_held_out(np.random.default_rng(0), 1000)]
    assert len(drawn) == len(set(drawn)) == len(tracks.held_out) > 1
    assert len(tracks.draw_held_out(np.random.default_rng(0), 1)) == 1


def test_tracks_that_cannot_be_drawn_are_refused(tmp_path: Path) -> None:
    write_store(tmp_path / "a", ["a", "b"])
    with pytest.raises(DataError, match="no stores"):
        UnlabelledTracks(tmp_path, {}, Split(4))
    with pytest.raises(DataError, match="too few long clips to train on"):
        UnlabelledTracks(tmp_path, {"a": 1.0}, Split(4), longer_than=100)
    tracks = UnlabelledTracks(tmp_path, {"a": 1.0}, Split(10**9))
    with pytest.raises(DataError, match="none is left for validation"):
        tracks.draw_held_out(np.random.default_rng(0), 1)


def test_stores_of_different_front_ends_are_not_opened_together(tmp_path: Path) -> None:
    write_store(tmp_path / "a", ["a"])
    write_store(tmp_path / "b", ["b"], front_end=FrontEnd(hop_length=512))
    assert open_store(tmp_path / "b").front_end.hop_length == 512
    assert list(open_stores(tmp_path, ["a"])) == ["a"]
    with pytest.raises(DataError, match="different front-end settings"):
        open_stores(tmp_path, ["a", "b"])
    with pytest.raises(DataError, match="holds no feature store"):
        open_stores(tmp_path, ["a", "c"])
