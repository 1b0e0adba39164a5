"""The translation of vectors by a network: its data, its loss, its training and export."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from songs import song

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.cli import cli  # noqa: E402
from tempocli.errors import DataError  # noqa: E402
from tempocli.features.front_end import FrontEnd  # noqa: E402
from tempocli.inference.session.runtime import open_session  # noqa: E402
from tempocli.training.data.store import StoreWriter  # noqa: E402
from tempocli.training.recipe import read_recipe  # noqa: E402
from tempocli.training.translation.losses.distance import distance  # noqa: E402
from tempocli.training.translation.losses.outputs import MovedOutputs  # noqa: E402
from tempocli.training.translation.network import TranslationNetwork  # noqa: E402
from tempocli.training.translation.recipe import TranslationRecipe  # noqa: E402
from tempocli.training.translation.task import VectorSampler  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
RECIPE = """
kind = "translation"
name = "small"
steps = 12
tracks = 4
width = 32
validate_every = 6
checkpoint_every = 6
learning_rate = 3e-3
held_out = 3

[stores]
music = 1.0
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    front_end = FrontEnd(n_mels=96)
    with StoreWriter(folder / "music", front_end) as writer:
        for number in range(9):
            log_mel = front_end.log_mel(song(90.0 + 10 * number, 40 + number, seconds=20.0))
            writer.add(f"{number}.wav", log_mel, bpm=None, style="audio", group=str(number))
    return folder


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


def test_vectors_of_the_same_music_at_two_rates(data: Path, recipe_file: Path) -> None:
    sampler = VectorSampler(data, read_recipe(recipe_file, TranslationRecipe))
    vectors, wanted, rates = sampler.batch(3)
    assert vectors.shape == wanted.shape == (4, 256 + 720)
    assert rates.shape == (4, 1)
    assert ((rates >= 0.75) & (rates <= 1.5)).all()
    np.testing.assert_allclose(np.linalg.norm(vectors[:, :256], axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(wanted[:, 256:], axis=1), 1.0, atol=1e-5)
    for again, first in zip(sampler.batch(3), (vectors, wanted, rates), strict=True):
        np.testing.assert_array_equal(again, first)
    # The sound stays, the rhythm moves.
    same = (vectors[:, :256] * wanted[:, :256]).sum(axis=1)
    moved = (vectors[:, 256:] * wanted[:, 256:]).sum(axis=1)
    assert same.mean() > moved.mean() + 0.1


def test_the_loss_is_nothing_for_equal_vectors() -> None:
    a = torch.nn.functional.normalize(torch.randn(5, 8), dim=1)
    assert distance(MovedOutputs((a,), (a,)), None, 0).value.item() == pytest.approx(0.0, abs=1e-6)
    # Opposite vectors: a mean square of 4 / 8, and 1 less a cosine of -1.
    assert distance(MovedOutputs((a,), (-a,)), None, 0).value.item() == pytest.approx(2.5, abs=1e-5)


def test_the_network_begins_as_the_identity() -> None:
    network = TranslationNetwork([4, 6], 16)
    vectors = torch.cat([torch.nn.functional.normalize(torch.randn(3, dim), dim=1) for dim in (4, 6)], dim=1)
    torch.testing.assert_close(network(vectors, torch.tensor([[0.8], [1.0], [1.4]])), vectors)


def test_a_run_is_trained_and_exported(data: Path, recipe_file: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "t.onnx"
    trained = CliRunner().invoke(
        cli, ["train", "run", str(recipe_file), "--data", str(data), "--out", str(run)]
    )
    assert trained.exit_code == 0, trained.output
    exported = CliRunner().invoke(
        cli, ["train", "export", str(recipe_file), "--data", str(data), "--run", str(run), "-o", str(out)]
    )
    assert exported.exit_code == 0, exported.output
    session = open_session(out, "cpu", 1)
    vector = np.ones((2, 976), np.float32)
    (moved,) = session.run({"moved": (2, 976)}, {"vector": vector, "rate": np.ones((2, 1), np.float32)})
    np.testing.assert_allclose(np.linalg.norm(moved[:, :256], axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tracks = 4", 'parts = ["chroma"]', "parts are timbre and rhythm"),
        ("tracks = 4", "slowest = 2.0", "no range of rates"),
    ],
)
def test_bad_recipes_are_refused(recipe_file: Path, old: str, new: str, message: str) -> None:
    recipe_file.write_text(RECIPE.replace(old, new))
    with pytest.raises(DataError, match=message):
        read_recipe(recipe_file, TranslationRecipe)


def test_data_of_another_front_end_are_refused(recipe_file: Path, tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "music", FrontEnd()) as writer:
        for number in range(9):
            writer.add(
                str(number), np.zeros((3000, 40), np.float32), bpm=None, style="audio", group=str(number)
            )
    with pytest.raises(DataError, match="another front end than the model music"):
        VectorSampler(tmp_path, read_recipe(recipe_file, TranslationRecipe))
