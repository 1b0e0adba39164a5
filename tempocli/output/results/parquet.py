"""Convert JSON lines to Parquet and back; the only module that uses pyarrow (extra ``parquet``)."""

from __future__ import annotations

import io
import json
import os
import tempfile
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from tempocli.errors import DataError, MissingExtraError
from tempocli.output.formats.documents import PART_KEYS, dump
from tempocli.output.formats.layout import encode
from tempocli.output.results.rows import KEYS, unlike
from tempocli.schema import SCHEMA_VERSION
from tempocli.system.atomic_files import atomic_file
from tempocli.system.prefetch import ahead

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROWS = 10_000  # per row group, which takes about 10 MB of memory
_AHEAD = 8  # files of a folder read at the same time, for storage with high latency


def require() -> None:
    """Raise MissingExtraError if pyarrow is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Parquet", "parquet") from error


def schema(*, curve: bool, position: bool = False) -> Any:
    """Return the schema of a Parquet result file: the keys of JSONL, with types.

    Parameters
    ----------
    curve : bool
        Whether to include the tempo curve.
    position : bool
        Whether to include the position of the input among all inputs.
    """
    import pyarrow as pa

    candidate = pa.struct([("bpm", pa.float64()), ("probability", pa.float64()), ("relation", pa.string())])
    section = pa.struct(
        [("start", pa.float64()), ("end", pa.float64()), ("bpm", pa.float64()), ("confidence", pa.float64())]
    )
    point = pa.struct([("time", pa.float64()), ("bpm", pa.float64()), ("confidence", pa.float64())])
    fields = [
        ("path", pa.string()),
        ("bpm", pa.float64()),
        ("confidence", pa.float64()),
        ("octave_confidence", pa.float64()),
        ("candidates", pa.list_(candidate)),
        ("reason", pa.string()),
        ("duration", pa.float64()),
        ("model", pa.string()),
        ("model_version", pa.string()),
        ("error", pa.string()),
        ("bpm_error", pa.float64()),
        ("steady", pa.bool_()),
        ("tempo_sections", pa.list_(section)),
        *zip(PART_KEYS, (pa.float64(), pa.float64(), pa.string()), strict=True),
        *([("curve", pa.list_(point))] if curve else []),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("sha256", pa.string()),
        ("settings", pa.string()),
        *([("position", pa.int64())] if position else []),
    ]
    return pa.schema(fields)


def from_json_lines(lines: BinaryIO, target: str) -> None:
    """Convert rows of JSONL to a Parquet file, which is written atomically.

    Parameters
    ----------
    lines : binary file
        The rows.
    target : str
        The file to create or replace.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    with atomic_file(target) as file:
        records = map(json.loads, lines)
        some = list(islice(records, _ROWS))
        columns = schema(curve=any("curve" in record for record in some))
        with ParquetWriter(pa.PythonFile(file, mode="w"), columns, compression="zstd") as writer:
            while some:
                writer.write_table(table(some, columns))
                some = list(islice(records, _ROWS))


def table(records: list[dict[str, Any]], columns: Any) -> Any:
    """Return JSONL objects as a pyarrow table with the columns of a `schema`."""
    import pyarrow as pa

    rows = [{**record, "path": to_text(record["path"])} for record in records]
    return pa.Table.from_pylist(rows, schema=columns)


def to_bytes(records: list[dict[str, Any]], columns: Any) -> bytes:
    """Return JSONL objects as a Parquet file with the columns of a `schema`."""
    from pyarrow.parquet import write_table

    buffer = io.BytesIO()
    write_table(table(records, columns), buffer, compression="zstd")
    return buffer.getvalue()


def read_columns(folder: str, system: Any, columns: list[str]) -> Iterator[list[dict[str, Any]]]:
    """Read some columns of a folder of Parquet files, file by file.

    Parameters
    ----------
    folder : str
        Its path in `system`.
    system : fsspec file system
    columns : list of str

    Raises
    ------
    DataError
        If a file lacks the columns of a result file of this version.
    """
    from pyarrow.parquet import ParquetFile

    def read(name: str) -> list[dict[str, Any]]:
        with system.open(name, "rb") as file, ParquetFile(file, pre_buffer=False) as shard:
            if not set(KEYS) <= set(shard.schema_arrow.names):
                raise unlike(name, "columns", KEYS, shard.schema_arrow.names)
            rows: list[dict[str, Any]] = shard.read(columns, use_threads=False).to_pylist()
        return rows

    # pyarrow.dataset is not used: its threads may outlive the interpreter and abort a finished process.
    system.invalidate_cache()
    for rows in ahead(read, sorted(system.glob(f"{folder}/*.parquet")), _AHEAD):
        yield rows.result()


def to_json_lines(source: str) -> BinaryIO:
    """Convert a Parquet result file to a temporary JSONL file, open for reading.

    Raises
    ------
    DataError
        If it is not a Parquet file.
    """
    lines = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        for record in _records(source):
            lines.write(encode(dump({"schema_version": SCHEMA_VERSION, **record})))
        lines.seek(0)
    except BaseException:
        lines.close()
        raise
    return lines


def _records(source: str) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(source) as file:
            for batch in file.iter_batches(_ROWS):
                for record in batch.to_pylist():
                    record["path"] = from_text(record["path"])
                    # JSONL omits keys where a Parquet column is null: the curve of a failed input, and the
                    # part of a whole file.
                    if record.get("curve", ()) is None:
                        del record["curve"]
                    if record.get("part_start") is None:
                        record = {key: record[key] for key in record if key not in PART_KEYS}
                    yield record
    except (pa.ArrowException, KeyError) as error:
        raise DataError(f"{source}: is not a Parquet result file ({str(error).splitlines()[0]})") from error


def to_text(path: str) -> str:
    r"""Write a path as Unicode text, reversibly.

    A path with bytes that are not UTF-8, or one that begins with a backslash, has a backslash in front, two
    for each of its own, and ``\xNN`` for each such byte.
    """
    raw = os.fsencode(path)
    if not path.startswith("\\"):
        try:
            return raw.decode()
        except UnicodeDecodeError:
            pass
    return "\\" + raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def from_text(text: str) -> str:
    """Undo `to_text`."""
    if not text.startswith("\\"):
        return text
    parts = text[1:].split("\\\\")
    raw = []
    for part in parts:
        first, *rest = part.split("\\x")
        raw.append(first.encode() + b"".join(bytes.fromhex(each[:2]) + each[2:].encode() for each in rest))
    return os.fsdecode(b"\\".join(raw))
