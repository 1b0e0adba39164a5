"""Fine-tuning: training that starts from the weights of an exported model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")
onnx = pytest.importorskip("onnx", reason="needs the extra 'train' (onnx)")

from tempocli.cli import cli  # noqa: E402
from tempocli.errors import DataError, ModelError  # noqa: E402
from tempocli.features.front_end import FrontEnd  # noqa: E402
from tempocli.inference.beats import BeatActivations  # noqa: E402
from tempocli.inference.classifier import Encoder  # noqa: E402
from tempocli.inference.registry import resolve  # noqa: E402
from tempocli.training.beats.network import BeatNetwork  # noqa: E402
from tempocli.training.data.store import StoreWriter  # noqa: E402
from tempocli.training.engine import HISTORY  # noqa: E402
from tempocli.training.export import save, to_onnx  # noqa: E402
from tempocli.training.kinds import KINDS, load_recipe, load_run, train  # noqa: E402
from tempocli.training.recipe import find_recipe  # noqa: E402
from tempocli.training.start import START, load_weights, read_exported, restore_norms  # noqa: E402
from tempocli.training.tempo.deploy import deployable  # noqa: E402
from tempocli.training.tempo.network import NetworkConfig  # noqa: E402
from tempocli.training.tempo.sampler import TempoSampler  # noqa: E402
from tempocli.training.tempo.scale import tempo_offsets  # noqa: E402
from tempocli.training.tempo.task import TempoTask  # noqa: E402

pytestmark = pytest.mark.slow


def recipe_of(name: str, **settings: Any) -> Any:
    return replace(load_recipe(find_recipe(name)), **settings)


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory, click_track: Any) -> Path:
    """Click tracks of one pace, counted at half of their clicks."""
    folder = tmp_path_factory.mktemp("labels")
    front_end = FrontEnd()
    with StoreWriter(folder / "labels", front_end) as writer:
        for index in range(12):
            bpm = 120.0 + 3.0 * index
            log_mel = front_end.log_mel(click_track(bpm, 16.0))
            writer.add(f"{index}", log_mel, bpm=bpm / 2.0, style="label", group=f"{index}")
    return folder


@pytest.fixture(scope="module")
def windows(click_track: Any) -> np.ndarray:
    front_end = FrontEnd()
    return np.stack([front_end.log_mel(click_track(bpm, 20.0))[:1536] for bpm in (71.0, 118.0, 163.0)])


def weights_into(network: Any, name: str, recipe: Any) -> list[str]:
    exported = read_exported(name)
    weights = KINDS[recipe.kind].weights
    assert weights is not None
    merged = load_weights(network, exported, weights(exported, recipe))
    network.eval()
    return merged


def agree(ours: Any, theirs: Any, within: float) -> None:
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=within, rtol=within)


@pytest.mark.parametrize(("model", "name"), [("tempo", "fine-tune"), ("equivariant", "equivariant")])
def test_a_tempo_encoder_comes_back(model: str, name: str, windows: np.ndarray, tmp_path: Path) -> None:
    recipe = recipe_of(name)
    network = KINDS["tempo"].build(recipe, None)
    if model == "equivariant":  # on the axis of the file, which the export had cut
        given = json.loads(read_exported(model).metadata["network"])
        network = KINDS["tempo"].build(replace(recipe, network=NetworkConfig(**given)), None)
    weights_into(network, model, recipe)
    windows = windows[:, :1024]
    with torch.inference_mode():
        ours = [each.numpy() for each in network(torch.from_numpy(windows))]
    theirs = Encoder(resolve(model), device="cpu").encode(windows)
    agree(ours, theirs, 1e-4)  # torch and onnxruntime round differently
    graph = to_onnx(
        deployable(network),
        {"log_mel": torch.zeros(2, 1024, 40)},
        {"log_mel": "windows"},
        ["logits", "embedding"],
    )
    save(graph, tmp_path / "again.onnx", read_exported(model).metadata)
    agree(Encoder(tmp_path / "again.onnx", device="cpu").encode(windows), theirs, 1e-5)


def test_a_beat_network_comes_back(windows: np.ndarray) -> None:
    recipe = recipe_of("beats")
    network = BeatNetwork(recipe.network)
    assert weights_into(network, "beats", recipe) == []
    with torch.inference_mode():
        ours = network(torch.from_numpy(windows)).sigmoid().numpy()
    agree([ours], [BeatActivations(resolve("beats"), device="cpu").encode(windows)], 1e-5)


def test_merged_normalisations_get_the_statistics_of_the_data(labels: Path) -> None:
    recipe = recipe_of("fine-tune", batch_size=16)
    network = KINDS["tempo"].build(recipe, None)
    merged = weights_into(network, "tempo", recipe)
    assert merged == ["blocks.0.3", "blocks.1.3", "blocks.2.3", "context.3"]
    task = TempoTask(labels, recipe)
    batch = torch.from_numpy(task.batch(9).labelled)

    def outputs(*, training: bool) -> torch.Tensor:
        for module in network.modules():
            module.train(training and module in [network.get_submodule(name) for name in merged])
        with torch.inference_mode():
            return network(batch)[0]

    model = outputs(training=False)
    doing_nothing = (outputs(training=True) - model).abs().mean()
    weights_into(network, "tempo", recipe)
    restore_norms(network, task, merged)
    torch.testing.assert_close(outputs(training=False), model, atol=1e-4, rtol=1e-4)
    assert (outputs(training=True) - model).abs().mean() < 0.3 * doing_nothing


def test_fine_tuning_learns_how_tracks_are_counted(labels: Path, tmp_path: Path) -> None:
    recipe = recipe_of("fine-tune", steps=40, batch_size=16, validate_every=40, checkpoint_every=20)
    network = KINDS["tempo"].build(recipe, None)
    weights_into(network, "tempo", recipe)
    held_out, bpm = TempoSampler(labels, recipe).validation()
    before = np.abs(tempo_offsets(network, held_out, bpm)).mean()
    train(recipe, labels, tmp_path, start="tempo")
    after = np.abs(tempo_offsets(load_run(tmp_path, recipe), held_out, bpm)).mean()
    losses = [json.loads(line)["supervised"] for line in (tmp_path / HISTORY).read_text().splitlines()]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:3])
    assert before > 24.0  # bins: half an octave
    assert after < 6.0


def test_a_run_is_resumed_from_its_checkpoint(labels: Path, tmp_path: Path) -> None:
    recipe = recipe_of("fine-tune", steps=2, batch_size=4, validate_every=2, checkpoint_every=1)
    train(recipe, labels, tmp_path / "a", start="tempo")
    assert json.loads((tmp_path / "a" / START).read_text())["model"] == "tempo"
    before = torch.load(tmp_path / "a" / "checkpoint.pt", weights_only=True)["average"]
    moved = (before["stem.weight"] - read_exported("tempo").tensors["stem.weight"]).abs().max()
    assert 0.0 < moved < 1e-3
    train(recipe, labels, tmp_path / "a", start="tempo")
    after = torch.load(tmp_path / "a" / "checkpoint.pt", weights_only=True)["average"]
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    train(recipe, labels, tmp_path / "b")
    with pytest.raises(DataError, match="its run was not begun from tempo; choose another --out"):
        train(recipe, labels, tmp_path / "b", start="tempo")


@pytest.mark.parametrize(
    ("name", "model", "message"),
    [
        ("fine-tune", "beats", "beats: no model that the recipes of kind tempo train"),
        ("fine-tune", "equivariant", "equivariant: does not fit the recipe: network.scale is 1.00"),
        ("beats", "tempo", "tempo: no model that the recipes of kind beats train"),
        (
            "compare",
            "compare",
            "compare: training can start from models of the kinds tempo and beats, not of",
        ),
        ("music", "music", "music: training can start from models of the kinds tempo and beats"),
    ],
)
def test_a_model_that_does_not_fit(name: str, model: str, message: str, tmp_path: Path) -> None:
    recipe = recipe_of(name)
    encoder = tmp_path if recipe.encoder_recipe else None
    with pytest.raises(DataError, match=message) as raised:
        train(recipe, tmp_path, tmp_path / "run", encoder=encoder, start=model)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_a_network_of_another_size(labels: Path, tmp_path: Path) -> None:
    recipe = recipe_of("fine-tune")
    small = replace(recipe, network=replace(recipe.network, channels=32))
    with pytest.raises(DataError, match=r"network.channels is 64, the recipe's is 32"):
        train(small, labels, tmp_path / "run", start="tempo")
    beats = recipe_of("beats")
    exported = read_exported("beats")
    tensors = KINDS["beats"].weights(exported, beats)
    with pytest.raises(DataError, match=r"fit the recipe: blocks.0.far.bias is 64, the recipe's is 32"):
        load_weights(BeatNetwork(replace(beats.network, width=32)), exported, tensors)
    with pytest.raises(DataError, match=r"the model has blocks.7.far.bias, the recipe's network has not"):
        load_weights(BeatNetwork(replace(beats.network, n_blocks=7)), exported, tensors)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model"):
        read_exported("nothing")
    (tmp_path / "text.onnx").write_text("text")
    with pytest.raises((DataError, ModelError), match=r"text\.onnx"):
        read_exported(str(tmp_path / "text.onnx"))


def test_the_command(labels: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    text = find_recipe("fine-tune").read_text().replace("steps = 300", "steps = 2")
    recipe.write_text(text.replace("batch_size = 32", "batch_size = 4"))
    common = ["train", "run", str(recipe), "--data", str(labels)]
    model = tmp_path / "mine.onnx"
    model.write_bytes(resolve("tempo").read_bytes())
    for start, code in (("tempo", 0), (str(model), 0), ("beats", 1)):
        out = tmp_path / Path(start).stem
        done = CliRunner().invoke(cli, [*common, "--out", str(out), "--from", start])
        assert done.exit_code == code, done.output
        assert (out / HISTORY).is_file() == (code == 0)
    assert done.stderr.startswith("tempo: beats: no model that the recipes of kind tempo train")
    assert done.stderr.count("\n") == 1
