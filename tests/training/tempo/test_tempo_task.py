"""Training: it learns, it resumes bit for bit, it exports what it trained."""

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
from tempocli.encoder import Encoder  # noqa: E402
from tempocli.errors import DataError, TempoError  # noqa: E402
from tempocli.training import export as export_module  # noqa: E402
from tempocli.training.calibrate import fit_logistic  # noqa: E402
from tempocli.training.engine import CHECKPOINT, HISTORY  # noqa: E402
from tempocli.training.export import load_network  # noqa: E402
from tempocli.training.recipe import load_recipe, shipped_recipes  # noqa: E402
from tempocli.training.tempo.sampler import Sampler, is_validation  # noqa: E402
from tempocli.training.tempo.task import train  # noqa: E402


class KilledError(Exception):
    pass


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["average"]


def test_a_killed_run_goes_on_to_the_same_weights(recipe, data_folder: Path, tmp_path: Path) -> None:
    whole = train(recipe, data_folder, tmp_path / "whole")

    def kill(step: int, values: dict[str, float]) -> None:
        if step == 5:  # the checkpoint stands at step 4
            raise KilledError

    with pytest.raises(KilledError):
        train(recipe, data_folder, tmp_path / "killed", report=kill)
    with (tmp_path / "killed" / HISTORY).open("a") as history:
        history.write('{"step": 5, "los{"step": 6}\n{"step": 6, "lo')
    resumed = train(recipe, data_folder, tmp_path / "killed")
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(resumed)[name]), name
    lines = (tmp_path / "killed" / HISTORY).read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, recipe.steps + 1))


def test_the_history_has_a_line_a_step(recipe, data_folder: Path, tmp_path: Path) -> None:
    train(recipe, data_folder, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / HISTORY).read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, recipe.steps + 1))
    assert {"supervised", "equivariance", "seconds"} <= lines[0].keys()
    assert "validation_accuracy1" in lines[-1]


def test_it_learns(recipe, data_folder: Path, tmp_path: Path) -> None:
    longer = replace(recipe, steps=60, batch_size=16, validate_every=60, ema=0.9, beatless=0.0)
    train(longer, data_folder, tmp_path)
    losses = [json.loads(line)["supervised"] for line in (tmp_path / HISTORY).read_text().splitlines()]
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:5])


def test_the_context_tells_pieces_apart(recipe, data_folder: Path, tmp_path: Path) -> None:
    """A context that says the same of everything has died, and nothing else would show it."""
    longer = replace(recipe, steps=60, batch_size=16, validate_every=60, ema=0.9)
    network = load_network(train(longer, data_folder, tmp_path), longer)
    windows, _ = Sampler(data_folder, longer).validation()
    with torch.inference_mode():
        _, octave, embedding = network.parts(torch.from_numpy(windows))
    assert (embedding.std(dim=0) > 1e-3).float().mean() > 0.3
    assert octave.std(dim=0).max() > 1e-2


