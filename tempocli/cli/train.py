"""``tempo train``: prepare data, train, export; a thin layer over `tempocli.training`."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tempocli.cli.prepare import data, progress_bar
from tempocli.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FOLDER = click.Path(file_okay=False, path_type=Path)
_THERE = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Prepare data, train a model, export it.

    Needs the extra 'train'; docs/training.md goes through all of it.
    """


def _training(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option(
            "--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of the CPU."
        ),
        click.option(
            "--device",
            type=click.Choice(["cpu", "cuda"]),
            default="cpu",
            show_default=True,
            help="Where to train.",
        ),
        click.option(
            "--out", type=_FOLDER, required=True, help="Folder of the run: checkpoint and history.jsonl."
        ),
        _data,
        click.option(
            "--recipe",
            required=True,
            help="A recipe that ships (see 'tempo train recipes'), or a TOML file.",
        ),
    ):
        function = option(function)
    return function


def _data(function: Callable[..., None]) -> Callable[..., None]:
    return click.option("--data", "data_folder", type=_THERE, required=True, help="Data folder.")(function)


def _exporting(function: Callable[..., None]) -> Callable[..., None]:
    path = click.Path(dir_okay=False, path_type=Path)
    for option in (
        click.option("-o", "--output", type=path, required=True, help="ONNX file."),
        click.option("--run", "run_folder", type=_THERE, required=True, help="Folder of the run."),
        _data,
        click.option("--recipe", required=True, help="The recipe of the run."),
    ):
        function = option(function)
    return function


@contextmanager
def _progress(steps: int, score: Callable[[dict[str, float]], str]) -> Iterator[Callable[..., None]]:
    with progress_bar("loss {task.fields[loss]:.3f}  validation {task.fields[score]}") as bar:
        task = bar.add_task("training", total=steps, loss=float("nan"), score="-")

        def report(step: int, values: dict[str, float]) -> None:
            if any(name.startswith("validation") for name in values):
                bar.update(task, score=score(values))
            bar.update(task, completed=step, loss=values["loss"])

        yield report


command.add_command(data)


@command.command()
@_training
def tempo(recipe: str, data_folder: Path, out: Path, device: str, threads: int) -> None:
    """Train a tempo encoder; an interrupted run goes on where its checkpoint stands."""
    _need_torch()
    from tempocli.training.recipe import find_recipe, load_recipe
    from tempocli.training.tempo.task import train

    chosen = load_recipe(find_recipe(recipe))

    def score(values: dict[str, float]) -> str:
        return f"{values['validation_accuracy1']:.1f} / {values['validation_accuracy2']:.1f}"

    with _progress(chosen.steps, score) as report:
        train(chosen, data_folder, out, device=device, threads=threads, report=report)


@command.command()
@click.option("--encoder", type=_THERE, help="Run of the encoder that the recipe names, if it does.")
@_training
def comparison(
    recipe: str, data_folder: Path, out: Path, encoder: Path | None, device: str, threads: int
) -> None:
    """Train a comparator (same tempo or not?) on unlabelled music."""
    _need_torch()
    from tempocli.training.comparator.task import load_comparison_recipe, train_comparison
    from tempocli.training.recipe import find_recipe

    chosen = load_comparison_recipe(find_recipe(recipe, "comparison"))

    def score(values: dict[str, float]) -> str:
        return f"{values['validation_same']:.1f} / {values['validation_different']:.1f}"

    with _progress(chosen.steps, score) as report:
        train_comparison(
            chosen, data_folder, out, encoder=encoder, device=device, threads=threads, report=report
        )


@command.command()
@_training
def contrastive(recipe: str, data_folder: Path, out: Path, device: str, threads: int) -> None:
    """Train a contrastive encoder (same track or not?) on unlabelled music."""
    _need_torch()
    from tempocli.training.contrastive.task import load_contrastive_recipe, train_contrastive
    from tempocli.training.recipe import find_recipe

    chosen = load_contrastive_recipe(find_recipe(recipe, "contrastive"))

    def score(values: dict[str, float]) -> str:
        return f"{values['validation_found']:.1f}"

    with _progress(chosen.steps, score) as report:
        train_contrastive(chosen, data_folder, out, device=device, threads=threads, report=report)


