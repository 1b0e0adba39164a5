"""``tempo train``: prepare data, train, export; a thin layer over `tempocli.training`."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tempocli.cli.commands.training import labels as _labels  # noqa: F401 - adds its command to `data`
from tempocli.cli.commands.training.prepare import data
from tempocli.cli.commands.training.progress import progress, working
from tempocli.cli.config import settings
from tempocli.cli.usage import completion
from tempocli.errors import MissingExtraError
from tempocli.output.formats.layout import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FOLDER = click.Path(file_okay=False, path_type=Path)
_THERE = click.Path(exists=True, file_okay=False, path_type=Path)


_RECIPE = click.argument("recipe", shell_complete=completion.recipes)
# Commands of version 0.1.0 and their new names.
_RENAMED = {
    "tempo": "run RECIPE",
    "comparison": "run RECIPE",
    "contrastive": "run RECIPE",
    "export-comparison": "export RECIPE",
    "export-contrastive": "export RECIPE",
}


_PROBE = "probe"


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), _PROBE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == _PROBE:
            # Imported on use: it needs other libraries than the rest.
            from tempocli.cli.commands.training.probe import command as probe

            return settings.with_variables(probe, ("train", _PROBE), ctx)
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if args[0] not in _RENAMED:
                raise
            ctx.fail(f"{error.message} It is 'tempo train {_RENAMED[args[0]]}' now.")


@click.group(cls=_Commands)
def command() -> None:
    """Prepare data, train and export models.

    Requires the extra 'train' ('probe': the extra 'probe'); see docs/training.md.
    """


def _data(function: Callable[..., None]) -> Callable[..., None]:
    return click.option("--data", "data_folder", type=_THERE, required=True, help="Data folder.")(function)


@contextmanager
def _progress(steps: int, scores: tuple[str, ...]) -> Iterator[Callable[..., None]]:
    with progress("training", steps) as show:
        score = "-"

        def report(step: int, values: dict[str, float]) -> None:
            nonlocal score
            if values.keys() >= set(scores):
                score = " / ".join(f"{values[name]:.1f}" for name in scores)
            show(step, f"loss {values['loss']:.3f}, validation {score}")

        yield report


command.add_command(data)


@command.command()
@_RECIPE
@_data
@click.option("--out", type=_FOLDER, required=True, help="Folder for the checkpoint and history.jsonl.")
@click.option("--encoder", type=_THERE, help="Run folder of the encoder, if the recipe names one.")
@click.option(
    "--from",
    "start",
    metavar="MODEL",
    help="Start from the weights of MODEL: a name of 'tempo models', or an ONNX file of 'export'.",
)
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Training device."
)
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="Number of CPU threads."
)
def run(
    recipe: str,
    data_folder: Path,
    out: Path,
    encoder: Path | None,
    start: str | None,
    device: str,
    threads: int,
) -> None:
    """Train a network with RECIPE, or resume an interrupted run.

    RECIPE is the name of a shipped recipe (see 'tempo train recipes') or a TOML file. 'fine-tune' adapts the
    model tempo to the store labels: tempo train run fine-tune --from tempo ...
    """
    _need_torch()
    from tempocli.training.kinds import KINDS, load_recipe, train
    from tempocli.training.recipe import find_recipe

    chosen = load_recipe(find_recipe(recipe))
    with _progress(chosen.steps, KINDS[chosen.kind].scores) as report:
        train(
            chosen,
            data_folder,
            out,
            encoder=encoder,
            start=start,
            device=device,
            threads=threads,
            report=report,
        )


@command.command()
def recipes() -> None:
    """List the shipped recipes: kind and name, separated by a tab."""
    _need_torch()
    from tempocli.training.kinds import load_recipe
    from tempocli.training.recipe import shipped_recipes

    for path in shipped_recipes():
        click.echo(f"{load_recipe(path).kind}\t{path.stem}")


@command.command()
@_RECIPE
@_data
@click.option("--run", "run_folder", type=_THERE, required=True, help="Folder of the run.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="ONNX file."
)
def export(recipe: str, data_folder: Path, run_folder: Path, output: Path) -> None:
    """Export the network trained with RECIPE to ONNX and verify it against torch.

    For a comparator, also write its reference embeddings to a file beside it.
    """
    _need_torch()
    from tempocli.training import kinds
    from tempocli.training.recipe import find_recipe

    chosen = kinds.load_recipe(find_recipe(recipe))
    with working(f"exporting {printable(chosen.name)}"):
        difference = kinds.export(chosen, data_folder, run_folder, output)
    click.echo(printable(f"{output}: largest difference from torch {difference:.1e}"), err=True)


@command.command("calibrate")
@click.option(
    "--recipe",
    shell_complete=completion.recipes,
    default="tempo",
    show_default=True,
    help="Recipe (kind tempo) whose held-out clips are used.",
)
@_data
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the calibrations of the methods without a model file (both, periodicity) to this JSON file.",
)
@click.option(
    "--model",
    "model_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Recalibrate this exported model in place.",
)
@click.option(
    "--model-version", metavar="VERSION", help="Set the version of the model.  [default: unchanged]"
)
def calibrate_again(
    recipe: str,
    data_folder: Path,
    output: Path | None,
    model_file: Path | None,
    model_version: str | None,
) -> None:
    """Recalibrate the confidence of an exported model on music of known tempo."""
    if (output is None) == (model_file is None):
        raise click.UsageError("Give either --output or --model.")
    if model_version is not None and model_file is None:
        raise click.UsageError("--model-version needs --model.")
    _need_torch()
    from tempocli.training.recalibrate import recalibrate, write_calibrations
    from tempocli.training.recipe import find_recipe, read_recipe
    from tempocli.training.tempo.recipe import TempoRecipe
    from tempocli.training.tempo.sampler import TempoSampler

    sampler = TempoSampler(data_folder, read_recipe(find_recipe(recipe), TempoRecipe))
    with working("calibrating"):
        if output is not None:
            write_calibrations(sampler, output)
        elif model_file is not None:
            recalibrate(model_file, sampler, version=model_version)


def _need_torch() -> None:
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise MissingExtraError("training", "train")
