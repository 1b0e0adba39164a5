"""Several teachers, one student: what they agree on can be learned by one network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tempocli.training.export import load_network
from tempocli.training.loop import train
from tempocli.training.store import open_store
from tempocli.training.teach import open_teaching, teach

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tempocli.training.recipe import Recipe

_TEACHING = "teaching.npz"


def teacher_recipes(recipe: Recipe) -> list[Recipe]:
    """List the recipes of a recipe's teachers: its own without teachers, with other seeds."""
    return [
        replace(
            recipe, teachers=0, taught_size=0, batch_size=recipe.batch_size + recipe.taught_size, seed=seed
        )
        for seed in range(recipe.seed + 1, recipe.seed + 1 + recipe.teachers)
    ]


def train_taught(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    device: str = "cpu",
    threads: int = 1,
    report: Callable[[int, dict[str, float]], None] = lambda step, values: None,
) -> Path:
    """Train a recipe's teachers, if it has any, then the network itself; goes on where it stopped.

    Parameters
    ----------
    recipe : Recipe
    data, out : Path
        Folders of feature stores and of the run; each teacher gets a subfolder of the run.
    device, threads
        As in `tempocli.training.loop.train`.
    report : callable
        Called with the number of steps done, over all networks, and the losses.

    Returns
    -------
    Path
        The checkpoint.

    Raises
    ------
    DataError
        As `tempocli.training.loop.train`.
    """
    checkpoints = [
        train(
            own,
            data,
            out / f"teacher-{number}",
            device=device,
            threads=threads,
            report=lambda step, values, done=number * recipe.steps: report(done + step, values),  # type: ignore[misc]
        )
        for number, own in enumerate(teacher_recipes(recipe), 1)
    ]
    teaching = None
    if checkpoints:
        path, store = out / _TEACHING, open_store(data / recipe.unlabelled)
        if not path.is_file():
            own = teacher_recipes(recipe)
            networks = [load_network(point, its) for point, its in zip(checkpoints, own, strict=True)]
            teach(networks, store, path, tilt=recipe.teaching_tilt)
        teaching = open_teaching(path, store)
    done = len(checkpoints) * recipe.steps
    return train(
        recipe,
        data,
        out,
        teaching=teaching,
        device=device,
        threads=threads,
        report=lambda step, values: report(done + step, values),
    )
