"""``tempo evaluate``: the tables it reads, the scores it writes, and what it says when something is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import evaluate as invoke
from commands import scores
from fake_estimator import make_estimate

from tempocli.evaluation import scoring as evaluation
from tempocli.evaluation.annotations import TrackEstimate, read_references
from tempocli.output import formats as writers
from tempocli.schema import FileResult

REFERENCE = """path,bpm,bpm2,genre,steady
a/one.wav,100,,rock,1
a/two.wav,100,200,rock,0
b/three.wav,90,,jazz,1
b/four.wav,150,75,jazz,
"""

ESTIMATES = """path,bpm,confidence,octave_confidence
a/one.wav,100.5,0.9,0.8
a/two.wav,200,0.6,0.5
b/three.wav,45,0.2,0.3
b/four.wav,-,,
"""


def test_scores_by_hand(write):
    report = scores(write("ref.csv", REFERENCE), "--estimates", write("est.csv", ESTIMATES))
    assert (report["n"], report["n_missing"]) == (4, 1)
    assert report["accuracy1"]["value"] == pytest.approx(25.0)
    assert report["accuracy2"]["value"] == pytest.approx(75.0)
    assert report["accuracy1_2pct"]["value"] == pytest.approx(25.0)
    assert report["accuracy1_1pct"]["value"] == pytest.approx(25.0)
    assert report["accuracy2_1pct"]["value"] == pytest.approx(75.0)
    close = np.log2(1.005)
    assert report["oe1"]["value"] == pytest.approx((close + 1.0 - 1.0) / 3)
    assert report["aoe1"]["value"] == pytest.approx((close + 2.0) / 3)
    assert report["oe2"]["value"] == pytest.approx(close / 3)
    assert report["aoe2"]["value"] == pytest.approx(close / 3)
    # Two tempi: 200 finds one of (100, 200); no estimate finds none of (150, 75).
    assert report["n_two_tempi"] == 2
    assert report["p_score"]["value"] == pytest.approx(25.0)
    # Of the two steady tracks, one has the right octave.
    assert report["n_steady"] == 1
    assert report["steady_error_bpm"]["value"] == pytest.approx(0.5)
    shares = {name: share["value"] for name, share in report["relations"].items() if share["value"]}
    assert shares == {"correct": 25.0, "double": 25.0, "half": 25.0, "missing": 25.0}
    assert report["calibration"]["n"] == 3
    assert report["calibration"]["ece"]["value"] == pytest.approx((0.1 + 0.6 + 0.2) / 3)
    # Of confidences of 0.9, 0.6 and 0.2, each in its own bin, a perfect one is off by 2 p (1 - p).
    assert report["calibration"]["by_chance"] == pytest.approx((0.18 + 0.48 + 0.32) / 3, abs=0.02)
    assert [entry["n"] for entry in report["calibration"]["bins"]] == [0, 0, 1, 0, 0, 0, 1, 0, 0, 1]
    assert report["octave_calibration"]["ece"]["value"] == pytest.approx((0.2 + 0.5 + 0.3) / 3)


def test_every_score_lies_in_its_interval(write):
    rng = np.random.default_rng(0)
    rows = [(f"{row}.wav", *rng.uniform(60.0, 200.0, 2)) for row in range(60)]
    reference = "path,bpm,steady\n" + "".join(f"{path},{bpm},1\n" for path, bpm, _ in rows)
    estimates = "path,bpm\n" + "".join(f"{path},{guess}\n" for path, _, guess in rows)
    report = scores(write("ref.csv", reference), "--estimates", write("est.csv", estimates))
    for key in ("accuracy1", "accuracy2", "oe1", "oe2", "aoe1", "aoe2", "steady_error_bpm"):
        assert report[key]["low"] <= report[key]["value"] <= report[key]["high"], key
    assert report["accuracy2"]["low"] < report["accuracy2"]["high"]
    assert sum(share["value"] for share in report["relations"].values()) == pytest.approx(100.0)


def test_the_csv_of_an_estimate_is_a_table_of_references(write):
    results = [
        FileResult("one.wav", estimate=make_estimate(100.0)),
        FileResult("two.wav", estimate=make_estimate(90.0, steady=False)),
    ]
    table = write("own.csv", "".join(writers.write("csv", results, writers.Layout())))
    report = scores(table, "--estimates", table)
    assert (report["n"], report["n_steady"]) == (2, 1)


def test_interval_is_the_binomial_one():
    references = [evaluation_reference(f"{row}", 100.0) for row in range(200)]
    estimates = [TrackEstimate(f"{row}", 100.0 if row < 120 else 130.0) for row in range(200)]
    score = evaluation.evaluate(references, estimates).accuracy1
    half_width = 1.96 * np.sqrt(0.6 * 0.4 / 200) * 100.0
    assert score.value == pytest.approx(60.0)
    assert score.low == pytest.approx(60.0 - half_width, abs=0.8)
    assert score.high == pytest.approx(60.0 + half_width, abs=0.8)


@pytest.mark.parametrize(
    ("n_right", "n", "low", "high"),
    [
        (1, 1, 20.65, 100.0),
        (10, 10, 72.25, 100.0),
        (0, 10, 0.0, 27.75),
        (5, 10, 23.66, 76.34),
        (81, 263, 25.53, 36.62),
    ],
)
def test_the_interval_of_a_share_is_that_of_wilson(n_right, n, low, high):
    """Newcombe (1998) has the last one, 81 of 263: 0.2553 to 0.3662."""
    references = [evaluation_reference(f"{row}", 100.0) for row in range(n)]
    estimates = [TrackEstimate(f"{row}", 100.0 if row < n_right else 130.0) for row in range(n)]
    score = evaluation.evaluate(references, estimates).accuracy1
    assert score.value == pytest.approx(100.0 * n_right / n)
    assert (score.low, score.high) == pytest.approx((low, high), abs=0.006)


def test_intervals_do_not_depend_on_the_block_size(monkeypatch):
    references = [evaluation_reference(f"{row}", 100.0) for row in range(50)]
    estimates = [TrackEstimate(f"{row}", 100.0 + row) for row in range(50)]
    expected = evaluation.evaluate(references, estimates).aoe1
    monkeypatch.setattr(evaluation, "_DRAWS_PER_BLOCK", 1000)
    small_blocks = evaluation.evaluate(references, estimates).aoe1
    assert small_blocks.low == pytest.approx(expected.low, rel=0.05)
    assert small_blocks.high == pytest.approx(expected.high, rel=0.05)


def evaluation_reference(path, bpm):
    from tempocli.evaluation.annotations import Reference

    return Reference(path, bpm, None, 0.5, steady=False, columns={})


@pytest.mark.slow
def test_same_tables_give_the_same_bytes(write):
    arguments = (write("ref.csv", REFERENCE), "--estimates", write("est.csv", ESTIMATES), "--format", "json")
    assert invoke(*arguments).stdout == invoke(*arguments).stdout


def test_nothing_to_measure_is_null(write):
    reference = write("ref.csv", "path,bpm\none.wav,100\n")
    report = scores(reference, "--estimates", write("est.csv", "path,bpm\none.wav,0\n"))
    assert report["accuracy1"] == {"value": 0.0, "low": 0.0, "high": pytest.approx(79.345, abs=0.001)}
    for key in ("oe1", "aoe2", "p_score", "steady_error_bpm", "calibration", "octave_calibration"):
        assert report[key] is None


IN_RANGE = """path,bpm,confidence
a/one.wav,100.5,0.9
a/two.wav,95,0.6
b/three.wav,-,
b/four.wav,76.5,0.7
"""


def test_scores_within_a_range(write):
    """Folded into 80 to 110 BPM the references are 100, 100, 90 and none."""
    arguments = (write("ref.csv", REFERENCE), "--estimates", write("est.csv", IN_RANGE))
    report = scores(*arguments, "--min-bpm", "80", "--max-bpm", "110")
    assert report["tempo_range"] == {"min_bpm": 80.0, "max_bpm": 110.0}
    assert (report["n"], report["n_missing"], report["n_outside"]) == (4, 1, 1)
    assert report["accuracy1"]["value"] == pytest.approx(25.0)
    assert {name: share["value"] for name, share in report["outcomes"].items()} == {
        "correct": 25.0,
        "correctly none": 0.0,
        "wrong": 25.0,
        "wrongly none": 25.0,
        "wrongly some": 25.0,
    }
    assert report["calibration"]["ece"]["value"] == pytest.approx((0.1 + 0.6 + 0.7) / 3)


def test_no_tempo_is_right_where_the_range_has_no_octave(write):
    arguments = (write("ref.csv", REFERENCE), "--estimates", write("est.csv", IN_RANGE))
    report = scores(*arguments, "--min-bpm", "60", "--max-bpm", "80", "--by", "genre")
    # 75 is there for 150; 100 and 90 have no octave, and only 90 was given no tempo.
    assert report["n_outside"] == 3
    assert report["outcomes"]["correctly none"]["value"] == 25.0
    assert report["outcomes"]["wrongly some"]["value"] == 50.0
    assert report["accuracy1"]["value"] == 50.0
    assert report["accuracy1_1pct"]["value"] == 25.0
    assert report["by"]["groups"]["jazz"]["accuracy1"]["value"] == 100.0


@pytest.mark.slow
def test_what_tells_octaves_apart_is_left_out_within_a_range(write):
    arguments = (write("ref.csv", REFERENCE), "--estimates", write("est.csv", ESTIMATES))
    chosen = ("--min-bpm", "60", "--max-bpm", "120")
    report = scores(*arguments, *chosen)
    keys = ["accuracy2", "accuracy2_2pct", "accuracy2_1pct", "oe1", "oe2", "aoe1", "aoe2", "p_score"]
    assert {report[key] for key in (*keys, "relations", "octave_calibration")} == {None}
    text = invoke(*arguments, *chosen, "--by", "genre").stdout
    assert "60 to 120 BPM" in text
    for word in ("Accuracy 2", "OE1", "P-score", "octave", "double"):
        assert word not in text
    for table in text.rstrip("\n").split("\n\n"):
        assert len({len(line) for line in table.splitlines()}) == 1


def test_steady_error_within_a_range_is_that_of_the_octave(write):
    reference = write("ref.csv", "path,bpm,steady\none.wav,160.1,1\n")
    arguments = (reference, "--estimates", write("est.csv", "path,bpm,bpm_error\none.wav,80,0.03\n"))
    report = scores(*arguments, "--min-bpm", "60", "--max-bpm", "120")
    assert report["steady_error_bpm"]["value"] == pytest.approx(0.05)
    assert (report["within_one_error"]["value"], report["within_two_errors"]["value"]) == (0.0, 100.0)


@pytest.mark.slow
def test_the_whole_range_is_no_range(write):
    arguments = (write("ref.csv", REFERENCE), "--estimates", write("est.csv", ESTIMATES))
    assert scores(*arguments, "--min-bpm", "30", "--max-bpm", "300") == scores(*arguments)
    assert scores(*arguments)["tempo_range"] is None


def test_a_range_must_be_one(write):
    result = invoke(write("ref.csv", REFERENCE), "--min-bpm", "120", "--max-bpm", "60")
    assert result.exit_code == 2
    assert "--min-bpm must be less than --max-bpm" in result.stderr


STEADY = """path,bpm,steady
one.wav,100,1
two.wav,100,1
three.wav,100,1
four.wav,100,1
five.wav,100,0
"""


def test_steadiness_and_standard_errors_of_steady_references(write):
    """One is off by 1 error, two (double) by 1.5, three (a third) by 6; four is wrong, five not steady."""
    estimates = """path,bpm,bpm_error,steady
