"""Scores of sections: the definitions, annotation files, and `tempo evaluate --task segments`."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tempocli.cli import cli
from tempocli.errors import DataError
from tempocli.evaluation.segment_files import read_folder, read_segments, segmentation
from tempocli.evaluation.segments import Segmentation, evaluate_segments, f_measure, score_segments

if TYPE_CHECKING:
    from pathlib import Path

SONG = segmentation([(0, 10, "A"), (10, 20, "B"), (20, 30, "A"), (30, 40, "C")])


def sections(lengths: list[float], labels: list[int], start: float = 0.0) -> Segmentation:
    edges = start + np.cumsum([0.0, *lengths])
    return segmentation(zip(edges[:-1], edges[1:], map(str, labels), strict=False))


def test_a_segmentation_agrees_with_itself() -> None:
    scores = score_segments(SONG, SONG)
    assert (scores.f_half, scores.f_three, scores.f_half_trimmed, scores.pairwise) == (1.0, 1.0, 1.0, 1.0)
    assert (scores.over, scores.under) == pytest.approx((1.0, 1.0))


def test_boundaries_by_hand() -> None:
    late = segmentation([(0, 12, "A"), (12, 20.4, "B"), (20.4, 40, "A")])
    scores = score_segments(SONG, late)
    # Of 0, 10, 20, 30, 40, and of 0, 12, 20.4, 40.
    assert scores.f_half == pytest.approx(2 * 3 / 9)
    assert scores.f_three == pytest.approx(2 * 4 / 9)
    assert scores.f_half_trimmed == pytest.approx(2 * 1 / 5)
    assert scores.f_three_trimmed == pytest.approx(2 * 2 / 5)


def test_one_section_in_place_of_all() -> None:
    scores = score_segments(SONG, segmentation([(0, 40, "x")]))
    # All pairs are found, of which (200 * 199 + 2 * 100 * 99) of 400 * 399 are right.
    precision = (200 * 199 + 2 * 100 * 99) / (400 * 399)
    assert scores.pairwise == pytest.approx(2 * precision / (precision + 1))
    assert scores.f_half_trimmed == 0.0
    assert scores.over == 0.0
    assert scores.under == pytest.approx(1.0 - 1.5 / np.log2(3))


def test_each_boundary_is_matched_once() -> None:
    assert f_measure(np.array([1.0, 2.0]), np.array([1.5]), 3.0) == pytest.approx(2 / 3)
    assert f_measure(np.array([1.0]), np.array([0.9, 1.1]), 0.5) == pytest.approx(2 / 3)
    assert f_measure(np.array([1.0]), np.zeros(0), 0.5) == 0.0


def test_a_missing_estimate_scores_nothing() -> None:
    report = evaluate_segments([SONG, SONG], [SONG, None])
    assert (report.n, report.n_missing) == (2, 1)
    assert report.f_half.value == report.pairwise.value == 0.5


_LENGTHS = st.lists(st.floats(0.3, 20.0), min_size=1, max_size=12)
_LABELS = st.lists(st.integers(0, 4), min_size=12, max_size=12)


@given(_LENGTHS, _LABELS, _LENGTHS, _LABELS, st.sampled_from([0.0, 0.7]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_as_mir_eval_scores(
    first: list[float], labels: list[int], second: list[float], others: list[int], start: float, near: bool
) -> None:
    segment = pytest.importorskip("mir_eval.segment", reason="mir_eval is not installed (extra 'eval')")
    reference = sections(first, labels)
    if near:
        second = (np.array(first) + 0.2).tolist()
    estimate = sections(second, others, start)
    # There mir_eval makes a section without a length, and refuses it.
    assume(not np.isclose(estimate.intervals[:, 0], reference.intervals.max(), atol=1e-4).any())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = segment.evaluate(
            reference.intervals, list(reference.labels), estimate.intervals, list(estimate.labels)
        )
        end = reference.intervals.max()
        trimmed = [
            segment.detection(
                reference.until(end).intervals, estimate.until(end).intervals, window, trim=True
            )
            for window in (0.5, 3.0)
        ]
    found = score_segments(reference, estimate)
    assert found.f_half == pytest.approx(expected["F-measure@0.5"])
    assert found.f_three == pytest.approx(expected["F-measure@3.0"])
    assert (found.f_half_trimmed, found.f_three_trimmed) == pytest.approx(tuple(f for *_, f in trimmed))
    assert found.pairwise == pytest.approx(np.nan_to_num(expected["Pairwise F-measure"]))
    assert (found.over, found.under) == pytest.approx((expected["NCE Over"], expected["NCE Under"]), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.lab", "0.0 10.0 A\n10.0 20.5 B part\n"),
        ("a.csv", "start_s,end_s,label\n0,10,A\n10,20.5,B part\n"),
        ("a.tsv", "# made by hand\n0\t10\tA\n\n10\t20.5\tB part\n"),
        ("a.txt", "\ufeff0 10 A\r\n10 20.5 B part\r\n"),
    ],
)
def test_text(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = read_segments(tmp_path / name)
    assert found.intervals.tolist() == [[0.0, 10.0], [10.0, 20.5]]
    assert found.labels == ("A", "B part")


def test_jams(tmp_path: Path) -> None:
    data = [{"time": 0.0, "duration": 9.0, "value": "A"}, {"time": 9.0, "duration": 1.0, "value": "B"}]
    annotations = [{"namespace": "beat", "data": []}, {"namespace": "segment_open", "data": data}]
    (tmp_path / "a.jams").write_text(json.dumps({"annotations": annotations}))
    assert read_segments(tmp_path / "a.jams").intervals.tolist() == [[0.0, 9.0], [9.0, 10.0]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.lab", ""),
        ("a.lab", "0 10 A\n12 20 B\n"),
        ("a.lab", "0 10 A\n8 20 B\n"),
        ("a.lab", "10 0 A\n"),
        ("a.lab", "0 nan A\n"),
        ("a.lab", "0 10 A\n10\n"),
        ("a.lab", "0 10 A\nten 20 B\n"),
        ("a.lab", "-9 -1 A\n"),
        ("a.jams", "{}"),
        ("a.jams", '{"annotations": []}'),
        ("a.jams", "no json"),
    ],
)
def test_what_is_no_annotation_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=r"a\.(lab|jams): not an annotation of sections"):
        read_folder(tmp_path)


def test_folders_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no annotations"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="No such file"):
        read_folder(tmp_path / "missing")
    for name in ("a.lab", "a.txt"):
        (tmp_path / name).write_text("0 1 A\n")
    with pytest.raises(DataError, match="two annotations of a"):
        read_folder(tmp_path)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(
        cli, ["evaluate", "--task", "segments", *map(str, arguments)], prog_name="tempo"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.lab").write_text("0 10 A\n10 20 B\n20 30 A\n")
    (tmp_path / "ours" / "two.lab").write_text("0 10 A\n10 20 B\n")
    return tmp_path


def test_by_the_command_line(folder: Path) -> None:
    result = run(folder / "theirs", "--estimates", folder / "ours")
    assert result.exit_code == 0
    assert "F-measure, 0.5 s           1.000" in result.stdout
    report = json.loads(run(folder / "theirs", "--estimates", folder / "ours", "--format", "json").stdout)
    assert (report["n"], report["n_missing"], report["pairwise"]["value"]) == (1, 0, 1.0)


def test_what_is_missing_is_told(folder: Path) -> None:
    result = run(folder / "ours", "--estimates", folder / "theirs")
    assert result.exit_code == 0
    assert "no estimate of 1 of 2 references, two among them" in result.stderr
    (folder / "theirs" / "one.lab").rename(folder / "theirs" / "three.lab")
    result = run(folder / "ours", "--estimates", folder / "theirs")
    assert result.exit_code == 1
    assert "estimates of none of the references" in result.stderr


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ((), "needs --estimates"),
        (("--audio", "."), "--audio"),
        (("--estimates", ".", "--method", "classify"), "--method"),
        (("--estimates", ".", "--min-bpm", "90"), "--min-bpm"),
    ],
)
def test_options_of_other_tasks_are_refused(folder: Path, extra: tuple[str, ...], message: str) -> None:
    result = run(folder / "ours", *extra)
    assert result.exit_code == 2
    assert message in result.stderr
