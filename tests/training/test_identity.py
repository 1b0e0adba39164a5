"""A recipe's identity: no setting added later orphans a checkpoint, and no other recipe continues it."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.errors import DataError  # noqa: E402
from tempocli.inference.priors import OctavePrior  # noqa: E402
from tempocli.training.checkpoint import CHECKPOINT, load_checkpoint  # noqa: E402
from tempocli.training.comparator.recipe import ComparisonRecipe  # noqa: E402
from tempocli.training.contrastive.recipe import ContrastiveRecipe  # noqa: E402
from tempocli.training.data.views import ViewConfig  # noqa: E402
from tempocli.training.identity import FORMAT, identity  # noqa: E402
from tempocli.training.kinds import KINDS, load_run, train  # noqa: E402
from tempocli.training.recipe import Recipe, default_of  # noqa: E402
from tempocli.training.tempo.network import NetworkConfig  # noqa: E402
from tempocli.training.tempo.recipe import TempoRecipe  # noqa: E402

OLDER = "older version of tempocli, with settings that"
DEFAULTS = Path(__file__).with_name("recipe_defaults.json")
# The recipe of tests/training/conftest.py as version 0.1.0 wrote it into checkpoints.
OLD_TEXT = (
    "Recipe(name='small', mix={'clicks': 1.0}, unlabelled='audio', calibration=(), scale='', seed=0, "
    "steps=6, batch_size=6, unlabelled_size=2, n_views=2, elsewhere=0.0, beatless=0.03, "
    "learning_rate=0.003, weight_decay=0.001, ema=0.998, target_width=1.0, equivariance=0.5, "
    "equivariance_start=2, sharpness=2.0, centring=1.0, octave_tilt=0.0, validate_every=3, "
    "checkpoint_every=2, network=NetworkConfig(n_frames=1024, n_mels=40, frame_rate=86.1328125, "
    "n_bins=160, bins_per_octave=48, min_bpm=30.0, scale=1.0, frame_step=2, n_groups=8, n_activations=8, "
    "channels=16, n_blocks=1, time_channels=8, time_blocks=2, embedding_dim=128, dropout=0.1, "
    "context_dropout=0.1, context=True, odd=False), views=ViewConfig(max_stretch=0.2, gain_db=12.0, "
    "eq_db=6.0, noise=0.25, band_drop=0.2, band_keep=0.0, overlay=0.0, echo=0.0, compression=0.0, "
    "warmth=0.0, short=0.0))"
)


def test_the_record_holds_what_differs_from_the_defaults() -> None:
    recipe = TempoRecipe(
        name="x", mix={"b": 0.25, "a": 1}, steps=10, network=NetworkConfig(odd=True), octave_tilt=2.0
    )
    assert json.loads(identity(recipe)) == {
        "format": FORMAT,
        "kind": "tempo",
        "settings": {"mix": [["b", 0.25], ["a", 1.0]], "name": "x", "network": {"odd": True}, "steps": 10},
    }


def test_the_record_is_canonical() -> None:
    one = TempoRecipe(name="x", mix={"a": 1}, views=ViewConfig(echo=1), learning_rate=1)
    other = TempoRecipe(name="x", mix={"a": 1.0}, views=ViewConfig(echo=1.0), learning_rate=1.0, seed=0)
    assert identity(one) == identity(other)
    # The order of the stores decides which one a draw takes.
    swapped = [TempoRecipe(name="x", mix=mix) for mix in ({"a": 1.0, "b": 1.0}, {"b": 1.0, "a": 1.0})]
    assert identity(swapped[0]) != identity(swapped[1])


@pytest.mark.parametrize(
    ("recipe", "change"),
    [
        (TempoRecipe(name="x", mix={"a": 1.0}), {"octave_tilt": 1.5, "calibration": ("a",)}),
        (TempoRecipe(name="x", mix={"a": 1.0}), {"validate_every": 7, "checkpoint_every": 3}),
        (
            ComparisonRecipe(name="x", stores={"a": 1.0}),
            {"calibration": {"b": 1.0}, "prior": OctavePrior(99)},
        ),
    ],
)
def test_what_has_no_part_in_the_weights_has_none_in_the_identity(recipe: Recipe, change: Any) -> None:
    assert identity(replace(recipe, **change)) == identity(recipe)
    assert identity(replace(recipe, seed=1)) != identity(recipe)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterNetwork(NetworkConfig):
    heads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterRecipe(TempoRecipe):
    """The tempo recipe of a later version, with two more settings, one of them within a part."""

    kind: ClassVar[str] = "tempo"
    mixup: float = 0.0
    network: LaterNetwork = field(default_factory=LaterNetwork)


@pytest.mark.slow
def test_a_setting_added_later_orphans_no_checkpoint(recipe, data_folder: Path, tmp_path: Path) -> None:
    train(recipe, data_folder, tmp_path)
    settings = {item.name: getattr(recipe, item.name) for item in fields(recipe)}
    sizes = {item.name: getattr(recipe.network, item.name) for item in fields(recipe.network)}
    later = LaterRecipe(**settings | {"network": LaterNetwork(**sizes)})
    assert load_checkpoint(tmp_path / CHECKPOINT, later)["step"] == recipe.steps
    with pytest.raises(DataError, match=r"another recipe \(mixup was the default, is 0.5\)"):
        load_checkpoint(tmp_path / CHECKPOINT, replace(later, mixup=0.5))
    with pytest.raises(DataError, match=r"another recipe \(network.heads was the default, is 2\)"):
        load_checkpoint(tmp_path / CHECKPOINT, replace(later, network=replace(later.network, heads=2)))


@pytest.mark.slow
def test_another_recipe_is_refused_and_the_settings_named(recipe, data_folder: Path, tmp_path: Path) -> None:
    train(recipe, data_folder, tmp_path)
    with pytest.raises(DataError, match=r"another recipe \(seed was the default, is 5; steps was 6, is 9\)"):
        train(replace(recipe, seed=5, steps=9), data_folder, tmp_path)
    other = ContrastiveRecipe(name="small", stores={"audio": 1.0})
    with pytest.raises(DataError, match=r"another recipe \(kind was tempo\)"):
        load_checkpoint(tmp_path / CHECKPOINT, other)


def with_text(path: Path, text: str) -> None:
    state = torch.load(path, weights_only=True)
    torch.save(state | {"recipe": text}, path)


@pytest.mark.slow
def test_a_checkpoint_of_version_0_1_0_is_continued(recipe, data_folder: Path, tmp_path: Path) -> None:
    whole = torch.load(train(recipe, data_folder, tmp_path / "whole"), weights_only=True)

    class KilledError(Exception):
        pass

    def kill(step: int, values: dict[str, float]) -> None:
        if step == 4:
            raise KilledError

    with pytest.raises(KilledError):
        train(recipe, data_folder, tmp_path / "old", report=kill)
    checkpoint = tmp_path / "old" / CHECKPOINT
    with_text(checkpoint, OLD_TEXT)
    resumed = torch.load(train(recipe, data_folder, tmp_path / "old"), weights_only=True)
    assert resumed["recipe"] == identity(recipe)  # and is of the new format from then on
    for name, value in whole["average"].items():
        assert torch.equal(value, resumed["average"][name]), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (OLD_TEXT.replace("steps=6", "steps=7"), r"another recipe \(steps was 7, is 6\)"),
        (
            OLD_TEXT.replace("odd=False", "odd=True"),
            r"another recipe \(network.odd was true, is the default\)",
        ),
        (OLD_TEXT.replace("seed=0", "speed=3"), OLDER),
        (OLD_TEXT.replace("Recipe(", "OtherRecipe(", 1), OLDER),
        ("print('hello')", OLDER),
        ("no Python", OLDER),
        (
            "ContrastiveRecipe(name='small', stores={'audio': 1.0})",
            r"another recipe \(kind was contrastive\)",
        ),
        ('{"format": 99, "kind": "tempo", "settings": {}}', "newer version of tempocli"),
        ("{", "not a checkpoint that can be read"),
        ('{"kind": "tempo"}', "not a checkpoint that can be read"),
    ],
)
def test_a_checkpoint_that_cannot_be_continued_is_refused_in_one_line(
    recipe, data_folder: Path, tmp_path: Path, text: str, reason: str
) -> None:
    train(recipe, data_folder, tmp_path)
    with_text(tmp_path / CHECKPOINT, text)
    with pytest.raises(DataError, match=reason) as caught:
        train(recipe, data_folder, tmp_path)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_checkpoint_is_one_line(recipe, tmp_path: Path, content: bytes) -> None:
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(DataError, match="not a checkpoint that can be read") as caught:
        load_run(tmp_path, recipe)
    assert len(str(caught.value).splitlines()) == 1


def defaults_of(kind: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in fields(kind):
        default = default_of(item)
        if default is MISSING or not item.metadata.get("weights", True):
            continue
        if is_dataclass(default):
            found[item.name] = defaults_of(type(default))
        else:
            found[item.name] = list(default) if isinstance(default, tuple) else default
    return found


def test_no_default_changes_unnoticed() -> None:
    """A record leaves out what is at its default, so that the defaults are part of the format.

    A new setting is added to the file, and that is all. When a default changes, or a setting goes, raise
    FORMAT, translate older records in `read_identity`, and write the file anew.
    """
    found = {name: defaults_of(kind.recipe) for name, kind in KINDS.items()}
    assert json.loads(DEFAULTS.read_text()) == {"format": FORMAT, **found}