def test_another_recipe_is_refused(recipe, data_folder: Path, tmp_path: Path) -> None:
    train(recipe, data_folder, tmp_path)
    with pytest.raises(DataError, match="another recipe"):
        train(replace(recipe, seed=5), data_folder, tmp_path)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_a_checkpoint_that_cannot_be_read_is_one_line(recipe, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / CHECKPOINT
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a checkpoint that can be read") as caught:
        load_network(path, recipe)
    assert len(str(caught.value).splitlines()) == 1


def test_validation_clips_are_never_trained_on(recipe, data_folder: Path) -> None:
    sampler = Sampler(data_folder, recipe)
    kept_out = [clip for clip in sampler.stores[0][0].clips if is_validation(clip)]
    assert kept_out
    assert not {clip.name for clip in kept_out} & {clip.name for clip in sampler._train[0]}
    assert len(sampler.validation()[0]) == len(kept_out)


def test_batches_follow_from_seed_and_step(recipe, data_folder: Path) -> None:
    first, again, other = (Sampler(data_folder, recipe).batch(step) for step in (3, 3, 4))
    np.testing.assert_array_equal(first.labelled, again.labelled)
    np.testing.assert_array_equal(first.log2_rate, again.log2_rate)
    assert not np.array_equal(first.labelled, other.labelled)


def test_logistic_calibration_recovers_its_coefficients() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(0, 2, 20_000)
    right = rng.random(20_000) < 1 / (1 + np.exp(-(0.5 + 0.7 * score)))
    bias, slope = fit_logistic(score, right)
    assert bias == pytest.approx(0.5, abs=0.05)
    assert slope == pytest.approx(0.7, abs=0.05)


def test_logistic_calibration_does_not_run_away_where_nearly_all_is_certain() -> None:
    score = np.concatenate([np.full(300, 9.2), np.full(20, 0.0)])
    right = np.arange(320) % 16 != 0
    bias, slope = fit_logistic(score, right)
    expected = 1 / (1 + np.exp(-(bias + slope * score)))
    assert expected[:300].mean() == pytest.approx(right[:300].mean(), abs=0.02)
    assert 0.0 <= slope < 1.0


def test_from_recipe_to_model_by_the_command_line(
    data_folder: Path, recipe_file: Path, tmp_path: Path
) -> None:
    run = [
        "--recipe", str(recipe_file), "--data", str(data_folder),
    ]  # fmt: skip
    trained = CliRunner().invoke(cli, ["train", "tempo", *run, "--out", str(tmp_path / "run")])
    assert trained.exit_code == 0, trained.output
    model = tmp_path / "small.onnx"
    exported = CliRunner().invoke(
        cli, ["train", "export", *run, "--run", str(tmp_path / "run"), "-o", str(model)]
    )
    assert exported.exit_code == 0, exported.output
    encoder = Encoder(model, device="cpu")
    assert encoder.name == "small"
    assert encoder.encode(np.zeros((3, 1024, 40), np.float32))[0].shape == (3, 160)
    assert [path.name for path in tmp_path.glob("*.onnx")] == ["small.onnx"]
    assert b".py" not in model.read_bytes()


def test_a_model_that_differs_from_torch_is_not_written(
    recipe, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = export_module.load_network(train(recipe, data_folder, tmp_path), recipe)
    monkeypatch.setattr(export_module, "parity", lambda *_: 1.0)
    target = tmp_path / "wrong.onnx"
    with pytest.raises(TempoError, match="differs"):
        export_module.export(
            network,
            target,
            name="x",
            front_end=Sampler(data_folder, recipe).front_end,
            calibration=export_module.Calibration((0.0, 1.0), (0.0, 1.0), (0.0, 1.0, 1.0)),
            tilt=0.0,
            windows=Sampler(data_folder, recipe).validation()[0],
        )
    assert not list(tmp_path.glob("*.onnx"))


def test_recipes_are_listed_as_their_commands_take_them() -> None:
    result = CliRunner().invoke(cli, ["train", "recipes"])
    assert {"tempo\ttempo", "comparison\tcompare", "contrastive\teq"} <= set(result.stdout.splitlines())


def test_the_recipes_that_ship_can_be_read() -> None:
    assert {path.stem for path in shipped_recipes()} >= {"tempo"}
    for path in shipped_recipes():
        assert load_recipe(path).name == path.stem


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name = 'x'\nspeed = 3\n[mix]\n", "unknown setting 'speed'"),
        ("name = 'x'\nsteps = 'many'\n[mix]\n", "'steps' is not a number"),
        ("name = 'x'\nsteps = 2.5\n[mix]\n", "not a whole number"),
        ("name = 'x'\nsteps = -1\n[mix]\n", "'steps' is negative"),
        ("mix = {}", "name"),
        ("name = ", "not a recipe"),
        ("name = 'x'\n[mix]\n[network]\nwidth = 3\n", "unknown setting 'width'"),
    ],
)
def test_bad_recipes_say_what_is_wrong(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=reason):
        load_recipe(path)


def test_bad_input_of_the_command_is_one_line(tmp_path: Path, recipe_file: Path) -> None:
    runner = CliRunner()
    for arguments in (
        ["train", "tempo", "--recipe", "nothing", "--data", str(tmp_path), "--out", str(tmp_path / "o")],
        [
            "train",
            "tempo",
            "--recipe",
            str(recipe_file),
            "--data",
            str(tmp_path),
            "--out",
            str(tmp_path / "o"),
        ],
        ["train", "data", "audio", str(tmp_path), "--out", str(tmp_path / "o")],
        ["train", "data", "groove", str(tmp_path), "--out", str(tmp_path / "o")],
    ):
        result = runner.invoke(cli, arguments)
        assert result.exit_code == 1
        assert len(result.stderr.strip().splitlines()) == 1, result.stderr
