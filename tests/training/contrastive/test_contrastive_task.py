"""The contrastive encoder: its loss, its views, its training."""

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
from tempocli.features.front_end import FrontEnd, onset_strength  # noqa: E402
from tempocli.training.contrastive.build import build_encoder  # noqa: E402
from tempocli.training.contrastive.losses import nt_xent  # noqa: E402
from tempocli.training.contrastive.network import ContrastiveConfig  # noqa: E402
from tempocli.training.contrastive.recipe import ContrastiveRecipe  # noqa: E402
from tempocli.training.contrastive.sampler import ExcerptSampler  # noqa: E402
from tempocli.training.contrastive.statistics import Whitened, whitening  # noqa: E402
from tempocli.training.contrastive.task import ContrastiveTask  # noqa: E402
from tempocli.training.data.sampling import Split, UnlabelledTracks  # noqa: E402
from tempocli.training.data.views import pitch_shift  # noqa: E402
from tempocli.training.engine import HISTORY  # noqa: E402
from tempocli.training.kinds import train  # noqa: E402
from tempocli.training.recipe import find_recipe, read_recipe  # noqa: E402

SMALL = """
kind = "contrastive"
name = "small"
steps = 6
tracks = 8
validate_every = 3
checkpoint_every = 2

[stores]
audio = 1.0

[network]
n_blocks = 1
embedding_dim = 32
projection_dim = 16
"""


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture
def recipe(recipe_file: Path) -> ContrastiveRecipe:
    return read_recipe(recipe_file, ContrastiveRecipe)


class KilledError(Exception):
    pass


def test_nt_xent_by_hand() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 1, (2, 4, 6))
    views = np.concatenate([a, b])
    views /= np.linalg.norm(views, axis=1, keepdims=True)
    expected = []
    for index in range(8):
        similar = views @ views[index] / 0.2
        others = np.delete(similar, index)
        expected.append(np.log(np.exp(others).sum()) - similar[(index + 4) % 8])
    loss = nt_xent(torch.from_numpy(a), torch.from_numpy(b), temperature=0.2)
    assert loss.item() == pytest.approx(np.mean(expected))


def test_nt_xent_is_small_when_views_agree_and_tracks_do_not() -> None:
    tracks = torch.eye(8)
    assert nt_xent(tracks, tracks, temperature=0.1) < 0.01
    assert nt_xent(tracks, tracks.roll(1, 0), temperature=0.1) > 5.0


@pytest.mark.parametrize("backbone", ["time", "spectrogram"])
def test_a_frame_step_averages_frames(backbone: str) -> None:
    settings = {
        "backbone": backbone,
        "n_frames": 64,
        "n_mels": 8,
        "channels": (4, 8),
        "projection_norm": True,
    }
    one, two = (build_encoder(ContrastiveConfig(**settings, frame_step=step)).eval() for step in (1, 2))
    two.load_state_dict(one.state_dict())
    log_mel = torch.rand(3, 64, 8, generator=torch.Generator().manual_seed(0))
    averaged = log_mel.reshape(3, 32, 2, 8).mean(dim=2)
    with torch.inference_mode():
        torch.testing.assert_close(two(log_mel), one(averaged))
        torch.testing.assert_close(two(log_mel), two.embedding(two.pooled(log_mel)))


def test_validation_shows_a_collapse(recipe: ContrastiveRecipe, data_folder: Path) -> None:
    task, network = ContrastiveTask(data_folder, recipe), build_encoder(recipe.network).eval()
    before = task.validate(network, "cpu")
    with torch.no_grad():
        network.embedding.weight *= 1e-4  # only the bias is left
    after = task.validate(network, "cpu")
    assert after["validation_variance"] < 1e-3 < before["validation_variance"]
    with torch.no_grad():
        network.embedding.bias.zero_()
        network.embedding.weight[1:] = network.embedding.weight[0]
    assert task.validate(network, "cpu")["validation_rank"] < 1.01 < before["validation_rank"]


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(
    recipe: ContrastiveRecipe, data_folder: Path, tmp_path: Path
) -> None:
    def kill(step: int, values: dict[str, float]) -> None:
        if step == 5:
            raise KilledError

    whole = train(recipe, data_folder, tmp_path / "whole")
    with pytest.raises(KilledError):
        train(recipe, data_folder, tmp_path / "killed", report=kill)
    resumed = train(recipe, data_folder, tmp_path / "killed")
    one, other = (torch.load(path, weights_only=True)["average"] for path in (whole, resumed))
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.slow
def test_it_learns(recipe: ContrastiveRecipe, data_folder: Path, tmp_path: Path) -> None:
    train(replace(recipe, steps=40, validate_every=40), data_folder, tmp_path)
    losses = [json.loads(line)["loss"] for line in (tmp_path / HISTORY).read_text().splitlines()]
    assert np.mean(losses[-8:]) < np.mean(losses[:4])


