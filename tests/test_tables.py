"""Tables of references and estimates: what is read, what is matched, and what is refused."""

from __future__ import annotations

import pytest

from tempocli.errors import DataError
from tempocli.evaluation.annotations import match_estimates, read_estimates, read_references


def test_matching_by_path_then_by_unique_name(write):
    references = read_references(
        write("ref.csv", "path,bpm\nx/one.wav,100\nx/two.wav,100\ny/two.wav,100\nx/three.wav,100\n")
    )
    estimates = read_estimates(
        write(
            "est.csv", "path,bpm\nC:\\music\\one.wav,101\ny/two.wav,102\nz/three.wav,103\nw/three.wav,104\n"
        )
    )
    matched, n_unmatched = match_estimates(references, estimates)
    # two.wav is asked for twice and three.wav estimated twice, so their names alone tell nothing.
    assert [estimate.bpm for estimate in matched] == [101.0, None, 102.0, None]
    assert n_unmatched == 2


def test_a_byte_order_mark_and_blank_lines_are_harmless(tmp_path):
    path = tmp_path / "ref.csv"
    path.write_bytes("\ufeffpath,bpm\r\n\r\none.wav,100\r\n\r\n".encode())
    assert [row.bpm for row in read_references(path)] == [100.0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no column named 'path'"),
        ("one.wav,100\n", "no column named 'path'"),
        ("path,tempo\none.wav,100\n", "no column named 'bpm'"),
        ("path,bpm,bpm\none.wav,100,100\n", "two columns named 'bpm'"),
        ("path,bpm\n", "no rows"),
        ("path,bpm\none.wav,fast\n", "line 2: bpm 'fast' is not a number"),
        ("path,bpm\none.wav,100\ntwo.wav\n", "line 3: bpm '' is not above 0"),
        ("path,bpm\none.wav,0\n", "line 2: bpm '0' is not above 0"),
        ("path,bpm\none.wav,nan\n", "line 2: bpm 'nan' is not above 0"),
        ("path,bpm,bpm2\none.wav,100,-3\n", "line 2: bpm2 '-3' is not above 0"),
        ("path,bpm,salience\none.wav,100,2\n", "line 2: salience 2 is not between 0 and 1"),
        ("path,bpm,steady\none.wav,100,yes\n", "line 2: steady 'yes' is not a number"),
        ("path,bpm\n,100\n", "line 2: no path"),
        ("path,bpm\none, two.wav,100\n", "line 2: 3 cells under 2 column names"),
        ('path,bpm\n"one.wav,100\n', "not a CSV file"),
    ],
)
def test_bad_references_are_named_in_one_line(write, text, reason):
    path = write("ref.csv", text)
    with pytest.raises(DataError) as error:
        read_references(path)
    assert str(error.value).startswith(f"{path}: ")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("path,bpm\none.wav,fast\n", "line 2: bpm 'fast' is not a number"),
        ("path,bpm,confidence\none.wav,100,3.2\n", "line 2: confidence 3.2 is not between 0 and 1"),
        ("path,bpm,bpm_error\none.wav,100,-1\n", "line 2: bpm_error -1 is not 0 or above"),
        ("path,bpm,bpm_error\none.wav,100,nan\n", "line 2: bpm_error nan is not 0 or above"),
        ("path,bpm,steady\none.wav,100,yes\n", "line 2: steady 'yes' is not a number"),
        ("path,bpm\none.wav,100\none.wav,50\n", "line 3: a second estimate of one.wav"),
    ],
)
def test_bad_estimates_are_named_in_one_line(write, text, reason):
    with pytest.raises(DataError, match=reason):
        read_estimates(write("est.csv", text))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01", b"path,bpm\n\x00\n"])
def test_binary_files_are_no_tables(tmp_path, content):
    path = tmp_path / "ref.csv"
    path.write_bytes(content)
    with pytest.raises(DataError):
        read_references(path)


def test_files_that_cannot_be_opened(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere.csv"):
        with pytest.raises(DataError, match=str(path)):
            read_references(path)
