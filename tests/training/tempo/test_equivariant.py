"""Equivariant self-supervision alone: no label, no collapse, resumes bit for bit, clicks set its scale."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.cli import cli  # noqa: E402
from tempocli.errors import DataError  # noqa: E402
from tempocli.inference.classifier import Encoder  # noqa: E402
from tempocli.training.data.store import StoreWriter, open_store  # noqa: E402
from tempocli.training.kinds import train  # noqa: E402
from tempocli.training.recipe import find_recipe, read_recipe  # noqa: E402
from tempocli.training.tempo.losses import consensus, off_centre  # noqa: E402
from tempocli.training.tempo.network import NetworkConfig, TempoNetwork  # noqa: E402
from tempocli.training.tempo.recipe import TempoRecipe  # noqa: E402
from tempocli.training.tempo.sampler import TempoSampler  # noqa: E402
from tempocli.training.tempo.scale import common_shift, middle_shift, rescale, tempo_offsets  # noqa: E402
from tempocli.training.tempo.shifts import shift  # noqa: E402

SMALL_ALONE = """
kind = "tempo"
name = "alone"
steps = 6
unlabelled = "audio"
unlabelled_size = 3
n_views = 3
elsewhere = 0.5
scale = "clicks"
equivariance_start = 0
validate_every = 3
checkpoint_every = 2

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
"""


class KilledError(Exception):
    pass


@pytest.fixture
def alone_file(tmp_path: Path) -> Path:
    path = tmp_path / "alone.toml"
    path.write_text(SMALL_ALONE)
    return path


@pytest.fixture
def alone(alone_file: Path) -> TempoRecipe:
    return read_recipe(alone_file, TempoRecipe)


def bumps(*places: float, n_bins: int = 256) -> torch.Tensor:
    """Logits of narrow peaks, shape=(len(places), n_bins)."""
    return -0.5 * (torch.arange(float(n_bins))[None, :] - torch.tensor(places)[:, None]) ** 2


@settings(deadline=None)  # the first call of torch may be slow
@given(bins=st.floats(-40, 40))
def test_shifting_moves_a_peak_and_keeps_its_mass(bins: float) -> None:
    moved = shift(torch.softmax(bumps(128.0), dim=1), torch.tensor([bins]))
    assert moved.sum().item() == pytest.approx(1.0, abs=1e-4)
    assert (moved[0] * torch.arange(256.0)).sum().item() == pytest.approx(128.0 + bins, abs=1e-2)


def test_what_leaves_the_axis_is_lost() -> None:
    moved = shift(torch.softmax(bumps(5.0, 250.0), dim=1), torch.tensor([-20.0, 20.0]))
    assert moved.sum().item() == pytest.approx(0.0, abs=1e-4)


def test_consensus_is_least_for_answers_that_shift_with_the_rates() -> None:
    log2_rate = torch.tensor([[0.0], [0.25], [-0.125]])

    def loss(*places: float) -> float:
        return consensus(bumps(*places)[:, None], log2_rate, bins_per_octave=48, sharpness=2.0).item()

    right = loss(100.0, 112.0, 94.0)
    assert right < loss(100.0, 111.0, 94.0)
    assert right < loss(100.0, 100.0, 100.0)  # a constant answer
    assert right < loss(100.0, 160.0, 94.0)  # an octave off: octaves are not folded
    assert right == pytest.approx(loss(148.0, 160.0, 142.0), abs=1e-3)  # but all may be an octave up


def test_consensus_beats_every_collapse_and_has_no_pole() -> None:
    log2_rate = torch.rand(4, 8) - 0.5
    even = torch.zeros(4, 8, 256)
    following = bumps(*(120.0 + 48.0 * log2_rate).flatten()).reshape(4, 8, 256)
    options = {"bins_per_octave": 48, "sharpness": 2.0}
    assert consensus(following, log2_rate, **options) < consensus(even, log2_rate, **options) - 1.0
    extreme = (1e4 * torch.randn(4, 8, 256)).requires_grad_()
    consensus(extreme, log2_rate, **options).backward()
    assert torch.isfinite(extreme.grad).all()


def test_sharpening_makes_the_even_answer_unstable() -> None:
    generator = torch.Generator().manual_seed(0)
    tilted = (1e-2 * torch.randn(1, 4, 256, generator=generator)).repeat(2, 1, 1).requires_grad_()
    consensus(tilted, torch.zeros(2, 4), bins_per_octave=48, sharpness=2.0).backward()
    # Descent raises what stands out already.
    assert (tilted.grad * tilted.detach()).sum() < 0


def test_the_centre_of_the_axis_is_where_the_mean_tempo_should_be() -> None:
    assert off_centre(bumps(127.5), bins_per_octave=48).item() == pytest.approx(0.0, abs=1e-6)
    assert off_centre(bumps(127.5 + 48.0), bins_per_octave=48).item() == pytest.approx(1.0, abs=1e-3)
    spread = bumps(127.5 - 48.0, 127.5 + 48.0)  # tempi may differ, only their mean is held
    assert off_centre(spread, bins_per_octave=48).item() == pytest.approx(0.0, abs=1e-4)


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(
    alone: TempoRecipe, data_folder: Path, tmp_path: Path
) -> None:
    whole = train(alone, data_folder, tmp_path / "whole")

    def kill(step: int, values: dict[str, float]) -> None:
        assert "supervised" not in values
        if step == 5:  # the checkpoint stands at step 4
            raise KilledError

    with pytest.raises(KilledError):
        train(alone, data_folder, tmp_path / "killed", report=kill)
    resumed = train(alone, data_folder, tmp_path / "killed")
    first, second = (torch.load(path, weights_only=True)["average"] for path in (whole, resumed))
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


@pytest.mark.slow
def test_it_never_sees_a_label(alone: TempoRecipe, data_folder: Path, tmp_path: Path) -> None:
    # The same audio with wrong labels, and other click tracks, must give the same weights.
    for kind in ("audio", "clicks"):
        store = open_store(data_folder / kind)
        with StoreWriter(tmp_path / "other" / kind, store.front_end) as writer:
            for index, clip in enumerate(store.clips):
                frames = store.frames[clip.start : clip.start + clip.length].astype(np.float32)
                if kind == "clicks":
                    frames = frames[::-1]
                writer.add(clip.name, frames, bpm=50.0 + index, style=clip.style, group=clip.group)
    first = train(alone, data_folder, tmp_path / "a")
    second = train(alone, tmp_path / "other", tmp_path / "b")
    weights = [torch.load(path, weights_only=True)["network"] for path in (first, second)]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_views_have_no_padding_and_their_own_rates(alone: TempoRecipe, data_folder: Path) -> None:
    batch = TempoSampler(data_folder, alone).batch(0)
    assert batch.views.shape == (3, 3, 1024, 40)
    assert batch.log2_rate.shape == (3, 3)
    assert len(np.unique(batch.log2_rate)) == 9
    assert len(batch.labelled) == len(batch.bpm) == 0
    # Padding would be silence for seconds at an end; these click tracks never pause for that long.
    for end in (batch.views[:, :, :200], batch.views[:, :, -200:]):
        assert (end.max(axis=(2, 3)) > end.min(axis=(2, 3)) + 0.1).all()


@pytest.mark.parametrize(("expected", "found"), [(0.0, 23.3), (48.0, 71.3), (-20.0, -24.7), (40.0, 23.3)])
def test_the_shift_that_most_share_is_found_in_the_octave_expected(expected: float, found: float) -> None:
    rng = np.random.default_rng(0)
    offsets = np.concatenate([rng.normal(23.3, 0.3, 40), rng.normal(71.3, 0.3, 40), rng.uniform(-90, 90, 20)])
    assert common_shift(offsets, expected=expected, bins_per_octave=48) == pytest.approx(found, abs=0.2)


def test_the_middle_of_the_axis_goes_to_the_middle_of_the_axis_that_ships() -> None:
    assert middle_shift(NetworkConfig()) == 0.0
    assert middle_shift(NetworkConfig(min_bpm=60.0)) == 48.0
    assert middle_shift(NetworkConfig(min_bpm=15.0, n_bins=256)) == 0.0


def test_rescaling_makes_click_tracks_right(alone: TempoRecipe, data_folder: Path) -> None:
    # Answers of an untrained network shift with its input, whatever they are.
    torch.manual_seed(0)
    windows, tempi = TempoSampler(data_folder, alone).validation()
    network = TempoNetwork(alone.network).eval()
    offsets = tempo_offsets(network, windows, tempi)
    before = common_shift(offsets, expected=0.0, bins_per_octave=48)
    scaled = rescale(network, windows, tempi)
    assert scaled.config.min_bpm == NetworkConfig().min_bpm
    assert scaled.config.n_bins == NetworkConfig().n_bins
    assert scaled.config.scale == pytest.approx(2.0 ** (before / 48))
    with torch.inference_mode():
        wide = network(torch.from_numpy(windows[:4]))[0]
        cut = scaled(torch.from_numpy(windows[:4]))[0]
    # Bin k of the cut axis is what bin 48 + k + shift of the wide one was, but for the ends.
    first = 48 + round(before)
    inner = slice(20, 60)
    correlation = np.corrcoef(wide[:, first + 20 : first + 60].flatten(), cut[:, inner].flatten())[0, 1]
    assert correlation > 0.9


@pytest.mark.slow
def test_from_recipe_to_model_by_the_command_line(
    data_folder: Path, alone_file: Path, tmp_path: Path
) -> None:
    data = ["--data", str(data_folder)]
    out = str(tmp_path / "run")
    trained = CliRunner().invoke(cli, ["train", "run", str(alone_file), *data, "--out", out])
    assert trained.exit_code == 0, trained.output
    model = tmp_path / "alone.onnx"
    exported = CliRunner().invoke(
        cli, ["train", "export", str(alone_file), *data, "--run", out, "-o", str(model)]
    )
    assert exported.exit_code == 0, exported.output
    encoder = Encoder(model, device="cpu")
    assert encoder.spec.axis.bpms[0] == 30.0
    logits, embedding = encoder.encode(np.zeros((2, 1024, 40), np.float32))
    assert logits.shape == (2, 160)
    assert embedding.shape == (2, 32)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"scale": ""}, "either"),
        ({"mix": {"clicks": 1.0}}, "either"),
        ({"unlabelled": ""}, "unlabelled music must count"),
        ({"equivariance_start": 100}, "unlabelled music must count"),
        ({"n_views": 1}, "views"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(alone: TempoRecipe, change: dict, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        replace(alone, **change)


def test_a_switch_must_be_true_or_false(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(SMALL_ALONE.replace("context = false", "context = 0"))
    with pytest.raises(DataError, match="neither true nor false"):
        read_recipe(path, TempoRecipe)


def test_the_recipe_that_ships_hears_unlabelled_audio_only() -> None:
    recipe = read_recipe(find_recipe("equivariant"), TempoRecipe)
    assert not recipe.mix
    assert not recipe.network.context
    assert recipe.octave_tilt == 0.0  # no prior over tempi at decoding
