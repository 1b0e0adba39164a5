"""Checkpoint to ONNX: weights, metadata, and proof that the file says what torch says."""

from __future__ import annotations

import json
import logging
import os
import warnings
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tempocli.encoder import METADATA_VERSION, Calibration, Encoder
from tempocli.errors import MissingExtraError, TempoError
from tempocli.training.engine import load_checkpoint
from tempocli.training.tempo.deploy import deployable
from tempocli.training.tempo.network import NetworkConfig, TempoNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.features import FrontEnd
    from tempocli.training.recipe import Recipe

log = logging.getLogger(__name__)

_MAX_DIFFERENCE = 1e-4


def load_network(checkpoint: Path, recipe: Recipe) -> TempoNetwork:
    """Build the network of a checkpoint with the averaged weights, ready for inference.

    Raises
    ------
    DataError
        If the checkpoint cannot be read or is of another recipe.
    """
    network = TempoNetwork(recipe.network)
    network.load_state_dict(load_checkpoint(checkpoint, recipe)["average"])
    return network.eval()


def export(
    network: TempoNetwork,
    path: Path,
    *,
    name: str,
    front_end: FrontEnd,
    calibration: Calibration,
    tilt: float,
    windows: NDArray[np.float32],
) -> float:
    """Write a network as ONNX and check it against torch.

    Parameters
    ----------
    network : TempoNetwork
        In evaluation mode.
    path : Path
        Written only when the check has passed.
    name : str
        The model's name.
    front_end : FrontEnd
        What the network was trained with.
    calibration : Calibration
    tilt : float
        Of the octave prior, see `tempocli.encoder.octave_prior`.
    windows : ndarray of float32, shape=(n_windows, n_frames, n_mels)
        What to compare the two on; at least one window of music.

    Returns
    -------
    float
        Largest difference between the two, over logits and embeddings, at batches of 1 and 32.

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
        save(model, partial, _metadata(config, name, front_end, calibration, tilt))
        difference = parity(network, partial, windows)
        refuse_difference(difference)
    return difference


def to_onnx(
    network: torch.nn.Module, inputs: dict[str, torch.Tensor], varying: dict[str, str], outputs: list[str]
) -> Any:
    """Turn a network into an ONNX graph.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    inputs : dict of str to Tensor
        Examples, in the order of the network's arguments.
    varying : dict of str to str
        Name of the first axis of each input, which may have any length.
    outputs : list of str

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    MissingExtraError
        If the extra ``train`` is not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401  torch's exporter needs it and says so less clearly
    except ImportError as error:
        raise MissingExtraError("exporting a model", "train") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, about its own parts
        program = torch.onnx.export(
            network,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes={
                name: {0: torch.export.Dim(axis, min=1, max=4096)} for name, axis in varying.items()
            },
            opset_version=18,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    strip_traces(model)
    return model


def strip_traces(model: Any) -> None:
    """Take the exporter's notes on its own work out of a graph: they hold paths of the machine it ran on."""
    graph = model.graph
    values = (graph.input, graph.output, graph.value_info, graph.initializer, graph.node, [graph])
    for part in chain.from_iterable(values):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def save(model: Any, path: Path, metadata: dict[str, str]) -> None:
    """Write an ONNX graph with the facts about the model."""
    import onnx

    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, str(path))


@contextmanager
def proven(path: Path) -> Iterator[Path]:
    """Give a file to write to, which takes its place at `path` only when no error is raised."""
    partial = path.with_suffix(".partial.onnx")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def disagreement(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Tell the largest difference of two arrays; of values over 1, relative to the value."""
    return float((np.abs(ours - theirs) / np.maximum(1.0, np.abs(theirs))).max())


def refuse_difference(difference: float) -> None:
    """Raise TempoError when ONNX and torch differ by 1e-4 or more."""
    if not difference < _MAX_DIFFERENCE:
        raise TempoError(f"the ONNX model differs from torch by {difference:.2g}; it was not written")


def _metadata(
    config: NetworkConfig, name: str, front_end: FrontEnd, calibration: Calibration, tilt: float
) -> dict[str, str]:
    axis = {
        "n_frames": config.n_frames,
        "n_bins": config.n_bins,
        "bins_per_octave": config.bins_per_octave,
        "min_bpm": config.min_bpm,
    }
    return {
        "version": METADATA_VERSION,
        "name": name,
        "front_end": front_end.to_json(),
        "axis": json.dumps(axis),
        "calibration": calibration.to_json(),
        "tilt": json.dumps(tilt),
        "network": json.dumps(asdict(config)),
    }


def parity(network: TempoNetwork, path: Path, windows: NDArray[np.float32]) -> float:
    """Tell the largest difference between torch and an ONNX file on the CPU, at batches of 1 and 32."""
    encoder = Encoder(path, device="cpu")
    largest = 0.0
    for batch in (1, 32):
        some = np.resize(windows, (batch, *windows.shape[1:]))
        with torch.inference_mode():
            expected = network(torch.from_numpy(some))
        for ours, theirs in zip(encoder.encode(some), expected, strict=True):
            largest = max(largest, disagreement(ours, theirs.numpy()))
    return largest
