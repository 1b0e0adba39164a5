"""Files of vectors: NumPy's npz, Parquet, and JSON lines."""

from __future__ import annotations

import json
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np

from tempocli.errors import DataError
from tempocli.features.ranges import brief
from tempocli.output.formats.layout import encode
from tempocli.output.results import parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tempocli.embedding.track import TrackEmbedding
    from tempocli.schema import FileResult

SUFFIXES = {".npz": "npz", ".parquet": "parquet", ".jsonl": "jsonl"}
FORMATS = tuple(SUFFIXES.values())
_ROWS = 1000  # per row group of Parquet, a few MB
_DECIMALS = 6  # of JSON; a part has unit length, so that float32 has hardly more
# Columns beside the parts: name, type in npz, and whether they may be missing.
_TEXTS = ("path", "model", "model_version", "reason", "title")
_NUMBERS = ("start", "end", "time", "duration")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns a file of vectors has.

    Attributes
    ----------
    parts : dict of str to int
        Names and lengths of the parts.
    windows : bool
        Whether there is a row for each window, with its time, rather than for each track.
    """

    parts: Mapping[str, int]
    windows: bool

    def rows(self, result: FileResult) -> list[dict[str, Any]]:
        """Return the rows of a result, with ``None`` for what it has not."""
        track = result.embedding
        assert track is not None
        common = _common(result, track)
        if not self.windows:
            return [common | {name: track.parts[name] for name in self.parts}]
        return [
            common | {"time": float(time)} | {name: track.windows[name][row] for name in self.parts}
            for row, time in enumerate(track.times)
        ]

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        time = ["time"] if self.windows else []
        return ["path", "title", "start", "end", *time, "duration", "reason", "model", "model_version"]


def _common(result: FileResult, track: TrackEmbedding) -> dict[str, Any]:
    part = result.part
    return {
        # Bytes that are not UTF-8 have no place in these formats.
        "path": encode(result.path).decode("utf-8", "backslashreplace"),
        "title": part.title if part else None,
        "start": part.start if part else 0.0,
        "end": part.end if part else None,
        "duration": track.duration,
        "reason": track.reason,
        "model": track.model,
        "model_version": track.model_version,
    }


class VectorWriter(Protocol):
    """Interface of a writer of vectors."""

    def add(self, result: FileResult) -> None:
        """Add the vectors of an input."""

    def close(self) -> None:
        """Write what is left."""

    def discard(self) -> None:
        """Write nothing more; what was written is of no use."""


def open_writer(format_name: str, file: BinaryIO, columns: Columns) -> VectorWriter:
    """Return a writer of one of `FORMATS` to an open file.

    Raises
    ------
    MissingExtraError
        If the format needs an extra that is not installed.
    """
    return _WRITERS[format_name](file, columns)


class _NpzWriter:
    """Keeps all vectors in memory and writes them at the end, which takes about 10 kB a row."""

    def __init__(self, file: BinaryIO, columns: Columns) -> None:
        self._file, self._columns = file, columns
        self._rows: list[dict[str, Any]] = []

    def add(self, result: FileResult) -> None:
        self._rows += self._columns.rows(result)

    def close(self) -> None:
        arrays: dict[str, NDArray[Any]] = {}
        for name in self._columns.names:
            values = [row[name] for row in self._rows]
            if name in _NUMBERS:
                arrays[name] = np.array([np.nan if value is None else value for value in values], np.float64)
            else:
                arrays[name] = np.array([value or "" for value in values], np.str_)
        for name, dim in self._columns.parts.items():
            vectors = [row[name] for row in self._rows]
            arrays[name] = np.stack(vectors) if vectors else np.zeros((0, dim), np.float32)
        np.savez(self._file, **arrays)  # type: ignore[arg-type]

    def discard(self) -> None:
        self._rows = []


class _ParquetWriter:
    def __init__(self, file: BinaryIO, columns: Columns) -> None:
        parquet.require()
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        types = {**dict.fromkeys(_TEXTS, pa.string()), **dict.fromkeys(_NUMBERS, pa.float64())}
        fields = [(name, types[name]) for name in columns.names]
        fields += [(name, pa.list_(pa.float32(), dim)) for name, dim in columns.parts.items()]
        self._columns = columns
        self._schema = pa.schema(fields)
        self._writer = ParquetWriter(file, self._schema)
        self._rows: list[dict[str, Any]] = []

    def add(self, result: FileResult) -> None:
        self._rows += self._columns.rows(result)
        if len(self._rows) >= _ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def discard(self) -> None:
        # pyarrow would close it later, when the file is closed already, and print the error.
        with suppress(Exception):
            self._writer.close()
        self._writer.is_open = False

    def _flush(self) -> None:
        import pyarrow as pa

        arrays = []
        for field in self._schema:
            values = [row[field.name] for row in self._rows]
            if field.name in self._columns.parts:
                dim = self._columns.parts[field.name]
                flat = np.concatenate(values) if values else np.zeros(0, np.float32)
                arrays.append(pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float32()), dim))
            else:
                arrays.append(pa.array(values, field.type))
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._rows = []


class _JsonWriter:
    def __init__(self, file: BinaryIO, columns: Columns) -> None:
        self._file, self._columns = file, columns

    def add(self, result: FileResult) -> None:
        for row in self._columns.rows(result):
            known = {name: row[name] for name in self._columns.names if row[name] is not None}
            known |= {
                name: np.round(row[name].astype(float), _DECIMALS).tolist() for name in self._columns.parts
            }
            self._file.write(encode(json.dumps(known, ensure_ascii=False) + "\n"))
        self._file.flush()

    def close(self) -> None:
        self._file.flush()

    def discard(self) -> None:
        pass


_WRITERS: dict[str, Callable[[BinaryIO, Columns], VectorWriter]] = {
    "npz": _NpzWriter,
    "parquet": _ParquetWriter,
    "jsonl": _JsonWriter,
}


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Vectors of tracks, read from a file.

    Attributes
    ----------
    paths : list of str
    parts : dict of str to ndarray of float32, shape=(n, dim)
    model, model_version : str
    """

    paths: list[str]
    parts: Mapping[str, NDArray[np.float32]]
    model: str
    model_version: str


