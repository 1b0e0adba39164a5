"""Recipes: everything that decides a training run, in one TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from tempocli.errors import DataError
from tempocli.training.data.views import ViewConfig
from tempocli.training.tempo.network import NetworkConfig


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run.

    Attributes
    ----------
    name : str
        Name of the model.
    mix : dict of str to float
        Share of each labelled store in a batch, by folder name; empty to learn from unlabelled music alone.
    unlabelled : str
        Folder name of the store of unlabelled music; empty for none.
    calibration : tuple of str
        Stores of `mix` whose clips, kept out of training, the confidence is fitted on; all by default. It has
        no part in the training itself.
    scale : str
        Folder name of a store of click tracks. They set the scale of a network that has learned from
        unlabelled music alone, at export; they have no part in its training.
    seed, steps : int
        Every draw follows from the seed and the number of the step.
    batch_size, unlabelled_size : int
        Labelled windows, and unlabelled recordings, in a step.
    n_views : int
        Views of each unlabelled recording.
    elsewhere : float
        Chance that a view is of another excerpt of the recording than the view before it.
    beatless : float
        Share of the labelled windows that have no tempo.
    learning_rate, weight_decay : float
        Of AdamW, with one cycle of the rate.
    ema : float
        Decay of the moving average of the weights, which is what ships.
    target_width : float
        Standard deviation of the target, in bins.
    equivariance : float
        Weight of the equivariance loss (Quinton 2022), reached after `equivariance_start` steps.
    equivariance_start : int
        Steps before the equivariance loss counts.
    sharpness : float
        Power that sharpens the targets of the equivariance loss: `objectives.equivariance`, folded to
        an octave, beside labels, and `objectives.consensus` without.
    centring : float
        Weight of `objectives.off_centre`, which goes with `objectives.consensus`.
    octave_tilt : float
        Power of the tempo by which the decoder weighs octaves; see `tempocli.decoder.pool`. It has no part in
        the training itself.
    validate_every, checkpoint_every : int
        In steps.
    network : NetworkConfig
    views : ViewConfig
    """

    name: str
    mix: dict[str, float] = field(default_factory=dict)
    unlabelled: str = ""
    calibration: tuple[str, ...] = ()
    scale: str = ""
    seed: int = 0
    steps: int = 6000
    batch_size: int = 32
    unlabelled_size: int = 12
    n_views: int = 2
    elsewhere: float = 0.0
    beatless: float = 0.03
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    ema: float = 0.998
    target_width: float = 1.0
    equivariance: float = 0.5
    equivariance_start: int = 1000
    sharpness: float = 2.0
    centring: float = 1.0
    octave_tilt: float = 0.0
    validate_every: int = 500
    checkpoint_every: int = 250
    network: NetworkConfig = field(default_factory=NetworkConfig)
    views: ViewConfig = field(default_factory=ViewConfig)

    def __post_init__(self) -> None:
        if bool(self.mix) == bool(self.scale):
            raise ValueError("either labelled stores (mix) or click tracks (scale) set the scale")
        if not self.mix and (not self.unlabelled or self.equivariance_start > 0):
            raise ValueError("without labelled stores, unlabelled music must count from step 0")
        if self.n_views < 2 or (self.mix and self.n_views > 2):
            raise ValueError("two views of a recording beside labels, two or more without")
        # TOML has lists.
        object.__setattr__(self, "calibration", tuple(self.calibration))
        if not set(self.calibration) <= self.mix.keys():
            raise ValueError("calibration names a store that mix does not")

    def identity(self) -> str:
        """Describe all that decides the weights, so that a run goes on with its own recipe only."""
        return repr(replace(self, octave_tilt=0.0, calibration=()))


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises
    ------
    DataError
        If the file cannot be read, or holds a setting that does not exist or has the wrong type.
    """
    recipe: Recipe = read_recipe(path, Recipe, {"network": NetworkConfig, "views": ViewConfig})
    return recipe


def read_recipe(path: Path, kind: type, parts: dict[str, type]) -> Any:
    """Read a recipe of any kind.

    Parameters
    ----------
    path : Path
    kind : type
        Dataclass of the recipe.
    parts : dict of str to type
        Dataclasses of the tables within it.

    Raises
    ------
    DataError
        If the file cannot be read, or holds a setting that does not exist or has the wrong type.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        for name, part in parts.items():
            table[name] = _build(part, table.get(name, {}))
        return _build(kind, table)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a recipe ({error})") from error


def _build(kind: type, table: dict[str, Any]) -> Any:
    known = {item.name: item for item in fields(kind)}
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"unknown setting {key!r}")
        wanted = str(known[key].type)
        if wanted in {"int", "float"} and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"setting {key!r} is not a number")
        if wanted == "bool" and not isinstance(value, bool):
            raise ValueError(f"setting {key!r} is neither true nor false")
        if wanted == "int" and not isinstance(value, int):
            raise ValueError(f"setting {key!r} is not a whole number")
        if wanted == "int" and value < 0:
            raise ValueError(f"setting {key!r} is negative")
    return kind(**table)


def shipped_recipes(kind: str = "") -> list[Path]:
    """List the recipes that ship: of tempo encoders, or of a kind by name, such as ``"comparison"``."""
    return sorted((Path(__file__).parent / "recipes" / (kind or "tempo")).glob("*.toml"))


def find_recipe(name: str, kind: str = "") -> Path:
    """Find a recipe of a kind by the name of one that ships, or by its path.

    Raises
    ------
    DataError
        If there is none.
    """
    for path in (Path(name), *shipped_recipes(kind)):
        if path.is_file() and name in {str(path), path.name, path.stem}:
            return path
    names = ", ".join(path.stem for path in shipped_recipes(kind))
    raise DataError(f"{name}: no such recipe; those that ship are {names}")