@command.command()
def recipes() -> None:
    """List the recipes that ship: the command of 'tempo train' that takes each, and its name."""
    _need_torch()
    from tempocli.training.recipe import shipped_recipes

    for kind in ("", "comparison", "contrastive"):
        for path in shipped_recipes(kind):
            click.echo(f"{kind or 'tempo'}\t{path.stem}")


@command.command("export-comparison")
@_exporting
def export_comparison(recipe: str, data_folder: Path, run_folder: Path, output: Path) -> None:
    """Write a trained comparator as ONNX, checked against torch, with its references beside it."""
    _need_torch()
    from tempocli.training.comparator.export import export_comparator, load_comparator
    from tempocli.training.comparator.task import PairSampler, load_comparison_recipe
    from tempocli.training.engine import CHECKPOINT
    from tempocli.training.recipe import find_recipe

    chosen = load_comparison_recipe(find_recipe(recipe, "comparison"))
    network = load_comparator(run_folder / CHECKPOINT, chosen)
    windows = PairSampler(data_folder, chosen).music(32)
    difference = export_comparator(network, chosen, data_folder, output, windows)
    click.echo(f"{output}: largest difference from torch {difference:.1e}", err=True)


@command.command("export-contrastive")
@_exporting
def export_contrastive(recipe: str, data_folder: Path, run_folder: Path, output: Path) -> None:
    """Write a trained contrastive encoder as ONNX, checked against torch."""
    _need_torch()
    from tempocli.training.contrastive.export import export_contrastive as write
    from tempocli.training.contrastive.export import load_contrastive
    from tempocli.training.contrastive.task import ExcerptSampler, load_contrastive_recipe
    from tempocli.training.engine import CHECKPOINT
    from tempocli.training.recipe import find_recipe

    chosen = load_contrastive_recipe(find_recipe(recipe, "contrastive"))
    network = load_contrastive(run_folder / CHECKPOINT, chosen)
    sampler = ExcerptSampler(data_folder, chosen)
    difference = write(network, chosen.name, output, sampler.front_end, sampler.validation()[0])
    click.echo(f"{output}: largest difference from torch {difference:.1e}", err=True)


@command.command()
@_exporting
def export(recipe: str, data_folder: Path, run_folder: Path, output: Path) -> None:
    """Write a trained model as ONNX, checked against torch."""
    _need_torch()
    from tempocli.training.calibrate import calibrate, network_track
    from tempocli.training.engine import CHECKPOINT
    from tempocli.training.export import export as write
    from tempocli.training.export import load_network
    from tempocli.training.recipe import find_recipe, load_recipe
    from tempocli.training.tempo.sampler import Sampler
    from tempocli.training.tempo.scale import rescale

    chosen = load_recipe(find_recipe(recipe))
    network = load_network(run_folder / CHECKPOINT, chosen)
    sampler = Sampler(data_folder, chosen)
    windows, tempi = sampler.validation()
    if chosen.scale:
        network = rescale(network, windows, tempi)
    track, bpms = network_track(network, sampler.front_end, chosen.octave_tilt)
    difference = write(
        network,
        output,
        name=chosen.name,
        front_end=sampler.front_end,
        calibration=calibrate(track, bpms, sampler),
        tilt=chosen.octave_tilt,
        windows=windows,
    )
    click.echo(f"{output}: largest difference from torch {difference:.1e}", err=True)


@command.command("calibrate")
@click.option("--recipe", default="tempo", show_default=True, help="Whose kept-out clips to fit on.")
@_data
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file for the methods without a model file: both together, and periodicity.",
)
@click.option(
    "--model",
    "model_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An exported model, which gets a new calibration.",
)
def calibrate_again(recipe: str, data_folder: Path, output: Path | None, model_file: Path | None) -> None:
    """Fit the confidence of what is exported already, on music of known tempo."""
    if (output is None) == (model_file is None):
        raise click.UsageError("Give either --output or --model.")
    _need_torch()
    from tempocli.training.recalibrate import recalibrate, write_calibrations
    from tempocli.training.recipe import find_recipe, load_recipe
    from tempocli.training.tempo.sampler import Sampler

    sampler = Sampler(data_folder, load_recipe(find_recipe(recipe)))
    if output is not None:
        write_calibrations(sampler, output)
    elif model_file is not None:
        recalibrate(model_file, sampler)


def _need_torch() -> None:
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise MissingExtraError("training", "train")