def read_vectors(path: Path, names: Sequence[str]) -> Vectors:
    """Read the vectors of tracks from a file that ``tempo embed`` wrote.

    Parameters
    ----------
    path : Path
        An npz or Parquet file.
    names : sequence of str
        Parts to read.

    Raises
    ------
    DataError
        If the file cannot be read, is not of tracks, lacks a part, or mixes models.
    MissingExtraError
        If it is Parquet and the extra ``parquet`` is not installed.
    """
    if path.suffix.lower() == ".jsonl":
        raise DataError(f"{path}: vectors are read from npz and Parquet only; write one with tempo embed -o")
    try:
        table = _read_parquet(path, names) if path.suffix.lower() == ".parquet" else _read_npz(path, names)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or brief(error)}") from error
    except MemoryError as error:
        raise DataError(f"{path}: does not fit into memory") from error
    except _UNREADABLE as error:
        raise DataError(f"{path}: not a file of vectors that tempo embed wrote ({brief(error)})") from error
    models = set(zip(table.model, table.model_version, strict=True))
    if len(models) != 1:
        raise DataError(f"{path}: has vectors of {len(models)} models, not of one")
    ((model, version),) = models
    return Vectors(table.path, table.parts, model, version)


# What zipfile, zlib, NumPy and pyarrow raise for files that are damaged, or of something else.
_UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    RuntimeError,  # encrypted, or compressed in a way that Python does not know
    zipfile.BadZipFile,
    zlib.error,
)


class _Table:
    """Columns as they were read, after checking that they are whole."""

    def __init__(self, texts: Mapping[str, Any], parts: Mapping[str, NDArray[Any]]) -> None:
        self.path, self.model, self.model_version = (_words(name, texts[name]) for name in _READ)
        n_rows = len(self.path)
        if len(self.model) != n_rows or len(self.model_version) != n_rows:
            raise ValueError("its columns differ in length")
        self.parts = {name: _checked(vectors, n_rows, name) for name, vectors in parts.items()}


_READ = ("path", "model", "model_version")


def _read_npz(path: Path, names: Sequence[str]) -> _Table:
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("no npz")
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            if "time" in arrays:
                raise ValueError("it has windows, not tracks")
            texts = {name: arrays[name].tolist() for name in _READ}
            return _Table(texts, {name: arrays[name] for name in names})


def _read_parquet(path: Path, names: Sequence[str]) -> _Table:
    parquet.require()
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        if "time" in file.schema_arrow.names:
            raise ValueError("it has windows, not tracks")
        read = file.read(columns=[*_READ, *names])
    parts = {}
    for name in names:
        # Other programs keep the vectors as lists of any length.
        vectors = read[name].combine_chunks()
        flat = vectors.flatten().to_numpy(zero_copy_only=False)
        n_rows = max(1, len(vectors))
        if (
            len(flat) % n_rows
            or vectors.null_count
            or set(vectors.value_lengths().to_pylist()) - {len(flat) // n_rows}
        ):
            raise ValueError(f"the vectors of its part {name} differ in length")
        parts[name] = flat.reshape(len(vectors), len(flat) // n_rows)
    return _Table({name: read[name].to_pylist() for name in _READ}, parts)


def _words(name: str, values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"its column {name} is no list of words")
    return values


def _checked(vectors: NDArray[Any], n_rows: int, name: str) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        single = vectors.astype(np.float32) if vectors.dtype.kind == "f" else np.zeros(0, np.float32)
    if single.ndim != 2 or len(single) != n_rows or not np.isfinite(single).all():
        raise ValueError(f"its part {name} is no table of {n_rows} finite vectors")
    return single
