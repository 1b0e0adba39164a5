"""Recipes: all settings of a training run, in one TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from tempocli.errors import DataError

# For `field(metadata=...)`: a setting that does not affect the weights; a run can be resumed after a change.
NOT_IN_WEIGHTS = {"weights": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Training settings common to all kinds of networks.

    Attributes
    ----------
    seed : int
        Random seed; every draw depends only on it and the step.
    steps : int
        Number of training steps.
    learning_rate, weight_decay : float
        Settings of AdamW; the learning rate follows a one-cycle schedule.
    ema : float
        Decay of the moving average of the weights; the average is exported.
    held_out : int
        One in `held_out` groups of clips is held out for validation.
    validate_every, checkpoint_every : int
        Intervals, in steps.
    """

    seed: int = 0
    steps: int = 2000
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    ema: float = 0.998
    held_out: int = 20
    validate_every: int = field(default=250, metadata=NOT_IN_WEIGHTS)
    checkpoint_every: int = field(default=250, metadata=NOT_IN_WEIGHTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(Schedule):
    """The recipe of one training run; each kind of network has a subclass with its own settings.

    Attributes
    ----------
    kind : str
        Kind of network; see `tempocli.training.kinds.KINDS`.
    name : str
        Name of the model.
    version : str
        Version of the model; raise it when a model of this name gives different results.
    losses : dict of str to float
        Weights of additional losses, by their registered names; see `tempocli.training.losses`.
    """

    kind: ClassVar[str]
    name: str
    version: str = field(default="1", metadata=NOT_IN_WEIGHTS)
    losses: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.held_out < 2:
            raise ValueError("held_out is less than 2, which leaves no clips to train on")

    @property
    def encoder_recipe(self) -> str:
        """Name of the recipe of the trained encoder that the network uses; empty for none."""
        return ""


AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


def read_recipe(path: Path, *kinds: type[AnyRecipe]) -> AnyRecipe:
    """Read a recipe.

    Parameters
    ----------
    path : Path
        TOML file.
    *kinds : type of Recipe
        Accepted kinds of recipes; the setting ``kind`` in the file selects one.

    Returns
    -------
    Recipe

    Raises
    ------
    DataError
        If the file cannot be read or has another kind, or a setting does not exist or has the wrong type.
    """
    by_kind = {recipe.kind: recipe for recipe in kinds}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        kind = table.pop("kind", None)
        if not isinstance(kind, str) or kind not in by_kind:
            found = "it has no kind" if kind is None else f"its kind is {kind!r}"
            raise ValueError(f"{found}; needed is kind = " + " or ".join(f'"{name}"' for name in by_kind))
        return build_recipe(by_kind[kind], table)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a recipe ({error})") from error


def build_recipe(recipe: type[AnyRecipe], table: dict[str, Any]) -> AnyRecipe:
    """Build a recipe from a table of settings, with nested tables for its parts.

    Raises
    ------
    ValueError, TypeError
        If a setting does not exist, has the wrong type, or is missing.
    """
    built: AnyRecipe = _build(recipe, table)
    return built


def _build(kind: Any, table: dict[str, Any]) -> Any:
    known = {item.name: item for item in fields(kind)}
    values = {}
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"unknown setting {key!r}")
        part = known[key].default_factory
        if isinstance(part, type) and is_dataclass(part):
            if not isinstance(value, dict):
                raise ValueError(f"setting {key!r} is not a table")
            values[key] = _build(part, value)
        else:
            _check(key, value, str(known[key].type))
            values[key] = value
    return kind(**values)


def _check(key: str, value: Any, wanted: str) -> None:
    if wanted in {"int", "float"} and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ValueError(f"setting {key!r} is not a number")
    if wanted == "bool" and not isinstance(value, bool):
        raise ValueError(f"setting {key!r} is neither true nor false")
    if wanted == "int" and not isinstance(value, int):
        raise ValueError(f"setting {key!r} is not a whole number")
    if wanted == "int" and value < 0:
        raise ValueError(f"setting {key!r} is negative")


def default_of(setting: Field[Any]) -> Any:
    """Return the default of a setting, or `dataclasses.MISSING` if it has none."""
    if setting.default_factory is not MISSING:
        return setting.default_factory()
    return setting.default


def shipped_recipes() -> list[Path]:
    """List the shipped recipes of all kinds; their names are unique."""
    return sorted((Path(__file__).parent / "recipes").rglob("*.toml"))


def find_recipe(name: str) -> Path:
    """Find a recipe by the name of a shipped one, or by path.

    Raises
    ------
    DataError
        If there is no such recipe.
    """
    for path in (Path(name), *shipped_recipes()):
        if path.is_file() and name in {str(path), path.name, path.stem}:
            return path
    names = ", ".join(path.stem for path in shipped_recipes())
    raise DataError(f"{name}: no such recipe; those that ship are {names}")
