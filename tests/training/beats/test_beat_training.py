"""The beat network: its targets, its training and export, and the metre that is fitted to it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from bars import bars, beats_of
from click.testing import CliRunner

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.cli import cli  # noqa: E402
from tempocli.errors import DataError  # noqa: E402
from tempocli.features.front_end import FrontEnd  # noqa: E402
from tempocli.inference.beats import BeatActivations  # noqa: E402
from tempocli.training.beats.network import FRAME_STEP, BeatConfig, BeatNetwork  # noqa: E402
from tempocli.training.beats.recipe import BeatRecipe  # noqa: E402
from tempocli.training.beats.sampler import BeatSampler  # noqa: E402
from tempocli.training.beats.task import BeatTask, _f_measure, _peaks  # noqa: E402
from tempocli.training.data.store import StoreWriter, open_store  # noqa: E402
from tempocli.training.data.views import ViewConfig  # noqa: E402
from tempocli.training.recipe import read_recipe  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
RECIPE = """
kind = "beats"
name = "small"
steps = 8
batch_size = 4
validate_every = 4
checkpoint_every = 4
held_out = 3
metres = "music"

[mix]
music = 1.0

[network]
n_frames = 512
channels = [4, 8]
width = 16
n_blocks = 2
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    front_end = FrontEnd()
    with StoreWriter(folder / "music", front_end) as writer:
        for number in range(12):
            bpm, metre = 90.0 + 5.0 * number, 2 + number % 6
            times = beats_of(bpm, 14.0)
            writer.add(
                f"{number}",
                front_end.log_mel(bars(bpm, metre, seconds=14.0)),
                bpm=bpm,
                style="bars",
                group=str(number),
                beats=[(float(time), index % metre + 1) for index, time in enumerate(times)],
            )
        writer.add("no beats", np.zeros((900, 40), np.float32), bpm=None, style="x", group="x")
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> BeatRecipe:
    (tmp_path / "small.toml").write_text(RECIPE)
    return read_recipe(tmp_path / "small.toml", BeatRecipe)


def test_a_store_keeps_beats(data: Path) -> None:
    clips = open_store(data / "music").clips
    assert clips[0].beats[0] == [0.3, 1]
    assert clips[-1].beats == ()
    assert '"beats"' not in (data / "music" / "clips.jsonl").read_text().splitlines()[-1]


