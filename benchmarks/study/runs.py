"""The runs of the study: which recipe, what is changed in it, and for how many steps."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from tempocli.training.contrastive.build import build_learner
from tempocli.training.contrastive.recipe import ContrastiveRecipe
from tempocli.training.contrastive.task import ContrastiveTask
from tempocli.training.recipe import find_recipe, read_recipe

if TYPE_CHECKING:
    from pathlib import Path

LOSSES = ("nt-xent", "byol", "clustering", "barlow-twins", "vicreg")
SEEDS = (1, 2, 3)
SHARES = (0.05, 0.2, 1.0)
LABELS = ("style", "programs", "tempo", "metre")
_PILOT_STEPS = 12

# What is tried of each loss, beside the recipe as it is.
SEARCH: dict[str, tuple[dict[str, Any], ...]] = {
    "nt-xent": ({"temperature": 0.2}, {"temperature": 0.05}, {"learning_rate": 1e-3}),
    "byol": ({"momentum": 0.9}, {"momentum": 0.996}, {"learning_rate": 1e-3}),
    "clustering": ({"clusters": 256}, {"teacher_temperature": 0.07}, {"learning_rate": 1e-3}),
    "barlow-twins": ({"off_diagonal": 2e-2}, {"off_diagonal": 1e-3}, {"learning_rate": 1e-3}),
    "vicreg": ({"covariance": 4.0}, {"variance": 50.0, "invariance": 50.0}, {"learning_rate": 1e-3}),
}


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes
    ----------
    name : str
        Name of its folder.
    recipe : str
        Name of the recipe.
    seed : int
    changes : dict
        Settings that differ from the recipe.
    part : float
        Share of the budget.
    """

    name: str
    recipe: str
    seed: int = 1
    changes: dict[str, Any] = field(default_factory=dict)
    part: float = 1.0


def searches() -> list[Run]:
    """Return the runs that choose the settings of each loss, on a quarter of the budget and another seed."""
    return [
        Run(f"search-{loss}-{number}", f"contrastive-{loss}", 11, changes, 0.25)
        for loss in LOSSES
        for number, changes in enumerate(({}, *SEARCH[loss]))
    ]


def comparisons(chosen: dict[str, dict[str, Any]]) -> list[Run]:
    """Return the runs that are compared: losses, shares and kinds of labels, labels alone, other sounds.

    Parameters
    ----------
    chosen : dict of str to dict
        Settings of each loss; of the contrastive ones, also for the runs with labels.
    """
    losses = [
        Run(f"{loss}-{seed}", f"contrastive-{loss}", seed, chosen[loss]) for seed in SEEDS for loss in LOSSES
    ]
    same = chosen["nt-xent"]
    shares = [
        Run(f"labels-{100 * share:g}-{seed}", "semi-supervised", seed, same | {"labelled": share})
        for seed in SEEDS
        for share in SHARES
    ]
    kinds = [
        Run(f"labels-{kind}", "semi-supervised", 1, same | {"labelled": 1.0, "labels": (kind,)})
        for kind in LABELS
    ]
    supervised = [Run(f"supervised-{seed}", "supervised", seed) for seed in SEEDS]
    sounds = [Run(f"sounds-{seed}", "contrastive-sounds", seed, same) for seed in SEEDS]
    return [*losses, *shares, *kinds, *supervised, *sounds]


def recipe_of(run: Run, steps: int) -> ContrastiveRecipe:
    """Return the recipe of a run."""
    recipe = read_recipe(find_recipe(run.recipe), ContrastiveRecipe)
    settings: dict[str, Any] = {"name": run.name, "seed": run.seed, "steps": steps} | run.changes
    return replace(recipe, **settings)


def seconds_per_step(recipes: list[str], data: Path, kept: Path) -> dict[str, float]:
    """Measure the CPU seconds that a step of each recipe takes, once for a study.

    Parameters
    ----------
    recipes : list of str
    data : Path
    kept : Path
        JSON file with what has been measured, so that a resumed study has the same numbers of steps.

    Returns
    -------
    dict of str to float
        Medians; the recipes take turns, so that none has the cold start to itself.
    """
    known: dict[str, float] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    torch.set_num_threads(1)
    learners = {}
    for name in (each for each in recipes if each not in known):
        recipe = read_recipe(find_recipe(name), ContrastiveRecipe)
        learners[name] = ContrastiveTask(data, recipe), build_learner(recipe).train()
    times: dict[str, list[float]] = {name: [] for name in learners}
    for step in range(_PILOT_STEPS):
        for name, (task, network) in learners.items():
            before = time.process_time()
            loss, _ = task.loss(network, task.batch(step), step, "cpu")
            loss.backward()  # type: ignore[no-untyped-call]
            times[name].append(time.process_time() - before)
    known |= {name: sorted(each)[len(each) // 2] for name, each in times.items()}
    kept.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    return known
