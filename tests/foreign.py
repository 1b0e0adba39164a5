"""ONNX models from outside: small ones that pass for ours, and some that only try to (needs onnx)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

onnx = pytest.importorskip("onnx", reason="needs onnx to make models")
helper, FLOAT, DOUBLE, INT64, BOOL = (
    onnx.helper,
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.DOUBLE,
    onnx.TensorProto.INT64,
    onnx.TensorProto.BOOL,
)

FRONT_END = {
    "sample_rate": 22050,
    "n_fft": 1024,
    "hop_length": 256,
    "n_mels": 40,
    "f_min": 30.0,
    "f_max": 10000.0,
    "log_gain": 1000.0,
}
AXIS = {"n_frames": 1024, "n_bins": 160, "bins_per_octave": 48, "min_bpm": 30.0}
CALIBRATION = {"family": [0.0, 1.0], "octave": [0.0, 1.0], "pulse": [0.0, 0.0, 0.0]}
METADATA = {
    "version": "2",
    "name": "mine",
    "front_end": json.dumps(FRONT_END),
    "axis": json.dumps(AXIS),
    "calibration": json.dumps(CALIBRATION),
    "tilt": "1.5",
}


def node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
    return helper.make_node(kind, inputs, outputs, **attributes)


def tensor(name: str, values: Any) -> Any:
    return onnx.numpy_helper.from_array(np.asarray(values), name)


def write(
    path: Path,
    metadata: dict[str, str] | None = None,
    *,
    nodes: list[Any] | None = None,
    constants: list[Any] | None = None,
    dtype: int = FLOAT,
    log_mel: str = "log_mel",
) -> Path:
    """Write a model whose logits are the mean over frames by a matrix, and whose embedding is the mean.

    `nodes` are put between the matrix product, ``plain``, and the output ``logits``; `dtype` is what it
    states of them.
    """
    nodes = nodes or [node("Identity", ["plain"], ["logits"])]
    matrix = np.random.default_rng(0).normal(0, 1, (40, 160)).astype(np.float32)
    graph = helper.make_graph(
        [
            node("ReduceMean", [log_mel, "frames"], ["embedding"], keepdims=0),
            node("MatMul", ["embedding", "matrix"], ["plain"]),
            *nodes,
        ],
        "mine",
        [helper.make_tensor_value_info(log_mel, FLOAT, ["windows", 1024, 40])],
        [
            helper.make_tensor_value_info("logits", dtype, ["windows", 160]),
            helper.make_tensor_value_info("embedding", FLOAT, ["windows", 40]),
        ],
        [tensor("matrix", matrix), tensor("frames", np.array([1])), *(constants or [])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, METADATA if metadata is None else metadata)
    onnx.save(model, path)
    return path


def endless(path: Path) -> Path:
    """Write a model with a loop that never ends."""
    body = helper.make_graph(
        [node("Identity", ["go"], ["go on"]), node("Add", ["state", "one"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("i", INT64, []),
            helper.make_tensor_value_info("go", BOOL, []),
            helper.make_tensor_value_info("state", FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go on", BOOL, []),
            helper.make_tensor_value_info("next", FLOAT, None),
        ],
    )
    constants = [tensor("yes", np.array(True)), tensor("one", np.float32(1.0))]
    return write(path, nodes=[node("Loop", ["", "yes", "plain"], ["logits"], body=body)], constants=constants)


def external(path: Path, location: str, *, inside: str = "initializer") -> Path:
    """Write a model that keeps a weight in another file."""
    outside = onnx.TensorProto(name="shift", data_type=FLOAT, dims=[160])
    outside.data_location = onnx.TensorProto.EXTERNAL
    outside.external_data.add(key="location", value=location)
    add = node("Add", ["plain", "shift"], ["logits"])
    if inside == "initializer":
        return write(path, nodes=[add], constants=[outside])
    return write(path, nodes=[node("Constant", [], ["shift"], value=outside), add])
