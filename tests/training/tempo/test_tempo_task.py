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
from tempocli.errors import TempoError  # noqa: E402
from tempocli.inference.calibration import Calibration  # noqa: E402
from tempocli.inference.classifier import Encoder  # noqa: E402
from tempocli.training.data.sampling import Split  # noqa: E402
from tempocli.training.engine import HISTORY  # noqa: E402
from tempocli.training.kinds import load_run, train  # noqa: E402
from tempocli.training.tempo import export as export_module  # noqa: E402
from tempocli.training.tempo.sampler import TempoSampler  # noqa: E402


class KilledError(Exception):
    pass


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["average"]


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_history_has_a_line_a_step(recipe, data_folder: Path, tmp_path: Path) -> None:
    train(recipe, data_folder, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / HISTORY).read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, recipe.steps + 1))
    assert {"supervised", "equivariance", "seconds"} <= lines[0].keys()
    assert "validation_accuracy1" in lines[-1]


@pytest.mark.slow
def test_it_learns(recipe, data_folder: Path, tmp_path: Path) -> None:
    longer = replace(recipe, steps=60, batch_size=16, validate_every=60, ema=0.9, beatless=0.0)
    train(longer, data_folder, tmp_path)
    losses = [json.loads(line)["supervised"] for line in (tmp_path / HISTORY).read_text().splitlines()]
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:5])


@pytest.mark.slow
def test_the_context_tells_pieces_apart(recipe, data_folder: Path, tmp_path: Path) -> None:
    """A context that says the same of everything has died, and nothing else would show it."""
    longer = replace(recipe, steps=60, batch_size=16, validate_every=60, ema=0.9)
    train(longer, data_folder, tmp_path)
    network = load_run(tmp_path, longer)
    windows, _ = TempoSampler(data_folder, longer).validation()
    with torch.inference_mode():
        _, octave, embedding = network.parts(torch.from_numpy(windows))
    assert (embedding.std(dim=0) > 1e-3).float().mean() > 0.3
    assert octave.std(dim=0).max() > 1e-2


def test_validation_clips_are_never_trained_on(recipe, data_folder: Path) -> None:
    sampler = TempoSampler(data_folder, recipe)
    kept_out = [clip for clip in sampler.stores[0][0].clips if Split(recipe.held_out).is_held_out(clip)]
    assert kept_out
    assert not {clip.name for clip in kept_out} & {clip.name for clip in sampler._train[0]}
    assert len(sampler.validation()[0]) == len(kept_out)


def test_batches_follow_from_seed_and_step(recipe, data_folder: Path) -> None:
    first, again, other = (TempoSampler(data_folder, recipe).batch(step) for step in (3, 3, 4))
    np.testing.assert_array_equal(first.labelled, again.labelled)
    np.testing.assert_array_equal(first.log2_rate, again.log2_rate)
    assert not np.array_equal(first.labelled, other.labelled)


@pytest.mark.slow
def test_from_recipe_to_model_by_the_command_line(
    data_folder: Path, recipe_file: Path, tmp_path: Path
) -> None:
    data = ["--data", str(data_folder)]
    out = str(tmp_path / "run")
    trained = CliRunner().invoke(cli, ["train", "run", str(recipe_file), *data, "--out", out])
    assert trained.exit_code == 0, trained.output
    model = tmp_path / "small.onnx"
    exported = CliRunner().invoke(
        cli, ["train", "export", str(recipe_file), *data, "--run", out, "-o", str(model)]
    )
    assert exported.exit_code == 0, exported.output
    encoder = Encoder(model, device="cpu")
    assert encoder.spec.name == "small"
    assert encoder.encode(np.zeros((3, 1024, 40), np.float32))[0].shape == (3, 160)
    assert [path.name for path in tmp_path.glob("*.onnx")] == ["small.onnx"]
    assert b".py" not in model.read_bytes()


@pytest.mark.slow
def test_a_model_that_differs_from_torch_is_not_written(
    recipe, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(recipe, data_folder, tmp_path)
    network = load_run(tmp_path, recipe)
    monkeypatch.setattr(export_module, "parity", lambda *_: 1.0)
    target = tmp_path / "wrong.onnx"
    with pytest.raises(TempoError, match="differs"):
        export_module.write_encoder(
            network,
            target,
            name="x",
            version="1",
            front_end=TempoSampler(data_folder, recipe).front_end,
            calibration=Calibration((0.0, 1.0), (0.0, 1.0), (0.0, 1.0, 1.0)),
            tilt=0.0,
            windows=TempoSampler(data_folder, recipe).validation()[0],
        )
    assert not list(tmp_path.glob("*.onnx"))
