"""The kinds of networks that can be trained, one entry each in `KINDS`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tempocli.errors import DataError
from tempocli.training.beats.export import export_beats
from tempocli.training.beats.export import exported_weights as beat_weights
from tempocli.training.beats.network import BeatNetwork
from tempocli.training.beats.recipe import BeatRecipe
from tempocli.training.beats.task import BeatTask
from tempocli.training.checkpoint import CHECKPOINT, load_network
from tempocli.training.comparator.build import build_comparator
from tempocli.training.comparator.export import export_comparator
from tempocli.training.comparator.recipe import ComparisonRecipe
from tempocli.training.comparator.task import ComparisonTask
from tempocli.training.contrastive.build import build_learner
from tempocli.training.contrastive.export import export_contrastive
from tempocli.training.contrastive.recipe import ContrastiveRecipe
from tempocli.training.contrastive.task import ContrastiveTask
from tempocli.training.engine import fit
from tempocli.training.recipe import Recipe, read_recipe
from tempocli.training.sections.export import export_sections
from tempocli.training.sections.network import SectionNetwork
from tempocli.training.sections.recipe import SectionRecipe
from tempocli.training.sections.task import SectionTask
from tempocli.training.start import begin, load_weights, read_exported, restore_norms
from tempocli.training.tempo.export import export_tempo
from tempocli.training.tempo.export import exported_weights as tempo_weights
from tempocli.training.tempo.recipe import TempoRecipe
from tempocli.training.tempo.scalar import build_tempo
from tempocli.training.tempo.task import TempoTask
from tempocli.training.translation.build import build_translation
from tempocli.training.translation.export import export_translation
from tempocli.training.translation.recipe import TranslationRecipe
from tempocli.training.translation.task import TranslationTask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, nn

    from tempocli.training.engine import Task
    from tempocli.training.start import Exported


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of network.

    Attributes
    ----------
    recipe : type of Recipe
        Type of its settings.
    task : callable
        From data folder and recipe to the training `Task`.
    build : callable
        From a recipe, and the run folder of its encoder if it has one, to the untrained network.
    export : callable
        From network, recipe, data folder and ONNX file to the largest difference from torch.
    scores : tuple of str
        Names of the scores, returned by the task's `validate`, that the progress bar shows.
    weights : callable, optional
        From an exported model and a recipe to the weights of the recipe's network; ``None`` if training
        cannot start from a model.
    """

    recipe: type[Recipe]
    task: Callable[[Path, Any], Task]
    build: Callable[[Any, Path | None], nn.Module]
    export: Callable[[Any, Any, Path, Path], float]
    scores: tuple[str, ...]
    weights: Callable[[Exported, Any], dict[str, Tensor]] | None = None


KINDS = {
    kind.recipe.kind: kind
    for kind in (
        Kind(
            recipe=TempoRecipe,
            task=TempoTask,
            build=lambda recipe, encoder: build_tempo(recipe.network),
            export=export_tempo,
            scores=("validation_accuracy1", "validation_accuracy2"),
            weights=tempo_weights,
        ),
        Kind(
            recipe=ComparisonRecipe,
            task=ComparisonTask,
            build=build_comparator,
            export=export_comparator,
            scores=("validation_same", "validation_different"),
        ),
        Kind(
            recipe=ContrastiveRecipe,
            task=ContrastiveTask,
            build=lambda recipe, encoder: build_learner(recipe),
            export=export_contrastive,
            scores=("validation_found",),
        ),
        Kind(
            recipe=TranslationRecipe,
            task=TranslationTask,
            build=lambda recipe, encoder: build_translation(recipe),
            export=export_translation,
            scores=("validation_moved", "validation_unmoved"),
        ),
        Kind(
            recipe=BeatRecipe,
            task=BeatTask,
            build=lambda recipe, encoder: BeatNetwork(recipe.network),
            export=export_beats,
            scores=("validation_beat", "validation_downbeat"),
            weights=beat_weights,
        ),
        Kind(
            recipe=SectionRecipe,
            task=SectionTask,
            build=lambda recipe, encoder: SectionNetwork(recipe.network),
            export=export_sections,
            scores=("validation_nearer",),
        ),
    )
}


def load_recipe(path: Path) -> Recipe:
    """Read a recipe of any kind.

    Raises
    ------
    DataError
        If the file cannot be read, or a setting does not exist or has the wrong type.
    """
    return read_recipe(path, *(kind.recipe for kind in KINDS.values()))


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    encoder: Path | None = None,
    start: str | None = None,
    device: str = "cpu",
    threads: int = 1,
    report: Callable[[int, dict[str, float]], None] = lambda step, values: None,
) -> Path:
    """Train a network of any kind, resuming from the checkpoint in `out` if there is one.

    Parameters
    ----------
    recipe : Recipe
    data : Path
        Data folder with the stores that the recipe names.
    out : Path
        Run folder; see `tempocli.training.engine.fit`, also for `device`, `threads` and `report`.
    encoder : Path, optional
        Run folder of the encoder, if the recipe names one.
    start : str, optional
        Start from the weights of this model: a shipped one's name, or an ONNX file of `export`.
    device : str
    threads : int
    report : callable

    Returns
    -------
    Path
        The checkpoint.

    Raises
    ------
    DataError
        If the data, the encoder or the model do not match the recipe, or the checkpoint was made with another
        recipe or from another model.
    ModelError
        If there is no such model.
    """
    if bool(recipe.encoder_recipe) != (encoder is not None):
        wanted = recipe.encoder_recipe
        needs = f"the run of an encoder by the recipe {wanted}" if wanted else "no encoder"
        raise DataError(f"the recipe {recipe.name} needs {needs}")
    kind = KINDS[recipe.kind]
    model = None if start is None else _read_start(recipe, start)
    task = kind.task(data, recipe)

    def make_network() -> nn.Module:
        network = kind.build(recipe, encoder)
        if model is not None:
            exported, weights = model
            merged = load_weights(network, exported, weights)
            if begin(out, exported):
                restore_norms(network, task, merged)
        return network

    return fit(make_network, task, recipe, out, device=device, threads=threads, report=report)


def _read_start(recipe: Recipe, start: str) -> tuple[Exported, dict[str, Tensor]]:
    weights = KINDS[recipe.kind].weights
    if weights is None:
        able = " and ".join(name for name, kind in KINDS.items() if kind.weights is not None)
        raise DataError(f"{start}: training can start from models of the kinds {able}, not of {recipe.kind}")
    exported = read_exported(start)
    return exported, weights(exported, recipe)


def load_run(run: Path, recipe: Recipe) -> nn.Module:
    """Build the network of a run with its averaged weights, for inference.

    Raises
    ------
    DataError
        If the checkpoint cannot be read or was made with another recipe.
    """
    return load_network(KINDS[recipe.kind].build(recipe, None), run / CHECKPOINT, recipe)


def export(recipe: Recipe, data: Path, run: Path, path: Path) -> float:
    """Export a trained network of any kind to ONNX and verify it against torch.

    Parameters
    ----------
    recipe : Recipe
        The recipe of the run.
    data : Path
        Data folder with the stores that the recipe names.
    run : Path
        Run folder.
    path : Path
        ONNX file, written only if its outputs agree with torch.

    Returns
    -------
    float
        Largest difference from torch.

    Raises
    ------
    TempoError
        If the difference is 1e-4 or more.
    DataError
        If the checkpoint cannot be read or was made with another recipe, or the data do not match the recipe.
    MissingExtraError
        If the extra ``train`` is not installed.
    """
    return KINDS[recipe.kind].export(load_run(run, recipe), recipe, data, path)
