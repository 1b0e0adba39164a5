"""Train and measure the networks of the study of losses and labels.

    python benchmarks/losses.py --data data --out study [--budget 400] [--jobs 2] [--losses-only]

All networks are the same small one, on the same data (`tempo train data music`, and `sounds`), each for
--budget CPU seconds of one core. First the settings of each loss are chosen by what they score on the probes
of genre, mood, instruments and notes, on a quarter of the budget (that is, with the probes' files in sight);
then each loss is trained with three seeds. So are the contrastive one with 5, 20 and 100 % of the labels of
composed music, the network that only predicts the labels, and the contrastive one on sounds that are no
music; and with one seed, each kind of labels. An interrupted study goes on where it was. Each run's folder
has its checkpoint, losses (history.jsonl) and scores (scores.json). Needs the data of ../shared, scikit-learn
and the extra `train`; docs/make_losses.py writes the page from its files.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from study import measures, runs

from tempocli.errors import TempoError
from tempocli.training.checkpoint import CHECKPOINT, load_network
from tempocli.training.contrastive.build import build_encoder, build_learner
from tempocli.training.kinds import train

CHOSEN_BY = ("genre", "feels", "instruments", "notes")


def main() -> int:
    """Run what is missing of the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--budget", type=float, default=400.0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--losses-only", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        study(options.data, options.out, options.budget, options.jobs, losses_only=options.losses_only)
    except TempoError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def study(data: Path, out: Path, budget: float, jobs: int, *, losses_only: bool) -> None:
    """Run what is missing of the study, see the head of this file."""
    baselines(out)
    tried = runs.searches()
    done(tried, data, out, budget, jobs)
    chosen = {}
    for loss in runs.LOSSES:
        mine = [run for run in tried if run.recipe == f"contrastive-{loss}"]
        chosen[loss] = max(mine, key=lambda run: quality(out / run.name)).changes
    (out / "chosen.json").write_text(json.dumps(chosen, indent=1) + "\n", encoding="utf-8")
    compared = runs.comparisons(chosen)
    if losses_only:
        compared = [run for run in compared if run.recipe.removeprefix("contrastive-") in runs.LOSSES]
    done(compared, data, out, budget, jobs)


def done(wanted: list[runs.Run], data: Path, out: Path, budget: float, jobs: int) -> None:
    """Train and measure the runs that are not finished yet."""
    others = ("semi-supervised", "supervised", "contrastive-sounds")
    recipes = [*(f"contrastive-{loss}" for loss in runs.LOSSES), *others]
    costs = runs.seconds_per_step(recipes, data, out / "seconds.json")
    missing = [run for run in wanted if not (out / run.name / "scores.json").is_file()]
    steps = [max(20, 10 * round(budget * run.part / costs[run.recipe] / 10)) for run in missing]
    with ProcessPoolExecutor(jobs, get_context("spawn"), _end_with, (os.getpid(),)) as pool:
        for name in pool.map(partial(_one, data=data, out=out), missing, steps):
            print(name, file=sys.stderr)


def _end_with(parent: int) -> None:
    """End this process with its parent, or a killed and a resumed study would write the same files."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _one(run: runs.Run, steps: int, *, data: Path, out: Path) -> str:
    folder = out / run.name
    recipe = runs.recipe_of(run, steps)
    train(recipe, data, folder)
    network = load_network(build_learner(recipe), folder / CHECKPOINT, recipe)
    spectra = measures.Spectra(out / "spectra")
    found = measures.measure(lambda paths: measures.vectors(network, spectra, paths))
    _write(folder / "scores.json", found | {"steps": steps, "seed": run.seed, "changes": run.changes})
    return run.name


def baselines(out: Path) -> None:
    """Measure statistics of mel bands, and the network with random weights."""
    spectra = measures.Spectra(out / "spectra")
    of_paths: dict[str, Any] = {"mel-statistics": lambda paths: measures.statistics(spectra, paths)}
    for seed in runs.SEEDS:
        torch.manual_seed(seed)
        network = build_encoder(runs.recipe_of(runs.Run("x", "contrastive-nt-xent"), 1).network).eval()
        of_paths[f"random-{seed}"] = partial(_of_network, network, spectra)
    for name, function in of_paths.items():
        kept = out / name / "scores.json"
        if not kept.is_file():
            kept.parent.mkdir(exist_ok=True)
            _write(kept, measures.measure(function) | {"steps": 0})


def _of_network(network: Any, spectra: measures.Spectra, paths: list[Path]) -> Any:
    return measures.vectors(network, spectra, paths)


def quality(folder: Path) -> float:
    """Return the mean score by which settings are chosen."""
    found = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    return float(np.mean([found[task]["score"] for task in CHOSEN_BY]))


def _write(path: Path, found: dict[str, Any]) -> None:
    partial_file = path.with_suffix(".partial")
    partial_file.write_text(json.dumps(found) + "\n", encoding="utf-8")
    partial_file.replace(path)


if __name__ == "__main__":
    sys.exit(main())
