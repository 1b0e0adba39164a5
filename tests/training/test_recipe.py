"""Recipes: read, refused in one line, listed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.cli import cli  # noqa: E402
from tempocli.errors import DataError  # noqa: E402
from tempocli.training.kinds import KINDS, load_recipe  # noqa: E402
from tempocli.training.recipe import find_recipe, read_recipe, shipped_recipes  # noqa: E402
from tempocli.training.tempo.recipe import TempoRecipe  # noqa: E402


def test_the_recipes_that_ship_can_be_read_and_have_unique_names() -> None:
    recipes = [load_recipe(path) for path in shipped_recipes()]
    assert [recipe.name for recipe in recipes] == [path.stem for path in shipped_recipes()]
    assert len({recipe.name for recipe in recipes}) == len(recipes)
    assert {recipe.kind for recipe in recipes} == set(KINDS)


def test_recipes_are_listed_with_their_kind() -> None:
    result = CliRunner().invoke(cli, ["train", "recipes"])
    assert {"tempo\ttempo", "comparison\tcompare", "contrastive\tmusic"} <= set(result.stdout.splitlines())


TEMPO = "kind = 'tempo'\nname = 'x'\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (TEMPO + "speed = 3\n[mix]\n", "unknown setting 'speed'"),
        (TEMPO + "steps = 'many'\n[mix]\n", "'steps' is not a number"),
        (TEMPO + "steps = 2.5\n[mix]\n", "not a whole number"),
        (TEMPO + "steps = -1\n[mix]\n", "'steps' is negative"),
        (TEMPO + "held_out = 1\n[mix]\na = 1.0\n", "held_out"),
        (TEMPO + "network = 3\n[mix]\na = 1.0\n", "'network' is not a table"),
        ("kind = 'tempo'\nmix = {}", "name"),
        ("name = ", "not a recipe"),
        ("name = 'x'\n[mix]\n", 'it has no kind; needed is kind = "tempo" or "comparison" or "contrastive"'),
        ("kind = 'chords'\nname = 'x'\n[mix]\n", "its kind is 'chords'"),
        ("kind = []\nname = 'x'\n[mix]\n", "its kind is"),
        (TEMPO + "[mix]\n[network]\nwidth = 3\n", "unknown setting 'width'"),
    ],
)
def test_bad_recipes_say_what_is_wrong(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=reason) as caught:
        load_recipe(path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_recipe_of_another_kind_than_the_one_needed_is_refused() -> None:
    with pytest.raises(DataError, match="its kind is 'comparison'; needed is kind = \"tempo\""):
        read_recipe(find_recipe("compare"), TempoRecipe)


def test_bad_input_of_the_command_is_one_line(tmp_path: Path, recipe_file: Path) -> None:
    out = ["--out", str(tmp_path / "o")]
    data = ["--data", str(tmp_path)]
    for arguments in (
        ["train", "run", "nothing", *data, *out],
        ["train", "run", str(recipe_file), *data, *out],
        ["train", "run", str(recipe_file), *data, *out, "--encoder", str(tmp_path)],
        ["train", "export", str(recipe_file), *data, "--run", str(tmp_path), "-o", str(tmp_path / "x.onnx")],
        ["train", "data", "audio", str(tmp_path), *out],
        ["train", "data", "groove", str(tmp_path), *out],
    ):
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 1
        assert len(result.stderr.strip().splitlines()) == 1, result.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tempo", "run RECIPE"),
        ("comparison", "run RECIPE"),
        ("contrastive", "run RECIPE"),
        ("export-comparison", "export RECIPE"),
        ("export-contrastive", "export RECIPE"),
    ],
)
def test_the_commands_of_before_are_gone_and_say_what_they_are_now(old: str, new: str) -> None:
    result = CliRunner().invoke(cli, ["train", old, "--recipe", "tempo"])
    assert result.exit_code == 2
    assert f"No such command '{old}'. It is 'tempo train {new}' now." in result.stderr


def test_another_command_that_does_not_exist_gets_no_such_hint() -> None:
    result = CliRunner().invoke(cli, ["train", "nonsense"])
    assert result.exit_code == 2
    assert "No such command 'nonsense'." in result.stderr
    assert "now" not in result.stderr
