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
SEEDS = (11, 12, 13)
SHARES = (0.05, 0.2, 1.0)
LABELS = ("style", "programs", "tempo", "metre")
BUDGET = 80.0  # CPU seconds of a run
_PILOT_STEPS = 12
_POINTS = 24  # of the curves

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
    """Return what is tried of each loss, on a quarter of the budget and another seed."""
    return [
        Run(f"search-{loss}-{number}", f"contrastive-{loss}", 1, changes, 0.25)
        for loss in LOSSES
        for number, changes in enumerate(({}, *SEARCH[loss]))
    ]


def comparisons() -> list[Run]:
    """Return the runs that are compared, the most valuable first.

    These are losses, shares and kinds of labels, labels alone, and sounds that are no music.
    """
    found = []
    for seed in SEEDS:
        found += [Run(f"{loss}-{seed}", f"contrastive-{loss}", seed) for loss in LOSSES]
        found.append(with_labels(seed, 0.2))
    for seed in SEEDS:
        found += [with_labels(seed, share) for share in SHARES if share != 0.2]
        found.append(Run(f"supervised-{seed}", "supervised", seed))
        found.append(Run(f"sounds-{seed}", "contrastive-sounds", seed))
    kinds = [
        Run(f"labels-{kind}", "semi-supervised", SEEDS[0], {"labelled": 1.0, "labels": (kind,)})
        for kind in LABELS
    ]
    return [*found, *kinds]


def with_labels(seed: int, share: float) -> Run:
    """Return the contrastive run with a share of the labels of composed music."""
    return Run(f"labels-{100 * share:g}-{seed}", "semi-supervised", seed, {"labelled": share})


def recipe_of(run: Run, steps: int) -> ContrastiveRecipe:
    """Return the recipe of a run."""
    recipe = read_recipe(find_recipe(run.recipe), ContrastiveRecipe)
    every = max(1, steps // _POINTS)
    settings: dict[str, Any] = {"name": run.name, "seed": run.seed, "steps": steps, "validate_every": every}
    return replace(recipe, **(settings | run.changes))


def seconds_per_step(wanted: list[Run], data: Path, kept: Path) -> dict[str, float]:
    """Return the CPU seconds that a step of each recipe takes, measured once for a study.

    Parameters
    ----------
    wanted : list of Run
    data : Path
    kept : Path
        JSON file with what has been measured, so that a study that goes on, on whatever machine, has the same
        numbers of steps.

    Returns
    -------
    dict of str to float
        Medians; the recipes take turns, so that none has the cold start to itself.
    """
    known: dict[str, float] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    missing = [name for name in dict.fromkeys(run.recipe for run in wanted) if name not in known]
    if not missing:
        return known
    torch.set_num_threads(1)
    learners = {}
    for name in missing:
        recipe = read_recipe(find_recipe(name), ContrastiveRecipe)
        learners[name] = ContrastiveTask(data, recipe), build_learner(recipe).train()
    times: dict[str, list[float]] = {name: [] for name in learners}
    for step in range(_PILOT_STEPS):
        for name, (task, network) in learners.items():
            before = time.process_time()
            loss, _ = task.loss(network, task.batch(step), step, "cpu")
            loss.backward()  # type: ignore[no-untyped-call]
            times[name].append(time.process_time() - before)
    known |= {name: round(sorted(each)[len(each) // 2], 4) for name, each in times.items()}
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    return known
