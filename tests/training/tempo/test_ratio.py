"""The ratio loss of Quinton 2022, and its network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from tempocli.errors import DataError  # noqa: E402
from tempocli.training.losses import total_loss  # noqa: E402
from tempocli.training.recipe import find_recipe, read_recipe  # noqa: E402
from tempocli.training.tempo.deploy import deployable  # noqa: E402
from tempocli.training.tempo.losses import LOSSES, TempoOutputs, ratio  # noqa: E402
from tempocli.training.tempo.network import NetworkConfig, TempoNetwork  # noqa: E402
from tempocli.training.tempo.recipe import TempoRecipe  # noqa: E402
from tempocli.training.tempo.scalar import ScalarNetwork, build_tempo  # noqa: E402
from tempocli.training.tempo.scale import rescale, scale_shift, tempo_offsets  # noqa: E402

CONFIG = NetworkConfig(
    n_frames=128, scalar=True, context=False, n_activations=0, frame_step=1, embedding_dim=16
)


def test_by_hand() -> None:
    z_a, z_b = torch.tensor([1.0, 2.0]), torch.tensor([2.0, 1.0])
    rate_a, rate_b = torch.tensor([1.0, 1.0]), torch.tensor([1.0, 2.0])
    # 1/2 - 1 and 2 - 1/2; 2 - 1 and 1/2 - 2.
    expected = 0.5 * ((0.5 + 1.5) / 2 + (1.0 + 1.5) / 2)
    assert float(ratio(z_a, z_b, rate_a, rate_b)) == pytest.approx(expected)


@pytest.mark.parametrize("factor", [1.0, 0.01, -3.0])
def test_one_factor_is_free(factor: float) -> None:
    rates = torch.tensor([0.8, 1.0, 1.2]), torch.tensor([1.1, 0.9, 1.0])
    z = [factor * rate * torch.tensor([90.0, 120.0, 171.0]) for rate in rates]
    assert float(ratio(*z, *rates)) == pytest.approx(0.0, abs=1e-6)


def test_a_constant_is_no_minimum_and_there_is_a_pole() -> None:
    rates = torch.tensor([0.8]), torch.tensor([1.2])
    constant = float(ratio(torch.ones(1), torch.ones(1), *rates))
    assert constant > 0.3
    assert float(ratio(torch.ones(1), torch.full((1,), 1e-3), *rates)) > 100.0 * constant


@pytest.fixture
def network() -> ScalarNetwork:
    torch.manual_seed(0)
    built = build_tempo(CONFIG)
    assert isinstance(built, ScalarNetwork)
    return built.eval()


def test_the_distribution_is_at_the_number(network: ScalarNetwork) -> None:
    windows = torch.rand(3, 128, 40)
    logits, octave, embedding = network.parts(windows)
    assert logits.shape == (3, CONFIG.n_bins)
    assert embedding.shape == (3, 16)
    assert not octave.any()
    with torch.no_grad():
        network.last.weight.zero_()
        network.last.bias.fill_(-1.2)  # the sign means nothing
        logits, _ = network(windows)
    place = np.log2(120.0 / CONFIG.min_bpm) * CONFIG.bins_per_octave
    assert logits.argmax(dim=1).tolist() == [round(place)] * 3


def test_click_tracks_set_the_scale(network: ScalarNetwork) -> None:
    with torch.no_grad():
        network.last.weight.zero_()
        network.last.bias.fill_(250.0)  # far outside of the axis: 25,000 BPM
    windows, tempi = np.random.default_rng(0).random((5, 128, 40), np.float32), np.full(5, 80.0, np.float32)
    assert scale_shift(CONFIG, tempo_offsets(network, windows, tempi)) > CONFIG.n_bins
    scaled = rescale(network, windows, tempi)
    assert tempo_offsets(scaled, windows, tempi) == pytest.approx(np.zeros(5), abs=1e-3)
    logits, _ = deployable(scaled)(torch.from_numpy(windows))
    bins = logits.argmax(dim=1).numpy()
    assert CONFIG.min_bpm * 2 ** (bins / CONFIG.bins_per_octave) == pytest.approx(np.full(5, 80.0), rel=0.01)


def test_the_recipe_trains_by_the_ratio_alone() -> None:
    recipe = read_recipe(find_recipe("ratio"), TempoRecipe)
    assert isinstance(build_tempo(recipe.network), ScalarNetwork)
    views = torch.zeros(2, 4, recipe.network.n_bins)
    z = torch.rand(2, 4).add(0.5).requires_grad_()
    outputs = TempoOutputs(torch.zeros(0, 1), torch.zeros(0), views, torch.rand(2, 4), z)
    loss, values = total_loss(LOSSES, outputs, recipe, 0)
    assert set(values) == {"loss", "ratio"}
    loss.backward()
    assert z.grad is not None
    assert z.grad.abs().sum() > 0.0


def test_other_networks_have_no_ratio() -> None:
    recipe = read_recipe(find_recipe("ratio"), TempoRecipe)
    assert isinstance(build_tempo(replace(recipe.network, scalar=False)), TempoNetwork)
    outputs = TempoOutputs(torch.zeros(0, 1), torch.zeros(0), torch.zeros(2, 4, 9), torch.zeros(2, 4))
    with pytest.raises(DataError, match="not scalar"):
        total_loss(LOSSES, outputs, recipe, 0)


@pytest.mark.slow
def test_it_learns_to_tell_rates_apart(network: ScalarNetwork) -> None:
    frames = torch.arange(128.0)
    rng = np.random.default_rng(0)

    def clicks(periods: np.ndarray) -> torch.Tensor:
        phases = rng.random(len(periods))
        turns = frames / torch.from_numpy(periods)[:, None] + torch.from_numpy(phases)[:, None]
        waves = torch.cos(2.0 * torch.pi * turns).float()
        return waves.clamp(min=0.0).pow(8)[:, :, None].expand(-1, -1, 40).contiguous()

    network.train()
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        period, rates = rng.uniform(10.0, 20.0, 16), rng.uniform(0.8, 1.2, (2, 16))
        z = [network.scalar(network.parts(clicks(period / rate))[2]) for rate in rates]
        loss = ratio(*z, *torch.from_numpy(rates).float())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    assert np.median(losses[-10:]) < 0.5 * np.median(losses[:10])
