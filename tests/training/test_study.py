"""The study of losses and labels: its runs, and what they are measured by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'train'")
pytest.importorskip("sklearn", reason="needs scikit-learn")

from study import measures, runs

SHARED = Path(__file__).resolve().parents[3] / "shared"


def test_names_are_unique_and_recipes_can_be_built() -> None:
    found = [*runs.searches(), *runs.comparisons({key: {} for key in runs.LOSSES})]
    assert len({run.name for run in found}) == len(found)
    for run in found:
        recipe = runs.recipe_of(run, 30)
        assert (recipe.steps, recipe.seed) == (30, run.seed)
        for key, setting in run.changes.items():
            assert getattr(recipe, key) == setting


def test_chosen_settings_reach_the_runs_with_labels() -> None:
    chosen = {key: {} for key in runs.LOSSES} | {"nt-xent": {"temperature": 0.2}}
    changed = {run.name for run in runs.comparisons(chosen) if run.changes.get("temperature") == 0.2}
    assert "nt-xent-1" in changed
    assert "labels-20-3" in changed
    assert "byol-1" not in changed


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_effective_rank_counts_equal_directions(rank: int) -> None:
    rng = np.random.default_rng(0)
    x = np.zeros((4000, 8), np.float32)
    x[:, :rank] = rng.normal(size=(4000, rank))
    assert measures.effective_rank(x) == pytest.approx(rank, rel=0.01)


def test_statistics_by_hand(tmp_path: Path) -> None:
    frames = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]], np.float16)
    np.save(tmp_path / "a-b.npy", frames)
    (found,) = measures.statistics(measures.Spectra(tmp_path), [tmp_path / "a" / "b.wav"])
    assert found == pytest.approx([2.0, 1.0, np.sqrt(8 / 3), 0.0, 2.0, 0.0, 0.0, 0.0], rel=1e-6)


@pytest.mark.skipif(not (SHARED / "data" / "dev.csv").is_file(), reason="needs the data beside the project")
def test_tempo_classes_are_eight_percent_wide() -> None:
    task = measures.tempo()
    assert len(task.paths) == 310
    assert 10 < len(task.labels) <= 19
