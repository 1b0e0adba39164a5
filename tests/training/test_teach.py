"""Teaching: targets follow the view's rate, teachers train first, and all of it goes on after a kill."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.errors import DataError  # noqa: E402
from tempocli.training.distil import teacher_recipes, train_taught  # noqa: E402
from tempocli.training.network import TempoNetwork  # noqa: E402
from tempocli.training.sampling import Sampler  # noqa: E402
from tempocli.training.store import open_store  # noqa: E402
from tempocli.training.teach import Teaching, open_teaching, teach  # noqa: E402


@pytest.fixture
def taught(recipe):
    return replace(recipe, teachers=2, taught_size=3, steps=4)


def test_a_target_moves_with_the_rate(data_folder: Path) -> None:
    store = open_store(data_folder / "audio")
    clip = store.clips[0]
    rows = np.zeros((1, 160), np.float16)
    rows[0, 60] = 1.0
    teaching = Teaching(rows, {clip.name: (0, 1)}, hop=512)
    for rate in (0.8, 1.0, 1.25):
        target = teaching.target(clip, 0.0, rate, n_frames=1024, bins_per_octave=48)
        assert target.sum() == pytest.approx(1.0, abs=1e-5)
        centre = float((target * np.arange(160)).sum())
        assert centre == pytest.approx(60 + 48 * np.log2(rate), abs=0.05)


def test_the_window_nearest_to_a_view_is_asked(data_folder: Path) -> None:
    clip = open_store(data_folder / "audio").clips[0]
    rows = np.zeros((4, 160), np.float16)
    rows[np.arange(4), [10, 40, 70, 100]] = 1.0
    teaching = Teaching(rows, {"another": (0, 1), clip.name: (1, 4)}, hop=512)
    for start, expected in ((0.0, 40), (500.0, 70), (1030.0, 100), (9999.0, 100)):
        target = teaching.target(clip, start, 1.0, n_frames=1024, bins_per_octave=48)
        assert int(target.argmax()) == expected


def test_windows_learn_the_octave_from_their_track(recipe, data_folder: Path, tmp_path: Path) -> None:
    store = open_store(data_folder / "audio")
    networks = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        networks.append(TempoNetwork(recipe.network).eval())
    teach(networks, store, tmp_path / "plain.npz", tilt=0.0)
    teach(networks, store, tmp_path / "tilted.npz", tilt=2.0)
    plain, tilted = (open_teaching(tmp_path / f"{name}.npz", store) for name in ("plain", "tilted"))
    assert plain.rows.keys() == {clip.name for clip in store.clips}
    assert plain.distributions.shape == (sum(stop - first for first, stop in plain.rows.values()), 160)
    np.testing.assert_allclose(plain.distributions.astype(float).sum(axis=1), 1.0, atol=5e-3)
    place = np.arange(160)
    assert ((tilted.distributions * place).sum(axis=1) > (plain.distributions * place).sum(axis=1)).all()


def test_teachers_differ_in_their_seeds_only(taught) -> None:
    first, second = teacher_recipes(taught)
    assert (first.seed, second.seed) == (taught.seed + 1, taught.seed + 2)
    assert first.batch_size == taught.batch_size + taught.taught_size
    assert replace(first, seed=second.seed) == second


def test_a_student_is_taught_and_resumes(taught, data_folder: Path, tmp_path: Path) -> None:
    whole = train_taught(taught, data_folder, tmp_path / "whole")
    assert '"taught"' in (tmp_path / "whole" / "history.jsonl").read_text()
    steps = []

    def kill(step: int, values: dict[str, float]) -> None:
        steps.append(step)
        if step in {6, 11}:  # in the second teacher, and in the student
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train_taught(taught, data_folder, tmp_path / "killed", report=kill)
    resumed = train_taught(taught, data_folder, tmp_path / "killed")
    assert max(steps) == 11
    one, other = (torch.load(path, weights_only=True)["average"] for path in (whole, resumed))
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_a_teaching_of_other_clips_is_refused(data_folder: Path, tmp_path: Path, taught) -> None:
    store = open_store(data_folder / "audio")
    with pytest.raises(DataError, match="not a teaching"):
        open_teaching(tmp_path / "none.npz", store)
    torch.manual_seed(0)
    teach([TempoNetwork(taught.network).eval()], store, tmp_path / "teaching.npz", tilt=0.0)
    with pytest.raises(DataError, match="other clips"):
        open_teaching(tmp_path / "teaching.npz", open_store(data_folder / "clicks"))


def test_a_sampler_without_teaching_has_no_taught_windows(data_folder: Path, taught) -> None:
    batch = Sampler(data_folder, taught).batch(0)
    assert len(batch.taught) == len(batch.targets) == 0
