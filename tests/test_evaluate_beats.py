"""Scores of beats: the definitions, annotation files, and `tempo evaluate --task beats`."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from bars import bars, beats_of
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from tempocli.cli import cli
from tempocli.errors import DataError
from tempocli.evaluation.beat_files import annotation, read_annotation, read_folder
from tempocli.evaluation.beats import continuity, evaluate_beats, f_measure, score_beats

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

STEADY = 0.5 * np.arange(1, 41)


def positions(n: int, metre: int = 4) -> list[int]:
    return [index % metre + 1 for index in range(n)]


def test_right_beats_are_perfect() -> None:
    assert f_measure(STEADY, STEADY + 0.06) == 1.0
    assert continuity(STEADY, STEADY) == (1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("estimate", "total", "any_level"),
    [
        (STEADY[::2], 0.0, 1.0),
        (STEADY + 0.25, 0.0, 39 / 40),
        (np.sort(np.concatenate([STEADY, STEADY + 0.25])), 0.0, 79 / 80),
        (STEADY * 1.5, 0.0, 0.0),
    ],
    ids=["half", "off-beat", "double", "two thirds"],
)
def test_other_levels(estimate: NDArray[np.float64], total: float, any_level: float) -> None:
    _, found, _, found_any = continuity(STEADY, estimate)
    assert found == pytest.approx(total, abs=0.03)
    assert found_any == pytest.approx(any_level, abs=0.03)


def test_what_is_missed_and_what_is_too_much() -> None:
    assert f_measure(STEADY, STEADY[:20]) == pytest.approx(2 / 3)
    assert f_measure(STEADY, np.repeat(STEADY, 2)) == pytest.approx(2 / 3)
    assert f_measure(STEADY, np.zeros(0)) == 0.0
    assert f_measure(STEADY, STEADY + 0.08) == 0.0


def test_the_longest_run_is_interrupted() -> None:
    estimate = np.delete(STEADY, 20)
    longest, total, *_ = continuity(STEADY, estimate)
    # The beat after the gap comes too late, too.
    assert (longest, total) == (20 / 40, 38 / 40)


def test_values_of_mir_eval() -> None:
    """As mir_eval 0.8.2 computes them, where it is not installed."""
    estimate = STEADY[3:30] + 0.03
    assert f_measure(STEADY, estimate) == pytest.approx(0.8059701492537313)
    assert continuity(STEADY, estimate) == (0.675, 0.675, 0.675, 0.675)


@given(
    st.lists(st.floats(0.1, 1.5), min_size=1, max_size=40),
    st.lists(st.floats(0.05, 1.5), min_size=0, max_size=60),
    st.sampled_from(["other", "same", "half", "double", "late"]),
    st.floats(0.0, 0.05),
)
@settings(max_examples=150)
def test_as_mir_eval_scores(first: list[float], second: list[float], kind: str, jitter: float) -> None:
    beat = pytest.importorskip("mir_eval.beat", reason="mir_eval is not installed (extra 'eval')")
    reference = np.cumsum(first)
    noise = np.random.default_rng(len(first)).normal(0.0, jitter, 1000)
    estimate = {
        "other": np.cumsum(second),
        "same": reference,
        "half": reference[::2],
        "double": np.sort(np.concatenate([reference, reference + 0.5 * first[0]])),
        "late": reference + 0.5 * first[0],
    }[kind]
    estimate = np.sort(np.maximum(0.0, estimate + noise[: len(estimate)]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [beat.f_measure(reference, estimate), *beat.continuity(reference, estimate)]
    assert [f_measure(reference, estimate), *continuity(reference, estimate)] == pytest.approx(expected)


def test_downbeats_and_metre() -> None:
    reference = annotation(zip(STEADY, positions(40), strict=True))
    shifted = annotation(zip(STEADY, np.roll(positions(40), 1), strict=True))
    three = annotation(zip(STEADY, positions(40, 3), strict=True))
    assert score_beats(reference, reference).downbeat_f_measure == 1.0
    assert score_beats(reference, shifted).downbeat_f_measure == 0.0
    assert score_beats(reference, shifted).metre == 1.0
    assert score_beats(reference, three).metre == 0.0
    unknown = annotation((time, 0) for time in STEADY)
    assert score_beats(unknown, three).downbeat_f_measure is None
    assert score_beats(unknown, three).metre is None


def test_a_report() -> None:
    reference = annotation(zip(STEADY, positions(40), strict=True))
    report = evaluate_beats([reference, reference], [reference, None])
    assert (report.n, report.n_missing) == (2, 1)
    assert report.f_measure.value == 0.5
    late = annotation(zip(np.concatenate([[0.1, 0.2], STEADY]), [0, 0, *positions(40)], strict=True))
    assert evaluate_beats([reference], [late]).f_measure.value < 1.0
    assert evaluate_beats([reference], [late], skip=0.4).f_measure.value == 1.0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.beats", "0.5\t1\n1.0\t2\n"),
        ("x.txt", "# comment\n0.5 1.0\n1.0 2.0\n"),
        ("x.csv", "0.5,1\n1.0,2\n"),
        ("x.tsv", "\ufeff0.5\t1\r\n1.0\t2\r\n"),
        (
            "x.jams",
            '{"annotations": [{"namespace": "beat", "data": '
            '[{"time": 0.5, "value": 1}, {"time": 1, "value": 2}]}]}',
        ),
    ],
)
def test_annotations_are_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = read_annotation(tmp_path / name)
    assert (found.times.tolist(), found.positions.tolist()) == ([0.5, 1.0], [1, 2])


def test_times_alone_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("0.5\n1.0\n")
    assert read_annotation(tmp_path / "x.txt").positions.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.beats", "abc\n"),
        ("x.beats", "1.0\t1\n0.5\t2\n"),
        ("x.beats", "nan\t1\n"),
        ("x.beats", "1.0\tone\n"),
        ("x.jams", "{}"),
        ("x.jams", "[" * 100_000),
        ("x.jams", '{"annotations": []}'),
    ],
)
def test_what_is_no_annotation(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match="not an annotation of beats"):
        read_annotation(tmp_path / name)


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no annotations"):
        read_folder(tmp_path)
    (tmp_path / "a.beats").write_text("0.5\t1\n")
    assert list(read_folder(tmp_path)) == ["a"]
    (tmp_path / "a.txt").write_text("0.5\t1\n")
    with pytest.raises(DataError, match="two annotations of a"):
        read_folder(tmp_path)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["evaluate", "--task", "beats", *map(str, arguments)], prog_name="tempo")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "beats").mkdir()
    (tmp_path / "audio").mkdir()
    for name, bpm, metre in (("a", 112.0, 4), ("b", 96.0, 3)):
        times = beats_of(bpm, 14.0)
        lines = [f"{time:.4f}\t{index % metre + 1}\n" for index, time in enumerate(times)]
        (tmp_path / "beats" / f"{name}.beats").write_text("".join(lines))
        soundfile.write(tmp_path / "audio" / f"{name}.wav", bars(bpm, metre, seconds=14.0), 22050)
    return tmp_path


@pytest.mark.slow
def test_audio_is_scored(data: Path) -> None:
    result = run(data / "beats", "--audio", data / "audio", "--format", "json", "--device", "cpu")
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    assert report["f_measure"]["value"] > 0.95
    assert report["downbeat_f_measure"]["value"] > 0.9
    assert (report["metre"]["value"], report["n"], report["n_missing"]) == (1.0, 2, 0)


@pytest.mark.slow
def test_results_of_tempo_beats_are_scored(data: Path) -> None:
    out = data / "out.jsonl"
    made = CliRunner().invoke(cli, ["beats", str(data / "audio"), "-o", str(out), "--device", "cpu"])
    assert made.exit_code == 0
    result = run(data / "beats", "--estimates", out)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["score", "value", "95", "%", "interval", "tracks"]
    assert [line.split("  ")[0] for line in lines[1:3]] == ["F-measure, 70 ms", "CMLc"]


def test_annotations_are_scored_against_each_other(data: Path) -> None:
    result = run(data / "beats", "--estimates", data / "beats", "--skip", 5)
    assert result.exit_code == 0
    assert "F-measure, 70 ms           1.000" in result.stdout


def test_missing_estimates_are_told(data: Path) -> None:
    (data / "few").mkdir()
    (data / "few" / "a.beats").write_text((data / "beats" / "a.beats").read_text())
    result = run(data / "beats", "--estimates", data / "few")
    assert result.exit_code == 0
    assert "no estimate of 1 of 2 references, b among them" in result.stderr
    (data / "few" / "a.beats").rename(data / "few" / "c.beats")
    assert "estimates of none of the references" in run(data / "beats", "--estimates", data / "few").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["BEATS"], 2, "needs --audio FOLDER or --estimates FILE"),
        (["BEATS", "--audio", "BEATS", "--estimates", "BEATS"], 2, "needs --audio FOLDER or"),
        (["BEATS", "--audio", "BEATS", "--method", "classify"], 2, "--method has no use with --task beats"),
        (["BEATS", "--estimates", "BEATS", "--min-bpm", "50"], 2, "--min-bpm has no use"),
        (["none", "--estimates", "BEATS"], 1, "none: No such file"),
        (["BEATS", "--estimates", "none.jsonl"], 1, "none.jsonl: No such file"),
    ],
)
def test_what_is_refused(data: Path, arguments: list[str], code: int, reason: str) -> None:
    result = run(*[str(data / "beats") if each == "BEATS" else each for each in arguments])
    assert result.exit_code == code
    assert reason in result.stderr
