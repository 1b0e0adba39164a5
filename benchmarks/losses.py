"""Train and measure the networks of the study of losses and labels.

    python benchmarks/losses.py --data data --out study [--budget 720] [--jobs 1] [--only nt-xent-11]

All networks are the same small one, on the same data (`tempo train data music`, and `sounds`), each for as
many steps as --budget CPU seconds of one core allow, on whatever device. First comes what is tried of the
settings of each loss, on a quarter of the budget; those are chosen that find most held-out tracks. Then
the five losses with one seed, and the contrastive one with 20 % of the labels of composed music; the same
with the other seeds; other shares and kinds of labels, the network that only predicts labels, and sounds that
are no music; last, with --full, the losses with the backbone and the steps of the music embedding.

An interrupted study goes on where it was. Each run's folder below --out has its checkpoint and losses. What
it scores is one small file below --results (benchmarks/study/results), which is committed: a run that has
one is not done again, on whatever machine. Seconds a step are kept there, too, so that the same budget is
the same number of steps everywhere. Results of other data or settings are refused. Needs the data of
../shared, scikit-learn and the extra `train`; docs/make_losses.py writes the page from the results.

With --train-only --device cuda, networks are only trained, on a machine with a GPU, say, which does not need
the data of ../shared; study/packing.py makes the training data small enough to carry. Each run
leaves encoder.pt in its folder; where that is found below --out, the run is measured, not trained again.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from study import corruptions, encoders, measures, records, runs

from tempocli.errors import TempoError
from tempocli.training.contrastive.build import build_encoder

if TYPE_CHECKING:
    from tempocli.training.contrastive.recipe import ContrastiveRecipe

RESULTS = Path(__file__).resolve().parent / "study" / "results"


def main() -> int:
    """Run what is missing of the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--budget", type=float, default=runs.BUDGET)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--robustness", action="store_true", help="corrupted audio, for checkpoints")
    parser.add_argument("--full", action="store_true", help="the backbone of the music embedding, too")
    parser.add_argument("--train-only", action="store_true", help="measure nothing")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--only", nargs="*", default=None, help="names of runs")
    options = parser.parse_args()
    try:
        study(options)
    except TempoError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def study(options: argparse.Namespace) -> None:
    """Run what is missing of the study, see the head of this file."""
    if not options.train_only:
        baselines(options.out, options.results)
    chosen = options.results / records.CHOSEN
    if not chosen.is_file():
        carry_out(runs.searches(), options)
        found = {run.name: _found(options, run) for run in runs.searches()}
        records.write(chosen, {"found": found, "settings": runs.choose(found)})
    carry_out(
        [*runs.comparisons(records.load_chosen(chosen)["settings"]), *(runs.full() if options.full else [])],
        options,
    )
    if not options.train_only:
        carry_out(runs.searches(), options)  # those that were only trained


def carry_out(wanted: list[runs.Run], options: argparse.Namespace) -> None:
    """Train and measure what is missing of some runs."""
    if options.only is not None:
        wanted = [run for run in wanted if run.name in options.only]
    costs = runs.seconds_per_step(wanted, options.data, options.results / records.SECONDS)
    planned = [(run, plan(run, costs, options.budget)) for run in wanted]
    identity = cache(partial(records.data_identity, options.data))
    origins = [
        records.origin(recipe, identity(tuple(sorted(recipe.stores))), costs.get(run.recipe, 0.0))
        for run, recipe in planned
    ]
    missing = [
        (recipe, origin)
        for (run, recipe), origin in zip(planned, origins, strict=True)
        if records.read(options.results / f"{run.name}.json", origin) is None
    ]
    work = partial(
        _one,
        data=options.data,
        out=options.out,
        folder=None if options.train_only else options.results,
        device=options.device,
    )
    with ProcessPoolExecutor(options.jobs, get_context("spawn"), _end_with, (os.getpid(),)) as pool:
        for line in pool.map(work, *zip(*missing, strict=True)) if missing else ():
            print(line, file=sys.stderr, flush=True)
    if options.robustness:
        for (run, recipe), origin in zip(planned, origins, strict=True):
            corrupt(options.results / f"{run.name}.json", origin, recipe, options.out)


def _found(options: argparse.Namespace, run: runs.Run) -> float:
    """Return how many held-out tracks a run found at its end, in percent."""
    costs = runs.seconds_per_step([run], options.data, options.results / records.SECONDS)
    folder = options.out / run.name
    found = encoders.load_encoder(folder / encoders.ENCODER, plan(run, costs, options.budget))
    return float(found["curves"]["found"][-1])


def corrupt(kept: Path, origin: dict[str, Any], recipe: ContrastiveRecipe, out: Path) -> None:
    """Add what a run scores on corrupted audio to its result, if its encoder is there."""
    result = records.read(kept, origin)
    encoder = out / recipe.name / encoders.ENCODER
    if result is None or "robustness" in result or not encoder.is_file():
        return
    network = encoders.network_of(encoders.load_encoder(encoder, recipe), recipe)
    found = corruptions.robustness(partial(measures.vectors, network), out / "corrupted")
    records.write(kept, result | {"robustness": found})


def plan(run: runs.Run, costs: dict[str, float], budget: float) -> ContrastiveRecipe:
    """Return the recipe of a run, with as many steps as the budget allows, or its own if it is a full one."""
    if run.part == 0.0:
        return runs.recipe_of(run, None)
    return runs.recipe_of(run, max(20, 10 * round(budget * run.part / costs[run.recipe] / 10)))


def _end_with(parent: int) -> None:
    """End this process with its parent, or a killed and a resumed study would write the same files."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _one(
    recipe: ContrastiveRecipe,
    origin: dict[str, Any],
    *,
    data: Path,
    out: Path,
    folder: Path | None,
    device: str,
) -> str:
    found = encoders.train_encoder(recipe, data, out / recipe.name, device)
    if folder is not None:
        network = encoders.network_of(found, recipe)
        spectra = measures.Spectra(out / "spectra")
        result = {
            "origin": origin,
            "seed": recipe.seed,
            "steps": recipe.steps,
            **{key: found[key] for key in ("cpu_seconds", "seconds", "device", "curves")},
            "scores": measures.measure(lambda paths: measures.vectors(network, spectra, paths)),
        }
        records.write(folder / f"{recipe.name}.json", result)
    return f"{recipe.name}: {recipe.steps} steps, {found['seconds']:.0f} s on {found['device']}"


def baselines(out: Path, folder: Path) -> None:
    """Measure statistics of mel bands, and the network with random weights."""
    spectra = measures.Spectra(out / "spectra")
    recipe = runs.recipe_of(runs.Run("random", "contrastive-nt-xent"), 1)
    of_paths: dict[str, Any] = {"mel-statistics": lambda paths: measures.statistics(spectra, paths)}
    for seed in runs.SEEDS:
        torch.manual_seed(seed)
        network = build_encoder(recipe.network).eval()
        of_paths[f"random-{seed}"] = partial(_of_network, network, spectra)
    for name, function in of_paths.items():
        kept = folder / f"{name}.json"
        origin = records.origin(None, "", 0.0)
        if name != "mel-statistics":
            origin["settings"] = {"network": records.settings_of(recipe)["network"]}
        if records.read(kept, origin) is None:
            scores = measures.measure(function)
            records.write(kept, {"origin": origin, "steps": 0, "scores": scores})


def _of_network(network: Any, spectra: measures.Spectra, paths: list[Path]) -> Any:
    return measures.vectors(network, spectra, paths)


if __name__ == "__main__":
    sys.exit(main())
