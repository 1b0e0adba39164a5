"""Feature stores packed to be carried to another machine."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("PIL", reason="needs Pillow")

from study import packing

from tempocli.errors import DataError
from tempocli.features.front_end import FrontEnd
from tempocli.training.data.store import StoreWriter, open_store

if TYPE_CHECKING:
    from pathlib import Path

FRONT_END = FrontEnd(n_mels=96)


def texture(n_frames: int, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return slow changes of smooth spectra, as overlapping windows of music have them."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.0, 6.0, (n_frames // 8 + 2, 13))
    bands = np.stack([np.interp(np.linspace(0, 12, 96), np.arange(13), row) for row in coarse])
    places = np.arange(n_frames) / 8.0
    below = places.astype(int)
    weight = (places - below)[:, None]
    return np.asarray(bands[below] * (1.0 - weight) + bands[below + 1] * weight, np.float32)


def stores(folder: Path) -> None:
    with StoreWriter(folder / "recorded", FRONT_END) as writer:
        for index in range(3):
            writer.add(f"{index}", texture(301 + index, index), bpm=None, style="rock", group=f"{index}")
        writer.add("one frame", texture(1, 9), bpm=None, style="rock", group="9")
    with StoreWriter(folder / "composed", FRONT_END) as writer:
        writer.add(
            "a", texture(400, 7), bpm=120.0, style="waltz", group="a", beats=((0.5, 1),), programs=(4, 128)
        )


def packed(folder: Path, **changes: float) -> Path:
    stores(folder / "data")
    settings: dict[str, Any] = {"seconds": 3.0, "composed": 2.0, "quality": 90, "part": 38.0}
    packing.pack(folder / "data", folder / "packed", **(settings | changes))
    return folder / "packed"


def test_unpacked_frames_are_nearly_those_that_were_packed(tmp_path: Path) -> None:
    packing.unpack(packed(tmp_path), tmp_path / "back", jobs=1)
    before, after = (open_store(tmp_path / name / "recorded") for name in ("data", "back"))
    assert [clip.name for clip in after.clips] == ["0", "1", "2"]
    assert [clip.length for clip in after.clips] == [258, 258, 258]  # 3 s
    for one, other in zip(before.clips, after.clips, strict=False):
        wanted = before.frames_of(one)[:258].astype(np.float32)
        found = after.frames_of(other).astype(np.float32)
        assert np.sqrt(np.square(found - wanted).mean()) < 0.1 * wanted.std()
    (clip,) = open_store(tmp_path / "back" / "composed").clips
    assert (clip.length, clip.bpm, clip.style) == (172, 120.0, "waltz")
    assert ([list(beat) for beat in clip.beats], list(clip.programs)) == ([[0.5, 1]], [4, 128])


def test_parts_are_small_and_can_be_unpacked_one_after_the_other(tmp_path: Path) -> None:
    folder = packed(tmp_path, part=0.002)
    parts = sorted(folder.iterdir())
    assert len(parts) > 1
    packing.unpack(folder, tmp_path / "whole", jobs=1)
    for part in parts:
        (tmp_path / "carried").mkdir(exist_ok=True)
        part.rename(tmp_path / "carried" / part.name)
        packing.unpack(tmp_path / "carried", tmp_path / "parts", jobs=1)
    for name in ("recorded", "composed"):
        whole, other = (open_store(tmp_path / folder / name) for folder in ("whole", "parts"))
        assert whole.clips == other.clips
        assert np.array_equal(whole.frames, other.frames)


def test_silence_stays_silent() -> None:
    frames = packing.decode(packing.encode(np.zeros((20, 96), np.float16), 75))
    assert frames.shape == (20, 96)
    assert not frames.any()


def test_errors_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no feature stores"):
        packing.pack(tmp_path / "empty", tmp_path / "x", seconds=1.0, composed=1.0, quality=75, part=1.0)
    with pytest.raises(DataError, match="holds no packed stores"):
        packing.unpack(tmp_path / "empty", tmp_path / "x", 1)
    folder = packed(tmp_path)
    with pytest.raises(DataError, match="is not empty"):
        packed(tmp_path)
    (folder / "part-0.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"part-0\.zip: damaged"):
        packing.unpack(folder, tmp_path / "x", 1)
    with zipfile.ZipFile(folder / "part-0.zip", "w") as file:
        file.writestr("000000.json", "{}")
    with pytest.raises(DataError, match=r"part-0\.zip: damaged"):
        packing.unpack(folder, tmp_path / "x", 1)
