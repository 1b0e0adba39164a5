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
BUDGET = 720.0  # CPU seconds of a run
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
        Share of the budget; 0 for the number of steps that the recipe has.
    """

    name: str
    recipe: str
    seed: int = 1
    changes: dict[str, Any] = field(default_factory=dict)
    part: float = 1.0


def _recipe(name: str) -> ContrastiveRecipe:
    return read_recipe(find_recipe(name), ContrastiveRecipe)


def searches() -> list[Run]:
    """Return what is tried of each loss, on a quarter of the budget and another seed."""
    return [
        Run(f"search-{loss}-{number}", f"contrastive-{loss}", 1, changes, 0.25)
        for loss in LOSSES
        for number, changes in enumerate(({}, *SEARCH[loss]))
    ]


def choose(found: dict[str, float]) -> dict[str, dict[str, Any]]:
    """Return the settings of each loss whose search found most held-out tracks.

    Parameters
    ----------
    found : dict of str to float
        Share of the held-out tracks whose nearest view is their own, for each run of `searches`. Neither
        labels nor files of the probes have a part in it.

    Returns
    -------
    dict of str to dict
        For each loss, what is changed in its recipe.
    """
    best = {}
    for loss in LOSSES:
        tried = [run for run in searches() if run.recipe == f"contrastive-{loss}"]
        best[loss] = max(tried, key=lambda run: found[run.name]).changes
    return best


def comparisons(chosen: dict[str, dict[str, Any]]) -> list[Run]:
    """Return the runs that are compared, the most valuable first.

    These are losses, shares and kinds of labels, labels alone, and sounds that are no music.

    Parameters
    ----------
    chosen : dict of str to dict
        For each loss, what is changed in its recipe, see `choose`. Contrastive learning with labels and on
        sounds has the settings of NT-Xent.
    """
    found = []
    contrastive = chosen["nt-xent"]
    for seed in SEEDS:
        found += [Run(f"{loss}-{seed}", f"contrastive-{loss}", seed, chosen[loss]) for loss in LOSSES]
        found.append(with_labels(seed, 0.2, contrastive))
    for seed in SEEDS:
        found += [with_labels(seed, share, contrastive) for share in SHARES if share != 0.2]
        found.append(Run(f"supervised-{seed}", "supervised", seed))
        found.append(Run(f"sounds-{seed}", "contrastive-sounds", seed, contrastive))
    kinds = [
        Run(f"labels-{kind}", "semi-supervised", SEEDS[0], contrastive | {"labelled": 1.0, "labels": (kind,)})
        for kind in LABELS
    ]
    return [*found, *kinds]


def full() -> list[Run]:
    """Return the losses, and labels, with the backbone, data and number of steps of the music embedding.

    Their settings are those of the recipe ``music`` but for the loss, its projection and its labels; the
    network that only predicts labels also has its own music.
    """
    base = _recipe("music")
    found = []
    for loss in LOSSES:
        taught = _recipe(f"contrastive-{loss}")
        projection = {name: getattr(taught.network, name) for name in ("projection_norm", "projection_dim")}
        changes = {"losses": taught.losses, "network": replace(base.network, **projection)}
        found.append(Run(f"full-{loss}", "music", 1, changes, 0.0))
    labels = _recipe("semi-supervised")
    taken = {name: getattr(labels, name) for name in ("losses", "labels", "labelled_tracks")}
    alone = _recipe("supervised")
    changes = {name: getattr(alone, name) for name in ("losses", "labels", "labelled", "stores")}
    found.append(Run("full-supervised", "music", 1, changes, 0.0))
    return found + [
        Run(f"full-labels-{100 * share:g}", "music", 1, taken | {"labelled": share}, 0.0)
        for share in (0.2, 1.0)
    ]


def with_labels(seed: int, share: float, settings: dict[str, Any]) -> Run:
    """Return the contrastive run with a share of the labels of composed music."""
    return Run(f"labels-{100 * share:g}-{seed}", "semi-supervised", seed, settings | {"labelled": share})


def recipe_of(run: Run, steps: int | None) -> ContrastiveRecipe:
    """Return the recipe of a run, with its own number of steps if there is none given."""
    recipe = _recipe(run.recipe)
    steps = recipe.steps if steps is None else steps
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
    timed = dict.fromkeys(run.recipe for run in wanted if run.part)
    missing = [name for name in timed if name not in known]
    if not missing:
        return known
    torch.set_num_threads(1)
    learners = {}
    for name in missing:
        recipe = _recipe(name)
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
