"""Read back the rows of a finished result file, of any format that holds many results."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, TypeVar

from tempocli.errors import DataError
from tempocli.output.formats.layout import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

Read = TypeVar("Read")

_ESCAPED = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}


def read_rows(path: Path, read: Callable[[Mapping[str, Any]], Read]) -> list[Read]:
    """Read the rows of a result file, each by a function.

    Parameters
    ----------
    path : Path
        CSV, TSV, JSON, JSONL or Parquet, as ``tempo estimate -o`` writes it.
    read : callable
        From a row, by the names of its columns or keys, to a value. Values are texts in CSV and TSV. It may
        raise ValueError, KeyError, TypeError or AttributeError for what is no result.

    Raises
    ------
    DataError
        If the file cannot be read, or is no such file.
    MissingExtraError
        If it is Parquet and pyarrow is not installed.
    """
    try:
        return [read(record) for record in _records(path)]
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error, RecursionError) as error:
        raise DataError(f"{path}: not a result file of tempo estimate") from error


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        yield from _parquet(path)
        return
    text = decode(path.read_bytes()).removeprefix("\ufeff")
    if suffix == ".csv":
        names, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        for row in rows:
            yield dict(zip(names, row, strict=True))
    elif suffix == ".tsv":
        header, *lines = text.removesuffix("\n").split("\n")
        keys = header.split("\t")
        for line in lines:
            yield dict(zip(keys, map(_unescaped, line.split("\t")), strict=True))
    elif suffix == ".json":
        yield from json.loads(text)["results"]
    elif suffix == ".jsonl":
        yield from (json.loads(line) for line in text.split("\n") if line)
    else:
        raise DataError(f"{path}: not .csv, .tsv, .json, .jsonl or .parquet")


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    from tempocli.output.results.parquet import require, to_json_lines

    require()
    with to_json_lines(str(path)) as lines:
        for line in lines:
            yield json.loads(line)


def _unescaped(cell: str) -> str:
    """Undo `tempocli.output.formats.layout.escape`."""
    if not cell.startswith("\\"):
        return cell
    characters = iter(cell[1:])
    return "".join(_ESCAPED[next(characters)] if each == "\\" else each for each in characters)
