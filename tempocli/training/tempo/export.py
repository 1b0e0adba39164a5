"""Export of a tempo encoder to ONNX: scale, calibration, metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import torch

from tempocli.axis import TempoAxis
from tempocli.inference.classifier import Encoder
from tempocli.inference.priors import PowerPrior
from tempocli.inference.spec import FORMATS, ModelSpec
from tempocli.training.calibrate import calibrate, track_by
from tempocli.training.export import in_torch, parity, proven, refuse_difference, save, to_onnx
from tempocli.training.start import check_kind
from tempocli.training.tempo.deploy import deployable, undeployed
from tempocli.training.tempo.sampler import TempoSampler
from tempocli.training.tempo.scale import rescale

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from tempocli.features.front_end import FrontEnd
    from tempocli.inference.calibration import Calibration
    from tempocli.training.calibrate import Track
    from tempocli.training.start import Exported
    from tempocli.training.tempo.network import NetworkConfig
    from tempocli.training.tempo.recipe import TempoRecipe
    from tempocli.training.tempo.scalar import AnyTempo

_NOT_IN_WEIGHTS = frozenset({"dropout", "context_dropout"})
_SET_BY_CLICKS = frozenset({"min_bpm", "n_bins", "scale"})


def export_tempo(network: AnyTempo, recipe: TempoRecipe, data: Path, path: Path) -> float:
    """Export a tempo encoder to ONNX; set its scale and calibrate its confidence on the recipe's data.

    Parameters
    ----------
    network : TempoNetwork or ScalarNetwork
        Trained with the recipe, in evaluation mode.
    recipe : TempoRecipe
    data : Path
        Data folder.
    path : Path
        Written only if its outputs agree with torch.

    Returns
    -------
    float
        Largest difference from torch.

    Raises
    ------
    TempoError
        If the difference is 1e-4 or more; nothing is written.
    DataError
        If the data do not match the recipe.
    MissingExtraError
        If the extra ``train`` is not installed.
    """
    sampler = TempoSampler(data, recipe)
    windows, tempi = sampler.validation()
    if recipe.scale:
        network = rescale(network, windows, tempi)
    track, axis = network_track(network, sampler.front_end, recipe.octave_tilt)
    return write_encoder(
        network,
        path,
        name=recipe.name,
        version=recipe.version,
        front_end=sampler.front_end,
        calibration=calibrate(track, axis, sampler),
        tilt=recipe.octave_tilt,
        windows=windows,
    )


def exported_weights(exported: Exported, recipe: TempoRecipe) -> dict[str, Tensor]:
    """Return the weights of an exported tempo encoder, by the names of the recipe's network.

    Raises
    ------
    DataError
        If the model is of another kind, or its settings are not those of the recipe. A recipe whose scale is
        set by clicks may have another axis, since its network works alike at every tempo.
    """
    check_kind(exported, FORMATS["classifier"], recipe.kind)
    try:
        theirs = dict(json.loads(exported.metadata["network"]))
    except (LookupError, TypeError, ValueError) as error:
        raise exported.error("does not say what its network is") from error
    free = _NOT_IN_WEIGHTS | (_SET_BY_CLICKS if recipe.scale else frozenset())
    for name, ours in asdict(recipe.network).items():
        if name not in free and theirs.get(name, ours) != ours:
            raise exported.error(
                f"does not fit the recipe: network.{name} is {theirs[name]}, the recipe's is {ours}"
            )
    return undeployed(exported.tensors)


def network_track(network: AnyTempo, front_end: FrontEnd, tilt: float) -> tuple[Track, TempoAxis]:
    """Return a function from log-mel frames to their tempo distribution.

    Parameters
    ----------
    network : TempoNetwork or ScalarNetwork
        In evaluation mode.
    front_end : FrontEnd
    tilt : float
        Exponent of the prior, see `tempocli.inference.priors.PowerPrior`.

    Returns
    -------
    track : callable
        See `tempocli.training.calibrate.track_by`.
    axis : TempoAxis
    """
    config = network.config
    spec = ModelSpec(
        kind="classifier",
        name="network",
        version="",
        front_end=front_end,
        n_frames=config.n_frames,
        axis=TempoAxis(config.min_bpm, config.bins_per_octave, config.n_bins),
        pooling="certainty",
        prior=PowerPrior(tilt),
        embedding_dim=config.embedding_dim,
    )

    @torch.inference_mode()
    def encode(windows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        logits, _ = network(torch.from_numpy(windows))
        return logits.numpy(), np.zeros((len(windows), config.embedding_dim), np.float32)

    return track_by(spec, encode), spec.axis


def write_encoder(
    network: AnyTempo,
    path: Path,
    *,
    name: str,
    version: str,
    front_end: FrontEnd,
    calibration: Calibration,
    tilt: float,
    windows: NDArray[np.float32],
) -> float:
    """Export a network to ONNX and verify it against torch.

    Parameters
    ----------
    network : TempoNetwork or ScalarNetwork
        In evaluation mode.
    path : Path
        Written only if the check passes.
    name, version : str
        Name and version of the model.
    front_end : FrontEnd
        The front end that the network was trained with.
    calibration : Calibration
    tilt : float
        Exponent of the prior, see `tempocli.inference.priors.PowerPrior`.
    windows : ndarray of float32, shape=(n_windows, n_frames, n_mels)
        Windows to compare on; at least one window of music.

    Returns
    -------
    float
        Largest difference over logits and embeddings, at batch sizes 1 and 32.

    Raises
    ------
    TempoError
        If the difference is 1e-4 or more; nothing is written.
    MissingExtraError
        If the extra ``train`` is not installed.
    """
    config = network.config
    example = torch.zeros(2, config.n_frames, config.n_mels)
    model = to_onnx(
        deployable(network), {"log_mel": example}, {"log_mel": "windows"}, ["logits", "embedding"]
    )
    with proven(path) as partial:
        save(model, partial, _metadata(config, front_end, calibration, tilt, name=name, version=version))
        difference = parity(Encoder(partial, device="cpu").encode, in_torch(network), windows)
        refuse_difference(difference)
    return difference


def _metadata(
    config: NetworkConfig,
    front_end: FrontEnd,
    calibration: Calibration,
    tilt: float,
    *,
    name: str,
    version: str,
) -> dict[str, str]:
    axis = {
        "n_frames": config.n_frames,
        "n_bins": config.n_bins,
        "bins_per_octave": config.bins_per_octave,
        "min_bpm": config.min_bpm,
    }
    return {
        "version": FORMATS["classifier"],
        "name": name,
        "model_version": version,
        "front_end": front_end.to_json(),
        "axis": json.dumps(axis),
        "calibration": calibration.to_json(),
        "tilt": json.dumps(tilt),
        "network": json.dumps(asdict(config)),
    }
