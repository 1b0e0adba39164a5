"""Check external ONNX files before they are opened: they must contain all their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 1_000_000_000
_MAX_DEPTH = 32
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
# What may hold tensors, by message: field number -> message. Names are those of onnx.proto.
_MESSAGES: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "TrainingInfo", 25: "Function"},
    "TrainingInfo": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {
        5: "Tensor",
        6: "Graph",
        10: "Tensor",
        11: "Graph",
        22: "SparseTensor",
        23: "SparseTensor",
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


def check(path: Path) -> None:
    """Refuse a model that keeps weights in other files, which could be any file of this machine.

    Raises
    ------
    ModelError
        If it does, is larger than a gigabyte, or is not an ONNX file.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ModelError(f"{path}: {size / 1e9:.1f} GB, and a model has 1 GB at the most")
        with memoryview(path.read_bytes()) as data:
            is_whole = _is_self_contained(data, "Model", 0)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    except (ValueError, IndexError) as error:
        raise ModelError(f"{path}: not an ONNX model that can be run (it cannot be parsed)") from error
    if not is_whole:
        raise ModelError(f"{path}: keeps weights in other files; a model must hold all of its own")


def _is_self_contained(data: memoryview, message: str, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    inside = _MESSAGES[message]
    for number, value in _fields(data):
        if message == "Tensor" and number in {_EXTERNAL_DATA, _DATA_LOCATION}:
            if number == _EXTERNAL_DATA or value != 0:
                return False
        elif number in inside and not (
            isinstance(value, memoryview) and _is_self_contained(value, inside[number], depth + 1)
        ):
            return False
    return True


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Read the fields of a protobuf message: field numbers, and their values as numbers or bytes."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
            yield key >> 3, value
            continue
        if kind == _LENGTH:
            length, position = _varint(data, position)
        elif kind in {_EIGHT_BYTES, _FOUR_BYTES}:
            length = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"wire type {kind}")
        if position + length > len(data):
            raise ValueError("cut short")
        yield key >> 3, data[position : position + length]
        position += length


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
