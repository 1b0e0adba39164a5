"""Export of a beat network to ONNX."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from tempocli.inference.beats import FORMAT, BeatActivations
from tempocli.training.beats.metre import fit_metre, no_metre
from tempocli.training.beats.network import FRAME_STEP
from tempocli.training.beats.sampler import BeatSampler
from tempocli.training.export import in_torch, parity, proven, refuse_difference, save, to_onnx
from tempocli.training.start import check_kind

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli.training.beats.network import BeatNetwork
    from tempocli.training.beats.recipe import BeatRecipe
    from tempocli.training.start import Exported

_MARGIN_SECONDS = 3.0  # at each end of a window, where activations lack context; at most a quarter of it


class _Activations(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, log_mel: Tensor) -> Tensor:
        activations: Tensor = self.network(log_mel).sigmoid()
        return activations


def exported_weights(exported: Exported, recipe: BeatRecipe) -> dict[str, Tensor]:
    """Return the weights of an exported beat network, by the names of the recipe's network.

    Raises
    ------
    DataError
        If the model is of another kind.
    """
    check_kind(exported, FORMAT, recipe.kind)
    return {name.removeprefix("network."): tensor for name, tensor in exported.tensors.items()}


def export_beats(network: BeatNetwork, recipe: BeatRecipe, data: Path, path: Path) -> float:
    """Export a beat network to ONNX (``log_mel`` to ``activation``) and verify it against torch.

    The classifier of the metre is fitted to the activations of the recipe's store `metres`.

    Parameters
    ----------
    network : BeatNetwork
        In evaluation mode.
    recipe : BeatRecipe
    data : Path
        Data folder with the stores that the recipe names.
    path : Path
        Written only if the check passes.

    Returns
    -------
    float
        Largest difference from torch.

    Raises
    ------
    TempoError
        If the difference is 1e-4 or more; nothing is written.
    MissingExtraError
        If the extra ``train`` is not installed.
    """
    sampler = BeatSampler(data, recipe)
    activations = _Activations(network).eval()
    n_frames, front_end = recipe.network.n_frames, sampler.front_end
    margin = min(_MARGIN_SECONDS * front_end.frame_rate, n_frames / 4)
    example = torch.zeros(2, n_frames, front_end.n_mels)
    model = to_onnx(activations, {"log_mel": example}, {"log_mel": "windows"}, ["activation"])
    metadata = {
        "version": FORMAT,
        "name": recipe.name,
        "model_version": recipe.version,
        "front_end": front_end.to_json(),
        "n_frames": json.dumps(n_frames),
        "frame_step": json.dumps(FRAME_STEP),
        "margin": json.dumps(FRAME_STEP * round(margin / FRAME_STEP)),
        "metre": no_metre(),
    }
    with proven(path) as partial:
        save(model, partial, metadata)
        opened = BeatActivations(partial, device="cpu")
        metadata["metre"] = fit_metre(data / recipe.metres, opened.spec, opened.encode)
        save(model, partial, metadata)
        opened = BeatActivations(partial, device="cpu")
        difference = parity(
            lambda windows: (opened.encode(windows),), in_torch(activations), sampler.validation().windows
        )
        refuse_difference(difference)
    return difference
