"""Files of vectors and music encoders that are damaged, foreign or hostile: one line, and no harm."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tempocli.errors import DataError, ModelError
from tempocli.features.ranges import brief
from tempocli.inference.music import read_music
from tempocli.inference.registry import resolve
from tempocli.inference.session.runtime import open_session
from tempocli.output.vectors import read_vectors

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD: dict[str, Any] = {
    "path": ["x", "y"],
    "model": ["m", "m"],
    "model_version": ["1", "1"],
    "timbre": np.ones((2, 3), np.float32),
}


def npz(file: Path, /, **changes: Any) -> Path:
    np.savez(file, **(GOOD | changes))
    return file


def header(shape: tuple[int, ...], kind: str) -> bytes:
    buffer = io.BytesIO()
    fields = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(buffer, fields)
    return buffer.getvalue()


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_vectors(path, ["timbre"])
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    return message


def test_a_good_file_is_read(tmp_path: Path) -> None:
    vectors = read_vectors(npz(tmp_path / "v.npz"), ["timbre"])
    assert (vectors.paths, vectors.model, vectors.model_version) == (["x", "y"], "m", "1")
    np.testing.assert_array_equal(vectors.parts["timbre"], GOOD["timbre"])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": ["m"]}, "columns differ in length"),
        ({"path": ["x", "y", "z"], "timbre": np.ones((3, 3), np.float32)}, "columns differ in length"),
        ({"path": np.array("x")}, "column path is no list of words"),
        ({"model": [1, 1]}, "column model is no list of words"),
        ({"model": [["m"], ["m"]]}, "column model is no list of words"),
        ({"timbre": np.ones((2, 3)) * 1j}, "part timbre is no table of 2 finite vectors"),
        ({"timbre": [["a"], ["b"]]}, "part timbre is no table of 2 finite vectors"),
        ({"timbre": np.full((2, 3), 1e300)}, "part timbre is no table of 2 finite vectors"),
        ({"timbre": np.array([[None], [1]], object)}, "Object arrays cannot be loaded"),
        ({"time": [1.0, 2.0]}, "windows, not tracks"),
    ],
)
def test_columns_that_tempo_does_not_write(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    assert reason in refusal(npz(tmp_path / "v.npz", **changes))


def damaged_deflate(path: Path) -> None:
    np.savez_compressed(path, **GOOD)
    data = bytearray(path.read_bytes())
    start = data.find(b"path.npy") + 28
    data[start : start + 40] = bytes(byte ^ 0x5A for byte in data[start : start + 40])
    path.write_bytes(data)


def with_field(offset_local: int, offset_central: int, value: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        npz(path)
        data = bytearray(path.read_bytes())
        data[offset_local] = value
        data[data.find(b"PK\x01\x02") + offset_central] = value
        path.write_bytes(data)

    return write


def too_large(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("path.npy", header((10**13,), "<U9"))


def an_array(path: Path) -> None:
    path.write_bytes(header((2,), "<f4") + bytes(8))


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (damaged_deflate, "not a file of vectors"),
        (with_field(6, 8, 1), "encrypted"),
        (with_field(8, 10, 99), "compression method is not supported"),
        (too_large, "does not fit into memory"),
        (an_array, "no npz"),
        (Path.mkdir, "Is a directory"),
    ],
)
def test_files_that_are_damaged(tmp_path: Path, write: Callable[[Path], None], reason: str) -> None:
    path = tmp_path / "v.npz"
    write(path)
    assert reason in refusal(path)


def test_json_lines_are_not_read_back(tmp_path: Path) -> None:
    path = tmp_path / "v.jsonl"
    path.write_text("{}\n")
    assert "npz and Parquet only" in refusal(path)


class TestParquet:
    @pytest.fixture
    def write(self, tmp_path: Path) -> Callable[..., Path]:
        arrow = pytest.importorskip("pyarrow", reason="needs the extra parquet")
        from pyarrow.parquet import write_table

        def write(**changes: Any) -> Path:
            columns = GOOD | {"timbre": arrow.array([[1.0, 2.0], [3.0, 4.0]], arrow.list_(arrow.float32()))}
            path = tmp_path / "v.parquet"
            write_table(arrow.table(columns | changes), path)
            return path

        return write

    def test_vectors_that_another_program_wrote_again(self, write: Callable[..., Path]) -> None:
        vectors = read_vectors(write(), ["timbre"])
        np.testing.assert_array_equal(vectors.parts["timbre"], [[1.0, 2.0], [3.0, 4.0]])

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"timbre": [[1.0, 2.0], [3.0]]}, "differ in length"),
            ({"timbre": [[1.0, 2.0], None]}, "differ in length"),
            ({"timbre": [[1.0], [1.0, 2.0, 3.0]]}, "differ in length"),
            ({"timbre": [[1.0, 2.0], [None, 2.0]]}, "no table of 2 finite vectors"),
            ({"timbre": [["a"], ["b"]]}, "no table of 2 finite vectors"),
            ({"timbre": [1.0, 2.0]}, "not a file of vectors"),
            ({"model": [None, None]}, "column model is no list of words"),
            ({"path": [None, "x"]}, "column path is no list of words"),
        ],
    )
    def test_columns_that_tempo_does_not_write(
        self, write: Callable[..., Path], changes: dict[str, Any], reason: str
    ) -> None:
        assert reason in refusal(write(**changes))

    def test_damage(self, write: Callable[..., Path]) -> None:
        path = write()
        data = bytearray(path.read_bytes())
        data[4:60] = bytes(byte ^ 0x33 for byte in data[4:60])
        path.write_bytes(data)
        refusal(path)
        path.write_bytes(b"PAR1xxxxPAR1")
        refusal(path)


@pytest.fixture(scope="module")
def metadata() -> dict[str, str]:
    return open_session(resolve("music"), "cpu", 1, trusted=True).metadata


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("version", "music-2"),
        ("name", "two\nlines"),
        ("pieces", "0"),
        ("pieces", "2.0"),
        ("pieces", "32"),  # of 4 s each: longer than any window
        ("n_frames", '"344"'),
        ("rhythm", "[]"),
        ("rhythm", "[" * 100_000),
        ("rhythm", {"n_bands": 97}),
        ("rhythm", {"min_bpm": float("nan")}),
        ("rhythm", {"n_bins": 2048, "bins_per_octave": 480, "n_bands": 96}),  # a vector of 200,000 numbers
        ("chroma", {"hop_length": 0}),
        ("chroma", {"sample_rate": 8000}),
        ("spectrum_mean", "[1]"),
        ("spectrum_mean", "9" * 5000),
        ("spectrum_scale", json.dumps([0] * 288)),
        ("front_end", {"n_mels": 95}),
        ("front_end", {"sample_rate": 192_000}),
    ],
)
def test_metadata_that_are_refused(metadata: dict[str, str], key: str, changes: Any) -> None:
    read_music(metadata, embedding_dim=256, checksum="0" * 64)
    text = changes if isinstance(changes, str) else json.dumps(json.loads(metadata[key]) | changes)
    with pytest.raises((KeyError, TypeError, ValueError, RecursionError)):
        read_music(metadata | {key: text}, embedding_dim=256, checksum="0" * 64)


def test_a_window_that_would_fill_the_memory_is_refused(metadata: dict[str, str]) -> None:
    """The rhythm of a window is a product with `n_frames * pieces * n_bins` cosines and as many sines."""
    front_end = json.loads(metadata["front_end"]) | {"n_mels": 1, "hop_length": 32}
    rhythm = {"min_bpm": 5.0, "bins_per_octave": 480, "n_bins": 2048, "n_bands": 1}
    changes = {
        "front_end": json.dumps(front_end),
        "rhythm": json.dumps(rhythm),
        "spectrum_mean": "[0, 0, 0]",
        "spectrum_scale": "[1, 1, 1]",
        "n_frames": "2500",
        "pieces": "30",
    }
    with pytest.raises(ValueError, match="bins of rhythm times frames of a window"):
        read_music(metadata | changes, embedding_dim=256, checksum="0" * 64)


def test_what_a_model_says_is_quoted_in_one_short_line(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs onnx to change a model")
    from tempocli.embedding.embedder import Embedder

    model = onnx.load(resolve("music"))
    for each in model.metadata_props:
        if each.key == "version":
            each.value = "two\nlines \x1b[31m" + "x" * 5000
    path = tmp_path / "hostile.onnx"
    onnx.save(model, path)
    with pytest.raises(ModelError, match="not a model of the music embedding") as caught:
        Embedder(path, device="cpu")
    message = str(caught.value).removeprefix(str(path))
    assert message.isprintable()
    assert len(message) < 300


def test_brief_keeps_what_is_short() -> None:
    assert brief(ValueError("pieces '0' is none")) == "pieces '0' is none"
    assert brief(ValueError("a\tb\nc\x1b[31m")) == "a b c?[31m"
    assert brief(ValueError("x" * 300)) == "x" * 200 + "..."