def test_targets_lie_on_the_beats(data: Path, recipe: BeatRecipe) -> None:
    plain = replace(
        recipe, beatless=0.0, semitones=0.0, views=ViewConfig(max_stretch=0.2, noise=0.0, band_drop=0.0)
    )
    batch = BeatSampler(data, plain).batch(0)
    assert batch.windows.shape == (4, 512, 40)
    assert batch.targets.shape == (4, 512 // FRAME_STEP, 2)
    # A beat is divided between two activations, which add up to it.
    assert batch.targets.max() <= 1.0
    for window, target in zip(batch.windows, batch.targets, strict=True):
        rise = np.maximum(np.diff(window, axis=0, prepend=window[:1]), 0.0).sum(axis=1)
        places = _peaks(target[:, 0]) * FRAME_STEP
        inside = places[(places > 4) & (places < 508)]
        near = [rise[int(place) - 3 : int(place) + 5].max() for place in inside]
        assert np.median(near) > 3.0 * np.median(rise)
    assert (batch.targets[..., 1] <= batch.targets[..., 0] + 1e-6).all()


def test_batches_are_the_same_again(data: Path, recipe: BeatRecipe) -> None:
    one, other = (BeatSampler(data, recipe).batch(5) for _ in range(2))
    np.testing.assert_array_equal(one.windows, other.windows)
    np.testing.assert_array_equal(one.targets, other.targets)


def test_unknown_bars_teach_nothing(tmp_path: Path, recipe: BeatRecipe) -> None:
    front_end = FrontEnd()
    with StoreWriter(tmp_path / "music", front_end) as writer:
        for number in range(12):
            writer.add(
                str(number),
                front_end.log_mel(bars(seconds=14.0)),
                bpm=112.0,
                style="x",
                group=str(number),
                beats=[(float(time), 0) for time in beats_of(112.0, 14.0)],
            )
    plain = replace(recipe, beatless=0.0)
    batch = BeatSampler(tmp_path, plain).batch(0)
    assert batch.known[..., 0].all()
    assert not batch.known[..., 1].any()
    network = BeatNetwork(plain.network)
    _, values = BeatTask(tmp_path, plain).loss(network, batch, 0, "cpu")
    assert values["downbeats"] == 0.0
    assert values["loss"] == pytest.approx(values["beats"])


def test_peaks_and_their_score() -> None:
    curve = np.zeros(40, np.float32)
    curve[[10, 11]] = 0.75, 0.25
    curve[30] = 0.9
    np.testing.assert_allclose(_peaks(curve), [10.25, 30.0])
    assert _f_measure(np.array([10.0, 30.0]), np.array([10.5, 33.0])) == 0.5
    assert _f_measure(np.zeros(0), np.zeros(0)) == 1.0


@pytest.mark.parametrize("n_mels", [40, 41])
def test_the_network_has_an_activation_every_four_frames(n_mels: int) -> None:
    network = BeatNetwork(BeatConfig(n_frames=64, n_mels=n_mels, width=8, n_blocks=1)).eval()
    assert network(torch.zeros(2, 64, n_mels)).shape == (2, 16, 2)


def test_training_and_export(data: Path, tmp_path: Path) -> None:
    path, run, out = tmp_path / "small.toml", tmp_path / "run", tmp_path / "small.onnx"
    path.write_text(RECIPE)
    made = CliRunner().invoke(cli, ["train", "run", str(path), "--data", str(data), "--out", str(run)])
    assert made.exit_code == 0, made.output
    arguments = ["train", "export", str(path), "--data", str(data), "--run", str(run), "-o", str(out)]
    exported = CliRunner().invoke(cli, arguments)
    assert exported.exit_code == 0, exported.output
    model = BeatActivations(out, device="cpu")
    assert (model.spec.name, model.spec.n_frames, model.spec.frame_step) == ("small", 512, FRAME_STEP)
    assert np.any(model.spec.metre.weights)
    # Windows of a long piece overlap, and give as many activations as there are frames.
    log_mel = FrontEnd().log_mel(bars(seconds=30.0))
    collector = model.collector()
    for first in range(0, len(log_mel), 100):
        collector.push(log_mel[first : first + 100])
    activations = collector.finish()
    assert activations.shape == (-(-len(log_mel) // FRAME_STEP), 2)
    whole = model.collector()
    whole.push(log_mel)
    np.testing.assert_allclose(whole.finish(), activations, atol=1e-6)
    window = model.encode(log_mel[None, :512])[0]
    margin = model.spec.margin // FRAME_STEP
    np.testing.assert_allclose(activations[: len(window) - margin], window[: len(window) - margin], atol=1e-6)


def test_a_store_without_beats_is_refused(tmp_path: Path, recipe: BeatRecipe) -> None:
    with StoreWriter(tmp_path / "music", FrontEnd()) as writer:
        writer.add("a", np.zeros((900, 40), np.float32), bpm=None, style="x", group="x")
    with pytest.raises(DataError, match="has no clip whose beats are known"):
        BeatSampler(tmp_path, recipe)


def test_a_loss_that_does_not_exist_is_refused(data: Path, recipe: BeatRecipe) -> None:
    task = BeatTask(data, replace(recipe, losses={"metre": 1.0}))
    with pytest.raises(DataError, match="losses that do not exist: metre"):
        task.loss(BeatNetwork(recipe.network), task.batch(0), 0, "cpu")
