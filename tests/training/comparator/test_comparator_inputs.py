"""What the comparator may read: a trained encoder stays as it was, and gives what it was trained for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.cli import cli  # noqa: E402
from tempocli.errors import DataError  # noqa: E402
from tempocli.inference.comparator import Comparator  # noqa: E402
from tempocli.training.comparator.build import build_comparator  # noqa: E402
from tempocli.training.comparator.inputs import EquivariantInput, dense_features  # noqa: E402
from tempocli.training.comparator.losses import ratio_loss  # noqa: E402
from tempocli.training.comparator.recipe import ComparisonRecipe  # noqa: E402
from tempocli.training.contrastive.network import ContrastiveConfig, ContrastiveNetwork  # noqa: E402
from tempocli.training.kinds import load_recipe, train  # noqa: E402
from tempocli.training.recipe import read_recipe  # noqa: E402
from tempocli.training.tempo.network import NetworkConfig, TempoNetwork  # noqa: E402

ENCODERS = {
    "equivariant": """
kind = "tempo"
name = "alone"
steps = 2
unlabelled = "audio"
unlabelled_size = 2
scale = "clicks"
equivariance_start = 0
[views]
overlay = 1.0
[network]
context = false
n_activations = 0
frame_step = 1
min_bpm = 15.0
n_bins = 256
channels = 16
n_blocks = 1
""",
    "contrastive": """
kind = "contrastive"
name = "small"
steps = 2
tracks = 4
[stores]
audio = 1.0
[network]
channels = [8, 8, 16, 16]
n_blocks = 1
embedding_dim = 16
projection_dim = 8
""",
}
COMPARISON = """
kind = "comparison"
name = "small"
input = "{input}"
encoder = "{encoder}"
steps = 2
tracks = 2
views = 4
spread = 0.3
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


def write_recipe(folder: Path, kind: str) -> Path:
    """Write a recipe that reads an encoder, and the encoder's; give the former."""
    (folder / "encoder.toml").write_text(ENCODERS[kind])
    path = folder / "comparison.toml"
    path.write_text(COMPARISON.format(input=kind, encoder=folder / "encoder.toml"))
    return path


