"""Feature stores survive interruptions and keep their settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tempocli.errors import DataError
from tempocli.features.front_end import FrontEnd
from tempocli.training.data.store import StoreWriter, open_store, read_index

if TYPE_CHECKING:
    from pathlib import Path


def fill(folder: Path, names: str) -> None:
    with StoreWriter(folder, FrontEnd()) as writer:
        for name in names:
            writer.add(
                name, np.full((ord(name), 40), ord(name) / 100.0, np.float32), bpm=100.0, style="s", group="g"
            )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    fill(tmp_path, "ab")
    store = open_store(tmp_path)
    assert [clip.name for clip in store.clips] == ["a", "b"]
    clip = store.clips[1]
    frames = store.frames[clip.start : clip.start + clip.length]
    assert frames.shape == (ord("b"), 40)
    np.testing.assert_allclose(frames.astype(np.float32), ord("b") / 100.0, rtol=1e-3)


def test_an_interrupted_clip_is_dropped_and_made_again(tmp_path: Path) -> None:
    fill(tmp_path, "ab")
    index, frames = tmp_path / "clips.jsonl", tmp_path / "frames.f16"
    # Killed after the frames of a third clip and half of its line.
    with frames.open("ab") as file:
        file.write(b"\0" * 4001)
    with index.open("a") as file:
        file.write('{"name": "c", "sta')
    assert [clip.name for clip in read_index(tmp_path)] == ["a", "b"]
    assert len(open_store(tmp_path).frames) == ord("a") + ord("b")
    fill(tmp_path, "c")
    store = open_store(tmp_path)
    assert [clip.name for clip in store.clips] == ["a", "b", "c"]
    clip = store.clips[2]
    np.testing.assert_allclose(store.frames[clip.start].astype(np.float32), ord("c") / 100.0, rtol=1e-3)


def test_other_settings_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    with pytest.raises(DataError, match="front-end"):
        StoreWriter(tmp_path, FrontEnd(n_mels=64))


@pytest.mark.parametrize(
    ("name", "size"),
    [("frames.f16", 80 * 97), ("frames.f16", 80 * 97 - 3), ("frames.f16", 0), ("front_end.json", 9)],
)
def test_a_store_that_is_cut_off_says_so(tmp_path: Path, name: str, size: int) -> None:
    """Or the missing frames would be trained on as silence."""
    fill(tmp_path, "ab")
    os.truncate(tmp_path / name, size)
    with pytest.raises(DataError, match="damaged"):
        open_store(tmp_path)


def test_no_clips_are_added_where_frames_are_missing(tmp_path: Path) -> None:
    fill(tmp_path, "ab")
    os.truncate(tmp_path / "frames.f16", 4000)
    with pytest.raises(DataError, match="frames are missing"):
        fill(tmp_path, "c")


@pytest.mark.parametrize("content", [None, "", '{"name": 1}\n'])
def test_no_store_says_so(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "clips.jsonl").write_text(content)
    with pytest.raises(DataError):
        open_store(tmp_path)


@pytest.mark.parametrize("name", ["front_end.json", "frames.f16"])
def test_a_damaged_store_says_so(tmp_path: Path, name: str) -> None:
    fill(tmp_path, "a")
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(DataError, match=f"{name}: damaged"):
        open_store(tmp_path)


def test_damaged_settings_say_so_when_clips_are_added(tmp_path: Path) -> None:
    fill(tmp_path, "a")
    (tmp_path / "front_end.json").write_bytes(b"")
    with pytest.raises(DataError, match="damaged"):
        fill(tmp_path, "b")
