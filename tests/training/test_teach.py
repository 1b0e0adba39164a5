"""Teachers: their distributions move with the views, as S1 asks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.errors import DataError  # noqa: E402
from tempocli.training.loop import train  # noqa: E402
from tempocli.training.network import NetworkConfig, TempoNetwork  # noqa: E402
from tempocli.training.sampling import Sampler  # noqa: E402
from tempocli.training.store import Clip  # noqa: E402
from tempocli.training.teach import Teacher, open_teacher, teach  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

SMALL = NetworkConfig(channels=8, n_blocks=1, time_channels=8, time_blocks=1)


def peaked(*bins: int) -> np.ndarray:
    rows = np.zeros((len(bins), 160), np.float16)
    rows[np.arange(len(bins)), bins] = 1.0
    return rows


def test_a_target_is_the_nearest_windows_and_moves_with_the_rate() -> None:
    teacher = Teacher(peaked(50, 60, 70), {"a": (0, 3)}, hop=512)
    clip = Clip("a", 0, 2048, None, "audio", "g")
    axis = {"n_frames": 1024, "bins_per_octave": 48}
    assert teacher.target(clip, 0.0, 1.0, **axis).argmax() == 50
    assert teacher.target(clip, 520.0, 1.0, **axis).argmax() == 60
    assert teacher.target(clip, 5000.0, 1.0, **axis).argmax() == 70
    faster = teacher.target(clip, 0.0, 2.0 ** (6 / 48), **axis)
    assert faster.argmax() == 56
    assert faster.sum() == pytest.approx(1.0)


def test_teachers_are_written_read_and_used(recipe, data_folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    networks = [TempoNetwork(SMALL).eval(), TempoNetwork(SMALL).eval()]
    teach(networks, data_folder / "audio")
    teacher = open_teacher(data_folder / "audio")
    np.testing.assert_allclose(teacher.distributions.astype(np.float32).sum(axis=1), 1.0, atol=0.01)
    taught = replace(recipe, teacher=1.0, steps=2)
    batch = Sampler(data_folder, taught).batch(0)
    assert batch.targets_a.shape == (2, 160)
    values = {}
    train(taught, data_folder, tmp_path, report=lambda step, losses: values.update(losses))
    assert values["teacher"] > 0.0


def test_no_teacher_and_unlike_teachers_say_so(recipe, data_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="tempo train teach"):
        open_teacher(tmp_path)
    with pytest.raises(DataError, match="differ"):
        teach([TempoNetwork(SMALL), TempoNetwork(replace(SMALL, n_frames=512))], data_folder / "audio")
