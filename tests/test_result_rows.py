"""Rows of result files: they come back wherever a file is cut off, and are found again by their paths."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import jsonschema
import pytest
from fake_estimator import make_estimate
from hypothesis import given
from hypothesis import strategies as st

from tempocli.errors import DataError
from tempocli.output.formats import Layout
from tempocli.output.results.index import PathIndex
from tempocli.output.results.rows import CsvRows, JsonRows
from tempocli.schema import FileResult, Part, input_key
from tempocli.system.fingerprints import Fingerprint

SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "estimate.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
LAYOUT = Layout()


# What a POSIX path can be: any bytes but NUL.
names = st.binary(min_size=1, max_size=30).map(lambda raw: os.fsdecode(raw.replace(b"\0", b"\n")))
results = st.builds(
    lambda path, bpm, error, fingerprint, part: (
        FileResult(path, error=error, fingerprint=fingerprint, part=part)
        if error
        else FileResult(path, estimate=make_estimate(bpm), fingerprint=fingerprint, part=part)
    ),
    names,
    st.none() | st.floats(30, 300),
    st.sampled_from(["", "", 'not "audio", but\ntext']),
    st.none()
    | st.builds(Fingerprint, st.integers(0, 2**60), st.integers(0, 2**62), st.none() | st.just("ab" * 32)),
    st.none()
    | st.builds(Part, st.floats(0.0, 1e6), st.none() | st.floats(1e-5, 1e6), st.none() | st.just('"a",\n')),
)


class TestRows:
    @pytest.mark.slow
    @pytest.mark.parametrize("rows", [CsvRows(), JsonRows()])
    @given(st.lists(results, max_size=4), st.data())
    def test_what_is_whole_comes_back_wherever_a_file_is_cut_off(
        self, rows: CsvRows | JsonRows, results: list[FileResult], data: st.DataObject
    ) -> None:
        records = [rows.encode(result, LAYOUT, 'tempo "x", 2') for result in results]
        whole = rows.header + b"".join(records)
        cut = data.draw(st.integers(0, len(whole)))
        found = list(rows.read(io.BytesIO(whole[:cut]), "file"))
        ends = [len(rows.header) + sum(map(len, records[: n + 1])) for n in range(len(records))]
        n_whole = sum(end <= cut for end in ends)
        assert [record for _, record in found] == records[:n_whole]
        for (row, _), result in zip(found, results, strict=False):
            assert (row.path, row.fingerprint, row.settings) == (
                result.path,
                result.fingerprint,
                'tempo "x", 2',
            )
            assert row.failed == (result.error is not None)
            assert input_key(row.path, row.part) == input_key(result.path, result.part)

    @pytest.mark.slow
    @given(results)
    def test_json_rows_are_valid(self, result: FileResult) -> None:
        VALIDATOR.validate(json.loads(JsonRows().encode(result, LAYOUT, "s")))

    @pytest.mark.parametrize("tail", [b"\0" * 50, b"\0" * 50 + b"\n", b'"', b"a,b\n"])
    def test_garbage_at_the_end_is_cut_off(self, tail: bytes) -> None:
        rows = CsvRows()
        record = rows.encode(FileResult("a", error="x"), LAYOUT, "s")
        assert [each for _, each in rows.read(io.BytesIO(rows.header + record + tail), "f")] == [record]

    @pytest.mark.parametrize(
        ("rows", "data"),
        [
            (CsvRows(), b"path,bpm\na,1\n"),
            (CsvRows(), b'{"path": "a", "bpm": 1}\n'),
            (JsonRows(), b'{"path": "a", "bpm": 1}\n'),
            (JsonRows(), CsvRows.header),
            (JsonRows(), b'{\n  "path": "a"\n}\n'),
            (JsonRows(), b"a note"),
        ],
    )
    def test_other_files_are_refused(self, rows: CsvRows | JsonRows, data: bytes) -> None:
        with pytest.raises(DataError, match=r"^f: has not the"):
            list(rows.read(io.BytesIO(data), "f"))


class TestPathIndex:
    @pytest.mark.slow
    @given(st.lists(st.tuples(names, st.booleans())), st.lists(names))
    def test_each_entry_is_taken_once(self, entries: list[tuple[str, bool]], others: list[str]) -> None:
        index = PathIndex()
        for path, failed in entries:
            index.add(path, failed=failed)
        index.freeze()
        left = [path for path, _ in entries]
        for path in [*others, *left, *left]:
            assert (index.take(path) is not None) == (path in left)
            if path in left:
                left.remove(path)

    def test_knows_what_failed(self) -> None:
        index = PathIndex()
        index.add("a", failed=True)
        index.add("b", failed=False)
        index.freeze()
        assert (index.take("a"), index.take("b"), index.take("c")) == (True, False, None)


@given(names)
def test_any_path_comes_back(path: str) -> None:
    from tempocli.output.results.parquet import from_text, to_text

    assert from_text(to_text(path)) == path
    to_text(path).encode()