@pytest.fixture(params=["equivariant", "contrastive"])
def trained(request: pytest.FixtureRequest, data_folder: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Give a recipe that reads an encoder, and the run of the encoder."""
    recipe, run = write_recipe(tmp_path, request.param), tmp_path / "encoder"
    train(load_recipe(tmp_path / "encoder.toml"), data_folder, run)
    return recipe, run


@pytest.mark.slow
def test_from_an_encoders_run_to_a_comparator(trained: tuple[Path, Path], data_folder: Path) -> None:
    recipe, encoder = trained
    folder = recipe.parent
    shared = [str(recipe), "--data", str(data_folder)]
    arguments = ["train", "run", *shared, "--encoder", str(encoder), "--out", str(folder / "run")]
    outcome = CliRunner().invoke(cli, arguments)
    assert outcome.exit_code == 0, outcome.output
    before = torch.load(encoder / "checkpoint.pt", weights_only=True)["average"]
    after = torch.load(folder / "run" / "checkpoint.pt", weights_only=True)
    for kind in ("network", "average"):
        for name, value in before.items():
            assert torch.equal(after[kind][f"trunk.source.encoder.{name}"], value), name
    model = folder / "small.onnx"
    # The comparator's checkpoint holds the encoder: the export needs no run of it.
    outcome = CliRunner().invoke(
        cli, ["train", "export", *shared, "--run", str(folder / "run"), "-o", str(model)]
    )
    assert outcome.exit_code == 0, outcome.output
    assert Comparator(model, device="cpu").spec.embedding_dim == 32


@pytest.mark.slow
def test_learned_onset_curves_are_learned_and_exported(data_folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "learned.toml"
    recipe.write_text(COMPARISON.format(input="learned", encoder=""))
    shared = [str(recipe), "--data", str(data_folder)]
    outcome = CliRunner().invoke(cli, ["train", "run", *shared, "--out", str(tmp_path / "run")])
    assert outcome.exit_code == 0, outcome.output
    torch.manual_seed(0)
    begun = build_comparator(read_recipe(recipe, ComparisonRecipe)).state_dict()
    trained = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["network"]
    branch = [name for name in begun if name.startswith("trunk.source.branch.") and "weight" in name]
    assert branch
    assert not any(torch.equal(begun[name], trained[name]) for name in branch)
    model = tmp_path / "learned.onnx"
    outcome = CliRunner().invoke(
        cli, ["train", "export", *shared, "--run", str(tmp_path / "run"), "-o", str(model)]
    )
    assert outcome.exit_code == 0, outcome.output
    assert Comparator(model, device="cpu").spec.embedding_dim == 32


@pytest.mark.slow
def test_a_recipe_with_an_encoder_needs_its_run(data_folder: Path, tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path, "contrastive"))
    with pytest.raises(DataError, match="run of an encoder by the recipe"):
        train(recipe, data_folder, tmp_path / "run")
    plain = ComparisonRecipe(name="plain", stores={"audio": 1.0})
    with pytest.raises(DataError, match="needs no encoder"):
        train(plain, data_folder, tmp_path / "run", encoder=tmp_path)


@pytest.mark.parametrize(
    ("source", "encoder"), [("modulation", "none"), ("learned", "none"), ("contrastive", ""), ("mel", "")]
)
def test_inputs_that_do_not_go_with_their_encoder_are_refused(source: str, encoder: str) -> None:
    with pytest.raises(ValueError, match=r"encoder|none of"):
        ComparisonRecipe(name="x", stores={"audio": 1.0}, input=source, encoder=encoder)


def test_a_network_with_a_context_path_is_no_equivariant_input() -> None:
    recipe = ComparisonRecipe(name="x", stores={"audio": 1.0}, input="equivariant", encoder="tempo")
    with pytest.raises(DataError, match="works alike"):
        build_comparator(recipe)


def test_equivariant_maps_are_what_the_network_answers_from() -> None:
    torch.manual_seed(0)
    config = NetworkConfig(context=False, n_activations=0, frame_step=1, channels=16, n_blocks=2)
    network = TempoNetwork(config).eval()
    windows = torch.rand(2, 1024, 40)
    source = EquivariantInput(network).train()
    with torch.inference_mode():
        logits = network.head[-1](source(windows))[:, 0]
        assert torch.allclose(logits, network(windows)[0], atol=1e-6)
    assert source.training
    assert not network.training


@pytest.mark.parametrize("halvings", [0, 2, 3])
def test_dense_features_hold_the_encoders_own(halvings: int) -> None:
    torch.manual_seed(0)
    encoder = ContrastiveNetwork(ContrastiveConfig(channels=(8, 8, 16, 16))).eval()
    windows = torch.rand(2, 256, 40)
    with torch.inference_mode():
        dense = dense_features(encoder, windows, halvings)
        own = dense_features(encoder, windows, 4)
        pooled = torch.cat([own.mean(dim=-1), own.amax(dim=-1)], dim=1)
        assert torch.allclose(encoder.embedding(pooled), encoder(windows), atol=1e-5)
    assert dense.shape == (2, 16, 256 // 2**halvings)
    assert torch.allclose(dense[..., :: 2 ** (4 - halvings)], own, atol=1e-5)


def test_the_ratio_loss_wants_octaves_told_and_their_way() -> None:
    octave = float(np.log(2.0))
    log_rates = torch.tensor([[0.0, octave, 0.2]])
    apart = torch.full((1, 3, 3), -9.0)
    apart[0, 0, 1] = 9.0
    faster = torch.full((1, 3, 3), 9.0)
    bounds = {"same": 0.01, "different": 0.03}
    assert ratio_loss(apart, faster, log_rates, **bounds) < 0.001
    assert ratio_loss(apart, -faster, log_rates, **bounds) > 2.0
    assert ratio_loss(-apart, faster, log_rates, **bounds) > 5.0
    assert ratio_loss(apart, faster, torch.tensor([[0.0, 0.2, 0.4]]), **bounds) == 0.0


@pytest.mark.slow
def test_a_comparator_learns_ratios_beside(data_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "ratios.toml"
    table = COMPARISON.format(input="modulation", encoder="").replace("spread = 0.3", "spread = 0.36")
    path.write_text("octaves = 0.4\nratio = 0.5\n" + table)
    recipe = load_recipe(path)
    checkpoint = train(recipe, data_folder, tmp_path / "run")
    weights = torch.load(checkpoint, weights_only=True)["average"]
    assert any(name.startswith("ratio.octave") for name in weights)
