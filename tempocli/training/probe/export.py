"""Write a probe as a small ONNX file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from tempocli.embedding.probes import FORMAT, KIND
from tempocli.errors import MissingExtraError
from tempocli.system.atomic_files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tempocli.inference.music import MusicSpec
    from tempocli.training.probe.fit import Fitted


def write_probe(
    path: str,
    fitted: Fitted,
    names: Sequence[str],
    parts: Sequence[str],
    spec: MusicSpec,
    *,
    single: bool,
    n_tracks: int,
) -> None:
    """Write a probe atomically.

    Parameters
    ----------
    path : str
    fitted : Fitted
    names : sequence of str
        The labels, in the order of the logits.
    parts : sequence of str
        Parts of the vector that the probe reads, in order.
    spec : MusicSpec
        The model that computed the vectors.
    single : bool
        Whether each track has one label.
    n_tracks : int
        Number of tracks that it was fitted on.

    Raises
    ------
    MissingExtraError
        If the extra ``probe`` is not installed.
    OSError
        If the file cannot be written.
    """
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise MissingExtraError("writing a probe", "probe") from error
    dim, n_labels = fitted.linear.weights.shape
    weights = numpy_helper.from_array(fitted.linear.weights.astype(np.float32), "weights")
    bias = numpy_helper.from_array(fitted.linear.bias.astype(np.float32), "bias")
    last = (
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1)
        if single
        else helper.make_node("Sigmoid", ["logits"], ["probabilities"])
    )
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["vector", "weights", "bias"], ["logits"]), last],
        KIND,
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["tracks", dim])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["tracks", n_labels])],
        [weights, bias],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    metadata = {
        "kind": KIND,
        "version": FORMAT,
        "single": json.dumps(single),
        "labels": json.dumps(list(names)),
        "parts": json.dumps(list(parts)),
        "embedding": json.dumps(spec.record()),
        "tracks": json.dumps(n_tracks),
        "score": json.dumps({"score": fitted.score, "interval": fitted.interval, "chance": fitted.chance}),
    }
    helper.set_model_props(model, metadata)
    with atomic_file(path) as file:
        file.write(model.SerializeToString())
