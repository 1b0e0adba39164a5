"""Training the comparator: pairs of known rates, symmetric, resumed bit for bit, exported as trained."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.cli import cli  # noqa: E402
from tempocli.errors import DataError  # noqa: E402
from tempocli.estimator import Estimator  # noqa: E402
from tempocli.inference.comparator import Comparator  # noqa: E402
from tempocli.inference.references.bank import references_path  # noqa: E402
from tempocli.training.comparator.losses import pair_loss  # noqa: E402
from tempocli.training.comparator.network import ComparatorConfig, ComparatorNetwork, PairNetwork  # noqa: E402
from tempocli.training.comparator.recipe import ComparisonRecipe  # noqa: E402
from tempocli.training.comparator.sampler import PairSampler, draw_log_rates  # noqa: E402
from tempocli.training.engine import HISTORY  # noqa: E402
from tempocli.training.kinds import load_recipe, train  # noqa: E402
from tempocli.training.recipe import read_recipe, shipped_recipes  # noqa: E402

SMALL = """
kind = "comparison"
name = "small"
steps = 6
tracks = 4
views = 4
spread = 0.3
validate_every = 3
checkpoint_every = 2

[stores]
audio = 1.0

[calibration]
clicks = 1.0

[network]
channels = 16
n_blocks = 1
maps = 2
embedding_dim = 32
pair_dim = 16
"""


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def recipe(recipe_file: Path) -> ComparisonRecipe:
    return read_recipe(recipe_file, ComparisonRecipe)


class KilledError(Exception):
    pass


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["average"]


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(
    recipe: ComparisonRecipe, data_folder: Path, tmp_path: Path
) -> None:
    whole = train(recipe, data_folder, tmp_path / "whole")

    def kill(step: int, values: dict[str, float]) -> None:
        if step == 5:
            raise KilledError

    with pytest.raises(KilledError):
        train(recipe, data_folder, tmp_path / "killed", report=kill)
    resumed = train(recipe, data_folder, tmp_path / "killed")
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(resumed)[name]), name


@pytest.mark.slow
def test_it_learns(recipe: ComparisonRecipe, data_folder: Path, tmp_path: Path) -> None:
    longer = replace(recipe, steps=60, tracks=8, validate_every=60, ema=0.9)
    train(longer, data_folder, tmp_path)
    losses = [json.loads(line)["loss"] for line in (tmp_path / HISTORY).read_text().splitlines()]
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:5])


@pytest.mark.slow
def test_no_tempo_of_a_store_is_read(recipe: ComparisonRecipe, data_folder: Path) -> None:
    # The store "clicks" has tempi and "audio" has none; a sampler that read them would fail on one.
    for store in ("clicks", "audio"):
        batch = PairSampler(data_folder, replace(recipe, stores={store: 1.0})).batch(0)
        assert batch.windows.shape == (16, 1024, 40)
        assert not hasattr(batch, "bpm")


def test_log_rates_are_in_range_and_of_both_kinds(recipe: ComparisonRecipe) -> None:
    rng = np.random.default_rng(0)
    rates = np.stack([draw_log_rates(recipe, rng) for _ in range(300)])
    assert np.abs(rates).max() <= recipe.spread + recipe.same
    distance = np.abs(rates[:, :, None] - rates[:, None])[:, *np.triu_indices(recipe.views, 1)]
    assert 0.15 < (distance <= recipe.same).mean() < 0.6
    assert ((distance >= recipe.different) & (distance < 0.12)).mean() > 0.05
    assert np.all(distance[:, 0] <= recipe.same)  # the first two of a track are always one tempo


def test_the_loss_wants_the_same_to_be_the_same() -> None:
    log_rates = torch.tensor([[0.0, 0.001, 0.3]])
    right = torch.tensor([[[0.0, 9.0, -9.0], [9.0, 0.0, -9.0], [-9.0, -9.0, 0.0]]])
    assert pair_loss(right, log_rates, same=0.01, different=0.03) < 0.001
    assert pair_loss(-right, log_rates, same=0.01, different=0.03) > 8.0


def test_pairs_between_same_and_different_count_for_nothing() -> None:
    log_odds = torch.zeros(1, 3, 3, requires_grad=True)
    pair_loss(log_odds, torch.tensor([[0.0, 0.0, 0.02]]), same=0.01, different=0.03)
    loss = pair_loss(log_odds, torch.tensor([[0.0, 0.005, 0.3]]), same=0.01, different=0.03)
    loss.backward()
    assert log_odds.grad is not None
    assert log_odds.grad[0, 0, 1] < 0 < log_odds.grad[0, 0, 2]
    assert log_odds.grad.diagonal(dim1=1, dim2=2).abs().max() == 0


def test_the_pair_network_is_symmetric() -> None:
    torch.manual_seed(0)
    pair = PairNetwork(32, 16)
    a, b = torch.randn(5, 32), torch.randn(7, 32)
    torch.testing.assert_close(pair(a[:, None], b[None]), pair(b[:, None], a[None]).T)


def test_a_recipe_without_stores_is_refused(recipe: ComparisonRecipe, data_folder: Path) -> None:
    with pytest.raises(DataError, match="no stores"):
        PairSampler(data_folder, replace(recipe, stores={}))


@pytest.mark.slow
def test_another_prior_is_no_other_run_but_another_seed_is(
    recipe: ComparisonRecipe, data_folder: Path, tmp_path: Path
) -> None:
    train(recipe, data_folder, tmp_path)
    train(replace(recipe, prior=replace(recipe.prior, weight=0.1)), data_folder, tmp_path)
    with pytest.raises(DataError, match="another recipe"):
        train(replace(recipe, seed=5), data_folder, tmp_path)


@pytest.mark.slow
def test_from_recipe_to_estimate_by_the_command_line(
    data_folder: Path, recipe_file: Path, tmp_path: Path, click_track
) -> None:
    data = ["--data", str(data_folder)]
    out = str(tmp_path / "run")
    trained = CliRunner().invoke(cli, ["train", "run", str(recipe_file), *data, "--out", out])
    assert trained.exit_code == 0, trained.output
    model = tmp_path / "small.onnx"
    arguments = ["train", "export", str(recipe_file), *data, "--run", out, "-o", str(model)]
    exported = CliRunner().invoke(cli, arguments)
    assert exported.exit_code == 0, exported.output
    assert references_path(model).is_file()
    assert Comparator(model, device="cpu").spec.name == "small"
    estimator = Estimator(model, method="compare", device="cpu")
    assert estimator.model_name == "small"
    assert estimator.estimate_array(click_track(100.0, 15.0), 22050).duration == pytest.approx(15.0, abs=0.1)


def test_the_recipes_that_ship_can_be_read() -> None:
    recipes = [load_recipe(path) for path in shipped_recipes()]
    comparison = [recipe for recipe in recipes if isinstance(recipe, ComparisonRecipe)]
    assert "compare" in {recipe.name for recipe in comparison}
    for recipe in comparison:
        # No label of any kind: what confidence is fitted on is never trained on with its tempi.
        assert ComparatorNetwork(recipe.network).config == recipe.network


def test_sizes_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("kind = 'comparison'\nname = 'x'\n[stores]\n[network]\nwidth = 3\n")
    with pytest.raises(DataError, match="unknown setting 'width'"):
        read_recipe(path, ComparisonRecipe)


def test_the_shipped_network_is_small() -> None:
    parameters = sum(each.numel() for each in ComparatorNetwork(ComparatorConfig()).parameters())
    assert parameters < 500_000
