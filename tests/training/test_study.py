"""The study of losses and labels: its runs, and what they are measured by."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'train'")
pytest.importorskip("sklearn", reason="needs scikit-learn")

import losses
import torch
from music import scores
from study import encoders, measures, records, runs

from tempocli.errors import DataError
from tempocli.features.front_end import FrontEnd
from tempocli.training.checkpoint import CHECKPOINT, load_network
from tempocli.training.contrastive.build import build_encoder, build_learner
from tempocli.training.contrastive.network import ContrastiveConfig
from tempocli.training.contrastive.recipe import ContrastiveRecipe
from tempocli.training.contrastive.statistics import effective_rank
from tempocli.training.data.store import StoreWriter
from tempocli.training.data.views import ViewConfig

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = Path(__file__).resolve().parents[3] / "shared"


@pytest.fixture
def make_losses() -> Any:
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location("make_losses", REPOSITORY / "docs" / "make_losses.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


AS_IT_IS: dict[str, dict[str, Any]] = {loss: {} for loss in runs.LOSSES}


def test_names_are_unique_and_recipes_can_be_built() -> None:
    found = [*runs.searches(), *runs.comparisons(AS_IT_IS), *runs.full()]
    assert len({run.name for run in found}) == len(found)
    for run in found:
        recipe = runs.recipe_of(run, 30)
        assert (recipe.steps, recipe.seed) == (30, run.seed)
        for key, setting in run.changes.items():
            assert getattr(recipe, key) == setting


def test_full_runs_have_the_loss_of_the_study_and_the_rest_of_the_music_embedding() -> None:
    music, taught = (runs.recipe_of(runs.Run("x", name), None) for name in ("music", "contrastive-vicreg"))
    (full,) = [losses.plan(run, {}, 1.0) for run in runs.full() if run.name == "full-vicreg"]
    assert full.losses == taught.losses
    assert full.network.projection_dim == taught.network.projection_dim != music.network.projection_dim
    assert (full.network.channels, full.stores, full.steps) == (
        music.network.channels,
        music.stores,
        music.steps,
    )


def test_settings_are_chosen_by_the_held_out_tracks_found() -> None:
    found = {run.name: 10.0 for run in runs.searches()}
    assert runs.choose(found) == AS_IT_IS
    found["search-byol-2"] = 10.1
    chosen = runs.choose(found)
    assert chosen["byol"] == runs.SEARCH["byol"][1]
    assert chosen["nt-xent"] == {}
    named = {run.name: run for run in runs.comparisons(chosen | {"nt-xent": {"temperature": 0.2}})}
    assert named["byol-12"].changes == runs.SEARCH["byol"][1]
    assert named["labels-5-13"].changes == {"temperature": 0.2, "labelled": 0.05}
    assert named["supervised-11"].changes == {}


def test_the_five_losses_come_first_then_labels() -> None:
    names = [run.name for run in runs.comparisons(AS_IT_IS)]
    assert names[:5] == [f"{loss}-11" for loss in runs.LOSSES]
    assert names[5] == "labels-20-11"


def store(folder: Path, order: list[int], length: int = 40) -> None:
    with StoreWriter(folder, FrontEnd(n_mels=8)) as writer:
        for index in order:
            frames = np.full((length + index, 8), index, np.float32)
            writer.add(f"{index}", frames, bpm=100.0 + index, style="x", group=f"{index}")


def test_the_identity_of_data_is_what_they_list(tmp_path: Path) -> None:
    store(tmp_path / "one" / "music", [0, 1, 2])
    store(tmp_path / "other" / "music", [2, 0, 1])
    store(tmp_path / "less" / "music", [0, 1])
    store(tmp_path / "longer" / "music", [0, 1, 2], 41)
    found = [records.data_identity(tmp_path / name, ["music"]) for name in ("one", "other", "less", "longer")]
    assert found[0] == found[1]
    assert len(set(found)) == 3
    with pytest.raises(DataError):
        records.data_identity(tmp_path / "none", ["music"])


def origin(**changes: object) -> dict[str, object]:
    recipe = ContrastiveRecipe(name="x", stores={"music": 1.0}, network=ContrastiveConfig(n_mels=8))
    return records.origin(recipe, "abcd", 0.25) | changes


def test_a_result_is_read_only_if_it_is_of_the_same_data_settings_and_measures(tmp_path: Path) -> None:
    path = tmp_path / "nt-xent-11.json"
    assert records.read(path, origin()) is None
    records.write(path, {"origin": origin(), "scores": {"rank": 2.0}})
    found = records.read(path, origin(seconds_per_step=0.5))  # of another machine
    assert found is not None
    assert found["scores"] == {"rank": 2.0}
    for key, other in (("data", "ef"), ("measures", 0), ("settings", {"steps": 9})):
        with pytest.raises(DataError, match=f"made with other {key}"):
            records.read(path, origin(**{key: other}))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"origin": {}}'])
def test_a_damaged_result_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "nt-xent-11.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"nt-xent-11\.json: damaged"):
        records.read(path, origin())


def test_seconds_a_step_are_measured_once(tmp_path: Path) -> None:
    kept = tmp_path / records.SECONDS
    kept.write_text('{"contrastive-byol": 0.25}')
    run = runs.Run("byol-11", "contrastive-byol", 11)
    costs = runs.seconds_per_step([run], tmp_path / "no data", kept)
    assert losses.plan(run, costs, 50.0).steps == 200


def test_packed_scores_keep_the_average_precision() -> None:
    rng = np.random.default_rng(0)
    predicted, wanted = rng.normal(size=(90, 5)), rng.integers(0, 2, (90, 5))
    ranks = records.unpack_ranks(records.pack_ranks(predicted), (90, 5))
    which = rng.permutation(90)[:50]
    score = scores.mean_average_precision
    assert score(wanted[which], ranks[which]) == pytest.approx(score(wanted[which], predicted[which]))
    right = rng.random(905) < 0.5
    assert np.array_equal(records.unpack_right(records.pack_right(right), 905), right)


def test_curves_are_thinned(tmp_path: Path) -> None:
    lines = [{"step": step, "loss": float(step)} for step in range(1, 101)]
    for line in lines[1::2]:
        line |= {"validation_rank": line["step"] / 2, "validation_found": 0.0}
    (tmp_path / "history.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    found = records.curves(tmp_path / "history.jsonl")
    assert set(found) == {"step", "loss", "rank", "found"}
    assert {len(values) for values in found.values()} == {24}
    assert (found["step"][-1], found["rank"][-1]) == (100, 50.0)
    assert found["loss"][0] == 1.5  # mean of the steps so far


def test_results_of_different_data_are_not_tabled(make_losses: Any) -> None:
    one = {"origin": origin(), "scores": {}}
    make_losses.check({"a": one, "b": one})
    with pytest.raises(DataError, match="of different data of the stores"):
        make_losses.check({"a": one, "b": {"origin": origin(data="ef"), "scores": {}}})
    with pytest.raises(DataError, match="b: measured in an older way"):
        make_losses.check({"a": one, "b": {"origin": origin(measures=1), "scores": {}}})


def test_the_results_in_the_repository_are_whole_and_small(make_losses: Any) -> None:
    paths = sorted(losses.RESULTS.glob("*.json"))
    assert sum(path.stat().st_size for path in paths) < 500_000
    others = {records.SECONDS, records.CHOSEN}
    found = {path.stem: records.load(path) for path in paths if path.name not in others}
    make_losses.check(found)
    names = {run.name for run in [*runs.comparisons(AS_IT_IS), *runs.searches(), *runs.full()]}
    assert found.keys() <= names | {"mel-statistics"} | {f"random-{seed}" for seed in runs.SEEDS}


def test_files_shorter_than_a_piece_are_repeated(tmp_path: Path) -> None:
    network = build_encoder(ContrastiveConfig(n_frames=64, n_mels=8, channels=(8, 8))).eval()
    frames = np.random.default_rng(0).uniform(0.0, 3.0, (150, 8)).astype(np.float16)
    for name, part in {"short": frames[:40], "long": frames}.items():
        np.save(tmp_path / f"a-{name}.npy", part)
    paths = [tmp_path / "a" / "short.wav", tmp_path / "a" / "long.wav"]
    found = measures.vectors(network, measures.Spectra(tmp_path), paths)
    with torch.inference_mode():
        parts = [
            network.pooled(torch.from_numpy(x[None].astype(np.float32)))
            for x in (np.concatenate([frames[:40], frames[:24]]), frames[:64], frames[64:128])
        ]
    assert found[0] == pytest.approx(parts[0][0].numpy(), abs=1e-5)
    assert found[1] == pytest.approx((0.5 * (parts[1] + parts[2]))[0].numpy(), abs=1e-5)


def tiny() -> ContrastiveRecipe:
    network = ContrastiveConfig(n_frames=32, n_mels=8, channels=(8, 8), n_blocks=1, embedding_dim=8)
    plain = ViewConfig(band_drop=0.0)  # of 8 bands, no range can be dropped
    losses_of = {"same_track": 0.0, "byol": 1.0}
    settings: dict[str, Any] = {
        "steps": 3,
        "tracks": 4,
        "held_out": 3,
        "losses": losses_of,
        "augmentation": plain,
    }
    return ContrastiveRecipe(name="tiny", stores={"music": 1.0}, network=network, **settings)


def test_an_encoder_is_trained_once_and_measured_anywhere(tmp_path: Path) -> None:
    store(tmp_path / "data" / "music", list(range(12)), 200)
    recipe = tiny()
    trained = encoders.train_encoder(recipe, tmp_path / "data", tmp_path / "run", "cpu")
    assert (trained["device"], trained["curves"]["step"][-1]) == ("cpu", 3)
    # On another machine, without the data.
    (tmp_path / "other").mkdir()
    (tmp_path / "run" / encoders.ENCODER).rename(tmp_path / "other" / encoders.ENCODER)
    found = encoders.train_encoder(recipe, tmp_path / "no data", tmp_path / "other", "cuda")
    whole = load_network(build_learner(recipe), tmp_path / "run" / CHECKPOINT, recipe)
    piece = torch.rand(1, 32, 8)
    with torch.inference_mode():
        assert torch.equal(encoders.network_of(found, recipe).pooled(piece), whole.pooled(piece))
    with pytest.raises(DataError, match="another recipe"):
        encoders.load_encoder(tmp_path / "other" / encoders.ENCODER, replace(recipe, steps=4))


@pytest.mark.parametrize("content", [b"", b"PK", b"text"])
def test_a_damaged_encoder_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / encoders.ENCODER
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"encoder\.pt: damaged"):
        encoders.load_encoder(path, tiny())


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_effective_rank_counts_equal_directions(rank: int) -> None:
    rng = np.random.default_rng(0)
    x = np.zeros((4000, 8), np.float32)
    x[:, :rank] = rng.normal(size=(4000, rank))
    assert effective_rank(x) == pytest.approx(rank, rel=0.01)


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
