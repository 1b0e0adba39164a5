"""Export of networks to ONNX: the graph, its metadata, and the parity check against torch."""

from __future__ import annotations

import logging
import os
import warnings
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tempocli.errors import MissingExtraError, TempoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Function = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], ...]]

_MAX_DIFFERENCE = 1e-4
_BATCHES = (1, 32)


def to_onnx(
    network: torch.nn.Module, inputs: dict[str, torch.Tensor], varying: dict[str, str], outputs: list[str]
) -> Any:
    """Convert a network to an ONNX graph.

    Parameters
    ----------
    network : Module
        In evaluation mode.
    inputs : dict of str to Tensor
        Example inputs, in the order of the network's arguments.
    varying : dict of str to str
        Name of the first axis of each input, which has a dynamic length.
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
        import onnx  # noqa: F401  required by torch's exporter, too
        import onnxscript  # noqa: F401  required by torch's exporter, whose own error is less clear
    except ImportError as error:
        raise MissingExtraError("exporting a model", "train") from error
    with _quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back the exporter's messages below errors, such as on packages that it does not need."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def strip_traces(model: Any) -> None:
    """Remove the exporter's notes from a graph, since they contain paths of the local machine."""
    graph = model.graph
    values = (graph.input, graph.output, graph.value_info, graph.initializer, graph.node, [graph])
    for part in chain.from_iterable(values):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def save(model: Any, path: Path, metadata: dict[str, str]) -> None:
    """Write an ONNX graph with the metadata of the model."""
    import onnx

    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, str(path))


@contextmanager
def proven(path: Path) -> Iterator[Path]:
    """Yield a temporary path, which is moved to `path` if the block raises no error."""
    partial = path.with_suffix(".partial.onnx")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def parity(ours: Function, theirs: Function, inputs: NDArray[np.float32]) -> float:
    """Compare the outputs of two functions, such as an ONNX file and the network it was exported from.

    Parameters
    ----------
    ours, theirs : callable
        From a batch of inputs to a tuple of arrays.
    inputs : ndarray of float32, shape=(n, ...)
        Inputs to compare on; at least one, repeated as needed.

    Returns
    -------
    float
        Largest difference over all arrays, at batch sizes 1 and 32; relative for values over 1.
    """
    largest = 0.0
    for batch in _BATCHES:
        some = np.resize(inputs, (batch, *inputs.shape[1:]))
        for one, other in zip(ours(some), theirs(some), strict=True):
            largest = float(np.maximum(largest, disagreement(one, other)))  # unlike max(), keeps NaN
    return largest


def in_torch(function: Callable[..., Any]) -> Function:
    """Wrap a function that maps a tensor to one or several tensors as a function of arrays."""

    @torch.inference_mode()
    def call(inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        outputs = function(torch.from_numpy(inputs))
        return tuple(each.numpy() for each in (outputs if isinstance(outputs, tuple) else (outputs,)))

    return call


def disagreement(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Return the largest difference of two arrays; relative for values over 1."""
    return float((np.abs(ours - theirs) / np.maximum(1.0, np.abs(theirs))).max())


def refuse_difference(difference: float) -> None:
    """Raise TempoError if ONNX and torch differ by 1e-4 or more."""
    if not difference < _MAX_DIFFERENCE:
        raise TempoError(f"the ONNX model differs from torch by {difference:.2g}; it was not written")
