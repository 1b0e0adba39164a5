"""The section encoder: triplets of time proximity, their loss, training and export."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from forms import edges_of, song_of

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.cli import cli  # noqa: E402
from tempocli.errors import DataError, ModelError  # noqa: E402
from tempocli.features.front_end import FrontEnd  # noqa: E402
from tempocli.inference.structure.sections import SectionEncoder  # noqa: E402
from tempocli.training.data.store import StoreWriter  # noqa: E402
from tempocli.training.kinds import load_run  # noqa: E402
from tempocli.training.recipe import find_recipe, read_recipe  # noqa: E402
from tempocli.training.sections.losses import TripletOutputs  # noqa: E402
from tempocli.training.sections.losses.triplets import triplets  # noqa: E402
from tempocli.training.sections.network import SectionConfig, SectionNetwork  # noqa: E402
from tempocli.training.sections.recipe import SectionRecipe  # noqa: E402
from tempocli.training.sections.sampler import CellSampler, draw_triplets  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
kind = "sections"
name = "small"
steps = 40
tracks = 3
cells = 30
shortest = 1.8
longest = 2.2
near = 3
gap = 4
far = 20
validate_every = 40
checkpoint_every = 20
held_out = 3

[stores]
music = 1.0

[network]
n_parts = 8
channels = [8, 8, 8]
width = 32
embedding_dim = 16
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    front_end = FrontEnd(n_mels=96)
    with StoreWriter(folder / "music", front_end) as writer:
        for number, form in enumerate(("ABC", "BCA", "CAB", "ACB", "BAC", "CBA", "ABA", "CBC")):
            log_mel = front_end.log_mel(song_of(form, 116.0 + number))
            writer.add(f"{number}.wav", log_mel, bpm=None, style="audio", group=str(number))
    return folder


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


class TestTriplets:
    def recipe(self, **settings: int) -> SectionRecipe:
        return SectionRecipe(name="x", stores={"music": 1.0}, **settings)

    def test_positives_are_near_and_negatives_far(self) -> None:
        places = draw_triplets(60, self.recipe(near=4, gap=3, far=20), np.random.default_rng(0))
        assert places.min() >= 0
        assert places.max() < 60
        near, far = np.abs(places[1] - places[0]), np.abs(places[2] - places[0])
        assert set(near) == {1, 2, 3, 4}
        assert (far.min(), far.max()) == (7, 20)
        assert set(places[0]) == set(range(60))

    def test_a_short_track_has_few(self) -> None:
        places = draw_triplets(9, self.recipe(near=4, gap=4, far=40), np.random.default_rng(0))
        assert set(np.abs(places[2] - places[0])) <= {8}

    def test_the_loss_by_hand(self) -> None:
        anchors = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]], [[1.0, 0.0]]])
        positives = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]], [[0.6, 0.8]]])
        negatives = torch.tensor([[[-1.0, 0.0]], [[1.0, 0.0]], [[0.6, -0.8]]])
        term = triplets(TripletOutputs(anchors, positives, negatives), self.recipe(), 0)
        # Far enough; the wrong way round, 2 + 0.3; equally far, 0.3.
        assert term.value.item() == pytest.approx((0.0 + 2.3 + 0.3) / 3.0)
        assert term.weight == 1.0

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"near": 4, "gap": 4, "far": 7}, "leave no place"),
            ({"near": 0}, "leave no place"),
            ({"cells": 8}, "cells is too small"),
            ({"shortest": 3, "longest": 2}, "no lengths of cells"),
            ({"held_out": 1}, "held_out"),
        ],
    )
    def test_settings_that_cannot_be(self, settings: dict[str, int], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            self.recipe(**settings)


class TestNetwork:
    @pytest.mark.parametrize("shape", [(16, 96), (8, 40), (5, 33)])
    def test_vectors_have_unit_length(self, shape: tuple[int, int]) -> None:
        network = SectionNetwork(SectionConfig(*shape, channels=(4, 4, 4), width=8, embedding_dim=3))
        vectors = network(torch.randn(3, *shape))
        assert vectors.shape == (3, 6)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))


def test_the_recipe_that_ships() -> None:
    recipe = read_recipe(find_recipe("sections"), SectionRecipe)
    assert recipe.name == "sections"
    assert set(recipe.stores) == {"music-debian", "music-cc"}


@pytest.mark.slow
class TestTraining:
    def test_a_batch_depends_on_the_step_only(self, data: Path, recipe_file: Path) -> None:
        sampler = CellSampler(data, read_recipe(recipe_file, SectionRecipe))
        for again, first in zip(sampler.batch(3), sampler.batch(3), strict=True):
            np.testing.assert_array_equal(again, first)
        batch = sampler.batch(4)
        assert batch.cells.shape[1:] == (8, 96)
        assert np.abs(batch.cells.mean(axis=(0, 1))).max() < 0.2
        assert batch.negatives.max() < len(batch.cells)

    def test_a_run_learns_resumes_and_is_exported(
        self, data: Path, recipe_file: Path, tmp_path: Path
    ) -> None:
        run, out = tmp_path / "run", tmp_path / "s.onnx"
        arguments = ["--data", str(data), "--out", str(run)]
        trained = CliRunner().invoke(cli, ["train", "run", str(recipe_file), *arguments])
        assert trained.exit_code == 0, trained.output
        losses = [float(line.split('"loss": ')[1].split(",")[0]) for line in
                  (run / "history.jsonl").read_text().splitlines()]  # fmt: skip
        assert np.mean(losses[-8:]) < 0.8 * np.mean(losses[:8])
        arguments = ["--data", str(data), "--run", str(run), "-o", str(out)]
        exported = CliRunner().invoke(cli, ["train", "export", str(recipe_file), *arguments])
        assert exported.exit_code == 0, exported.output
        encoder = SectionEncoder(out, device="cpu")
        assert (encoder.spec.name, encoder.spec.n_parts, encoder.spec.embedding_dim) == ("small", 8, 32)
        # Bars of a section are more alike than bars of two sections, in a song that it has not heard.
        log_mel = FrontEnd(n_mels=96).log_mel(song_of("AB", 120.0))
        start, _, end = edges_of("AB", 120.0)
        edges = np.linspace(start, end, 17) * encoder.spec.front_end.frame_rate
        vectors = encoder.encode(log_mel, edges)
        similar = vectors @ vectors.T
        assert similar[:8, :8].mean() > similar[:8, 8:].mean() + 0.1
        network = load_run(run, read_recipe(recipe_file, SectionRecipe))
        assert sum(each.numel() for each in network.parameters()) < 60_000

    def test_data_of_other_bands_are_refused(self, recipe_file: Path, tmp_path: Path) -> None:
        with StoreWriter(tmp_path / "music", FrontEnd()) as writer:
            for number in range(9):
                frames = np.zeros((4000, 40), np.float32)
                writer.add(str(number), frames, bpm=None, style="audio", group=str(number))
        with pytest.raises(DataError, match="have 40 mel bands, the recipe 96"):
            CellSampler(tmp_path, read_recipe(recipe_file, SectionRecipe))

    def test_short_clips_only(self, recipe_file: Path, tmp_path: Path) -> None:
        with StoreWriter(tmp_path / "music", FrontEnd(n_mels=96)) as writer:
            for number in range(9):
                frames = np.zeros((400, 96), np.float32)
                writer.add(str(number), frames, bpm=None, style="audio", group=str(number))
        with pytest.raises(DataError, match="too few long clips"):
            CellSampler(tmp_path, read_recipe(recipe_file, SectionRecipe))


@pytest.mark.parametrize("name", ["music", "tempo", "beats"])
def test_another_kind_of_model_is_no_section_encoder(name: str) -> None:
    with pytest.raises(ModelError, match="not for segment"):
        SectionEncoder(name)