one.wav,100.5,0.5,true
two.wav,200.3,0.2,True
three.wav,33.0,0.05555,0
four.wav,150,9,
five.wav,100,0.1,false
"""
    arguments = (write("ref.csv", STEADY), "--estimates", write("est.csv", estimates))
    report = scores(*arguments)
    assert report["n_flagged"] == 3
    assert report["flagged_steady"]["value"] == pytest.approx(200 / 3)
    assert report["n_standard_errors"] == 3
    assert report["within_one_error"]["value"] == pytest.approx(100 / 3)
    assert report["within_two_errors"]["value"] == pytest.approx(200 / 3)
    text = invoke(*arguments).stdout
    for name in (
        "steady tracks said to be steady",
        "within one standard error",
        "within two standard errors",
    ):
        assert name in text


def test_estimates_without_steadiness_and_errors_leave_these_out(write):
    arguments = (write("ref.csv", STEADY), "--estimates", write("est.csv", "path,bpm\none.wav,100\n"))
    report = scores(*arguments)
    for key in ("flagged_steady", "within_one_error", "within_two_errors"):
        assert report[key] is None
    assert (report["n_flagged"], report["n_standard_errors"]) == (0, 0)
    assert "standard error" not in invoke(*arguments).stdout


@pytest.mark.slow
def test_chance_is_shown_with_its_90_percent_point(write):
    rows = range(100)
    reference = write("ref.csv", "path,bpm\n" + "".join(f"{row}.wav,100\n" for row in rows))
    guesses = "".join(f"{row}.wav,{100 if row % 2 else 130},0.5\n" for row in rows)
    arguments = (reference, "--estimates", write("est.csv", "path,bpm,confidence\n" + guesses))
    calibration = scores(*arguments)["calibration"]
    # The error is |share right - 0.5|, of a deviation of 0.05.
    assert calibration["ece"]["value"] == pytest.approx(0.0)
    assert calibration["by_chance"] == pytest.approx(0.05 * np.sqrt(2 / np.pi), abs=0.006)
    assert calibration["by_chance_p90"] == pytest.approx(0.05 * 1.645, abs=0.012)
    lines = invoke(*arguments).stdout.splitlines()
    assert any(line.split()[:5] == ["by", "chance,", "90", "%", "point"] for line in lines)


def test_groups_need_the_column_in_every_reference(write):
    both = (write("ref.csv", REFERENCE), write("ref2.csv", "path,bpm\none.wav,100\n"))
    result = invoke(*both, "--estimates", write("est.csv", ESTIMATES), "--by", "genre")
    assert result.exit_code == 1
    assert "no column 'genre'" in result.stderr


@pytest.mark.slow
def test_groups(write):
    report = scores(write("ref.csv", REFERENCE), "--estimates", write("est.csv", ESTIMATES), "--by", "genre")
    assert report["by"]["column"] == "genre"
    groups = report["by"]["groups"]
    assert list(groups) == ["jazz", "rock"]
    assert groups["rock"]["n"] == 2
    assert groups["rock"]["accuracy1"]["value"] == pytest.approx(50.0)
    assert groups["jazz"]["accuracy2"]["value"] == pytest.approx(50.0)


@pytest.mark.slow
def test_text_is_aligned_and_plain_in_a_pipe(write):
    result = invoke(write("ref.csv", REFERENCE), "--estimates", write("est.csv", ESTIMATES), "--by", "steady")
    tables = [table.splitlines() for table in result.stdout.rstrip("\n").split("\n\n")]
    assert len(tables) == 3
    for table in tables:
        assert len({len(line) for line in table}) == 1
    assert tables[0][1].split() == ["Accuracy", "1,", "4", "%", "25.0", "%", "4.6", "to", "69.9", "4"]
    assert tables[2][1].startswith("(empty)")
    assert result.stdout.isascii()


@pytest.mark.slow
def test_a_terminal_gets_the_same_figures(write, monkeypatch):
    arguments = (write("ref.csv", REFERENCE), "--estimates", write("est.csv", ESTIMATES), "--by", "genre")
    plain = invoke(*arguments).stdout
    monkeypatch.setattr("tempocli.cli.terminal.console.stdout_is_terminal", lambda: True)
    rich = invoke(*arguments).stdout
    assert rich != plain

    def words(text):
        return [word for word in text.split() if word[0].isalnum()]

    assert words(rich) == words(plain)


def test_the_reference_is_not_overwritten(write):
    reference = write("ref.csv", REFERENCE)
    result = invoke(reference, "--save", reference)
    assert result.exit_code == 2
    assert "would be overwritten" in result.stderr
    assert Path(reference).read_text() == REFERENCE


def test_salience_weighs_the_first_tempo(write):
    reference = write("ref.csv", "path,bpm,bpm2,salience\none.wav,60,120,0.3\n")
    report = scores(reference, "--estimates", write("est.csv", "path,bpm\none.wav,120\n"))
    assert report["p_score"]["value"] == pytest.approx(70.0)
    report = scores(reference, "--estimates", write("both.csv", "path,bpm,bpm2\none.wav,120,60\n"))
    assert report["p_score"]["value"] == pytest.approx(100.0)


def test_unmatched_references_are_counted_on_stderr(write):
    estimates = write("est.csv", "path,bpm\na/one.wav,100\n")
    result = invoke(write("ref.csv", REFERENCE), "--estimates", estimates)
    assert result.exit_code == 0
    assert result.stderr.count("\n") == 1
    assert "3 of 4 references" in result.stderr


def test_estimates_of_other_files_are_an_error(write):
    estimates = write("est.csv", "path,bpm\nelsewhere.wav,100\n")
    result = invoke(write("ref.csv", REFERENCE), "--estimates", estimates)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "none of the references" in result.stderr


def test_unknown_column_names_the_known_ones(write):
    result = invoke(write("ref.csv", REFERENCE), "--estimates", write("est.csv", ESTIMATES), "--by", "decade")
    assert result.exit_code == 1
    assert "'decade'" in result.stderr
    assert "genre" in result.stderr


def test_options_of_the_estimator_are_refused_with_estimates(write):
    arguments = (write("ref.csv", REFERENCE), "--estimates", write("est.csv", ESTIMATES))
    for option, value in (("--model", "x"), ("--device", "cpu"), ("--jobs", "2"), ("--save", "x.csv")):
        result = invoke(*arguments, option, value)
        assert result.exit_code == 2
        assert option in result.stderr


@pytest.mark.slow
def test_errors_reach_the_shell_as_one_line(write):
    done = subprocess.run(
        [sys.executable, "-m", "tempocli", "evaluate", write("ref.csv", "path,tempo\none.wav,1\n")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "no column named 'bpm'" in done.stderr


@pytest.mark.slow
def test_references_as_their_own_estimates_are_perfect(shared_data):
    table = shared_data / "dev.csv"
    report = scores(table, "--estimates", table, "--by", "source")
    assert report["n"] == len(read_references(table))
    for group in (report, *report["by"]["groups"].values()):
        score, n = group["accuracy1_1pct"], group["n"]
        # Wilson's interval of n right ones of n.
        assert (score["value"], score["high"]) == (100.0, 100.0)
        assert score["low"] == pytest.approx(100.0 * n / (n + 1.959964**2), abs=1e-3)
        assert group["p_score"] is None or group["p_score"]["low"] == 100.0