def test_a_batch_has_no_track_twice(
    recipe: ContrastiveRecipe, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = ExcerptSampler(data_folder, replace(recipe, tracks=20))
    a, b = sampler.batch(0)[:2]
    assert a.shape == b.shape == (20, 256, 40)
    drawn: list[str] = []
    monkeypatch.setattr(sampler, "_views", lambda tracks, _: drawn.extend(clip.name for _, clip in tracks))
    sampler.batch(0)
    assert len(drawn) == len(set(drawn)) == 20


def test_a_pitch_shift_moves_bands_and_leaves_the_rhythm(click_track) -> None:
    front_end = FrontEnd()
    log_mel = front_end.log_mel(click_track(120.0, 4.0))
    up = pitch_shift(log_mel, 5.0, front_end)
    assert (up.mean(axis=0) @ np.arange(40)) / up.mean(axis=0).sum() > (
        log_mel.mean(axis=0) @ np.arange(40)
    ) / log_mel.mean(axis=0).sum()
    assert np.corrcoef(onset_strength(up), onset_strength(log_mel))[0, 1] > 0.9
    np.testing.assert_allclose(pitch_shift(log_mel, 0.0, front_end), log_mel, atol=1e-5)


def test_the_recipes_of_the_table_differ_in_their_augmentation_only() -> None:
    names = ("none", "eq", "pitch", "stretch", "all")
    recipes = [read_recipe(find_recipe(f"locality-{name}"), ContrastiveRecipe) for name in names]
    augmented = [
        (recipe.augmentation.eq_db > 0, recipe.semitones > 0, recipe.max_stretch > 0) for recipe in recipes
    ]
    assert augmented == [
        (False, False, False),
        (True, False, False),
        (False, True, False),
        (False, False, True),
        (True, True, True),
    ]
    plain = recipes[0]
    for recipe in recipes:
        same = replace(
            recipe, name=plain.name, augmentation=plain.augmentation, semitones=0.0, max_stretch=0.0
        )
        assert same == plain


def test_tracks_of_an_album_come_together(data_folder: Path, recipe: ContrastiveRecipe) -> None:
    tracks = UnlabelledTracks(data_folder, {"audio": 1.0}, Split(4))
    rng = np.random.default_rng(0)
    for _ in range(20):
        drawn = tracks.draw_together(rng, 3)
        assert 1 <= len(drawn) <= 3
        assert len({clip.group for _, clip in drawn}) == 1
        assert len({clip.name for _, clip in drawn}) == len(drawn)
    sampler = ExcerptSampler(data_folder, replace(recipe, album=3, tracks=4))
    assert sampler.batch(0)[0].shape[0] <= 4


def test_the_backbone_of_the_music_embedding(recipe: ContrastiveRecipe) -> None:
    config = replace(recipe.network, backbone="spectrogram", n_frames=512, channels=(4, 6, 8))
    network = build_encoder(config).eval()
    windows = torch.randn(3, 512, 40)
    assert network(windows).shape == (3, 32)
    # The mean and the maximum over time do not know when something happened.
    silent = torch.zeros(1, 512, 40)
    early, late = silent.clone(), silent.clone()
    early[:, 224:232, 10:20], late[:, 256:264, 10:20] = 1.0, 1.0
    torch.testing.assert_close(network(early), network(late), atol=1e-4, rtol=1e-4)
    with pytest.raises(DataError, match="backbone 'cube' is none of time, spectrogram"):
        build_encoder(replace(config, backbone="cube"))


def test_whitening_evens_out_the_variances() -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(4000, 3)) * [10.0, 1.0, 0.5] + [5.0, 0.0, -1.0]).astype(np.float32)
    mean, matrix = whitening(vectors, strength=1.0)
    np.testing.assert_allclose(np.cov((vectors - mean) @ matrix, rowvar=False), np.eye(3), atol=0.02)
    mean, matrix = whitening(vectors, strength=0.0)
    np.testing.assert_allclose(matrix, np.eye(3), atol=1e-5)
    whitened = Whitened(torch.nn.Identity(), *whitening(vectors, strength=0.5)).eval()
    expected = (vectors - mean) @ whitening(vectors, strength=0.5)[1]
    np.testing.assert_allclose(whitened(torch.from_numpy(vectors)).detach().numpy(), expected, atol=1e-3)


@pytest.mark.slow
def test_by_the_command_line(data_folder: Path, recipe_file: Path, tmp_path: Path) -> None:
    data = ["--data", str(data_folder)]
    out = str(tmp_path / "run")
    trained = CliRunner().invoke(cli, ["train", "run", str(recipe_file), *data, "--out", out])
    assert trained.exit_code == 0, trained.output
    model = tmp_path / "small.onnx"
    arguments = ["train", "export", str(recipe_file), *data, "--run", out, "-o", str(model)]
    exported = CliRunner().invoke(cli, arguments)
    assert exported.exit_code == 0, exported.output
    assert model.is_file()
