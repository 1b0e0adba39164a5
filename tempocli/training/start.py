"""Training that starts from the weights of an exported model: fine-tuning."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tempocli.errors import DataError, MissingExtraError
from tempocli.inference.registry import resolve
from tempocli.training.checkpoint import CHECKPOINT
from tempocli.training.data.prepare import TEMPO_FRONT_END

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from tempocli.training.engine import Task

START = "start.json"
_BATCHES = 4  # for the statistics of normalisations
_PARAMETERS = frozenset({"weight", "bias", "running_mean", "running_var", "taps"})


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported model.

    Attributes
    ----------
    name : str
        As the user names it.
    sha256 : str
        Checksum of its file.
    metadata : dict of str to str
    tensors : dict of str to Tensor
        The constants of its graph by their names.
    """

    name: str
    sha256: str
    metadata: dict[str, str]
    tensors: dict[str, Tensor]

    def error(self, reason: str) -> DataError:
        """Return the error that the model cannot be trained further."""
        return DataError(f"{self.name}: {reason}")


def read_exported(model: str) -> Exported:
    """Read a shipped model by its name, or an ONNX file that `tempo train export` wrote.

    Raises
    ------
    ModelError
        If there is no such model, or it was not made by tempocli.
    DataError
        If it cannot be read.
    MissingExtraError
        If the extra ``train`` is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("reading the weights of a model", "train") from error
    path = resolve(model)
    try:
        content = path.read_bytes()
        graph = onnx.load_from_string(content)
        tensors = {
            each.name: torch.from_numpy(onnx.numpy_helper.to_array(each).copy())
            for each in graph.graph.initializer
        }
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except Exception as error:  # protobuf's DecodeError derives from it only
        raise DataError(f"{path}: not an ONNX file that can be read") from error
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    return Exported(model, hashlib.sha256(content).hexdigest(), metadata, tensors)


def check_kind(exported: Exported, version: str, kind: str) -> None:
    """Refuse a model of another kind, or whose spectrogram is not that of the training data.

    Raises
    ------
    DataError
    """
    if exported.metadata.get("version") != version:
        raise exported.error(f"no model that the recipes of kind {kind} train, or of another version")
    if exported.metadata.get("front_end") != TEMPO_FRONT_END.to_json():
        raise exported.error("made for other spectrograms than those of the training data")


def load_weights(network: nn.Module, exported: Exported, tensors: Mapping[str, Tensor]) -> list[str]:
    """Load exported weights into a network.

    The export merges a normalisation into a layer before it. Such a normalisation is set to do nothing.

    Parameters
    ----------
    network : Module
        Built by the recipe; its weights are replaced.
    exported : Exported
        For errors.
    tensors : mapping of str to Tensor
        Its weights, by the names of the network's.

    Returns
    -------
    list of str
        Names of the normalisations that do nothing.

    Raises
    ------
    DataError
        If the weights do not fit the network.
    """
    state = network.state_dict()
    norms = {name: module for name, module in network.named_modules() if isinstance(module, _BatchNorm)}
    merged = {name: norm for name, norm in norms.items() if f"{name}.running_mean" not in tensors}
    wanted = {
        name
        for name in state
        if not name.endswith("num_batches_tracked") and name.rpartition(".")[0] not in merged
    }
    given = {name for name in tensors if "." in name and name.rpartition(".")[2] in _PARAMETERS}
    if wanted != given:
        name = min(wanted ^ given)
        has, lacks = ("recipe's network", "model") if name in wanted else ("model", "recipe's network")
        raise exported.error(f"does not fit the recipe: the {has} has {name}, the {lacks} has not")
    for name in sorted(wanted):
        if tensors[name].shape != state[name].shape:
            theirs, ours = ("x".join(map(str, each.shape)) for each in (tensors[name], state[name]))
            raise exported.error(f"does not fit the recipe: {name} is {theirs}, the recipe's is {ours}")
    network.load_state_dict({name: tensors[name] for name in wanted}, strict=False)
    for norm in merged.values():
        _set_statistics(norm, torch.zeros(norm.num_features), torch.ones(norm.num_features))
    return list(merged)


@torch.no_grad()
def _set_statistics(norm: Any, mean: Tensor, variance: Tensor) -> None:
    """Let a normalisation expect these statistics, and undo what it does."""
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.bias.copy_(mean)
    norm.weight.copy_(torch.sqrt(variance + norm.eps))


@torch.no_grad()
def restore_norms(network: nn.Module, task: Task, names: Collection[str]) -> None:
    """Set the statistics of merged normalisations to those of the first batches of training.

    In evaluation, they still do nothing. In training, where they use the statistics of the batch, they then
    change the network little; otherwise the first step would start from another network than the model.

    Parameters
    ----------
    network : Module
        On the CPU; changed in place.
    task : Task
    names : collection of str
        As `load_weights` returns them.
    """
    if not names:
        return
    sums: dict[str, list[Tensor]] = {name: [] for name in names}

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            values = inputs[0].transpose(0, 1).flatten(1).double()
            sums[name].append(torch.stack([values.mean(1), (values * values).mean(1)]))

        return hook

    modules = dict(network.named_modules())
    hooks = [modules[name].register_forward_pre_hook(watch(name)) for name in names]
    try:
        for step in range(_BATCHES):
            task.loss(network.eval(), task.batch(step), step, "cpu")
    finally:
        for hook in hooks:
            hook.remove()
    for name in names:
        mean, square = torch.stack(sums[name]).mean(0).float()
        _set_statistics(modules[name], mean, (square - mean * mean).clamp(min=0.0))


def begin(out: Path, exported: Exported) -> bool:
    """Note in a run folder what the run starts from.

    Returns
    -------
    bool
        Whether the run is new, so that its network has to be made of the model.

    Raises
    ------
    DataError
        If the run in the folder was begun otherwise.
    """
    note = out / START
    if (out / CHECKPOINT).is_file():
        try:
            before = json.loads(note.read_text(encoding="utf-8"))["sha256"]
        except (OSError, ValueError, LookupError, TypeError):
            before = None
        if before != exported.sha256:
            raise DataError(f"{out}: its run was not begun from {exported.name}; choose another --out")
        return False
    out.mkdir(parents=True, exist_ok=True)
    record = {"model": exported.metadata.get("name"), "sha256": exported.sha256}
    note.write_text(json.dumps(record) + "\n", encoding="utf-8")
    return True
