"""The metrics, against hand-made cases, laws that must hold for any tempi, and mir_eval."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tempocli.evaluation import metrics, reliability

law = settings(deadline=None)  # a busy machine breaks no law
tempi = st.floats(min_value=20.0, max_value=400.0)
tracks = st.lists(st.tuples(tempi, tempi), min_size=1, max_size=30)
factors = st.sampled_from([float(factor) for factor in metrics.FACTORS])


@pytest.fixture(scope="module")
def mir_eval_tempo():
    return pytest.importorskip("mir_eval.tempo", reason="mir_eval is not installed (extra 'eval')")


def columns(pairs):
    reference, estimate = zip(*pairs, strict=True)
    return np.array(reference), np.array(estimate)


@pytest.mark.parametrize(
    ("reference", "estimate", "right"),
    [
        (100.0, 104.0, True),
        (100.0, 96.0, True),
        (100.0, 104.01, False),
        (100.0, 95.99, False),
        (110.0, 114.4, True),  # 4 % exactly, but 114.4 - 110 > 4.4 in binary
        (100.0, 200.0, False),
        (100.0, 0.0, False),
        (100.0, -100.0, False),
        (100.0, np.nan, False),
        (100.0, np.inf, False),
    ],
)
def test_accuracy1_includes_the_edge_of_the_tolerance(reference, estimate, right):
    assert metrics.accuracy1([reference], [estimate]).tolist() == [right]


@pytest.mark.parametrize(("tolerance", "estimate"), [(0.04, 104.0), (0.02, 102.0), (0.01, 101.0)])
def test_tolerance_is_a_share_of_the_reference(tolerance, estimate):
    assert metrics.accuracy1([100.0], [estimate], tolerance=tolerance).all()
    assert not metrics.accuracy1([100.0], [estimate + 0.01], tolerance=tolerance).any()


@pytest.mark.parametrize(
    ("estimate", "right"),
    [
        (208.0, True),  # the tolerance of double tempo is 8 BPM
        (208.1, False),
        (312.0, True),
        (48.0, True),
        (47.9, False),
        (100.0 / 3.0 * 1.04, True),
        (33.0, True),
        (31.9, False),
        (150.0, False),
        (400.0, False),
        (25.0, False),
        (0.0, False),
        (np.nan, False),
    ],
)
def test_accuracy2_scales_the_tolerance_with_the_factor(estimate, right):
    assert metrics.accuracy2([100.0], [estimate]).tolist() == [right]


@pytest.mark.slow
@law
@given(tracks)
def test_accuracy2_forgives_whatever_accuracy1_does(pairs):
    reference, estimate = columns(pairs)
    for tolerance in (0.01, 0.02, 0.04):
        right1 = metrics.accuracy1(reference, estimate, tolerance=tolerance)
        assert not (right1 & ~metrics.accuracy2(reference, estimate, tolerance=tolerance)).any()


@pytest.mark.slow
@law
@given(tracks)
def test_a_wider_tolerance_never_loses_a_track(pairs):
    reference, estimate = columns(pairs)
    for accuracy in (metrics.accuracy1, metrics.accuracy2):
        narrow = accuracy(reference, estimate, tolerance=0.01)
        assert not (narrow & ~accuracy(reference, estimate, tolerance=0.04)).any()


@pytest.mark.slow
@law
@given(st.lists(tempi, min_size=1, max_size=30), factors, st.floats(min_value=-0.0399, max_value=0.0399))
def test_any_level_within_the_tolerance_is_right_by_accuracy2(reference, factor, deviation):
    estimate = np.array(reference) * factor * (1.0 + deviation)
    assert metrics.accuracy2(reference, estimate).all()


@pytest.mark.slow
@law
@given(st.lists(tempi, min_size=1, max_size=30), factors)
def test_an_exact_level_has_no_octave_error2(reference, factor):
    estimate = np.array(reference) * factor
    np.testing.assert_allclose(metrics.octave_error2(reference, estimate), 0.0, atol=1e-12)
    np.testing.assert_allclose(metrics.octave_error1(reference, estimate), np.log2(factor), atol=1e-12)


@pytest.mark.slow
@law
@given(tracks, st.sampled_from([0.125, 0.5, 2.0, 8.0]))
def test_only_ratios_matter(pairs, scale):
    # Powers of two, so that the scaled tempi are exact.
    reference, estimate = columns(pairs)
    for metric in (
        metrics.accuracy1,
        metrics.accuracy2,
        metrics.octave_error1,
        metrics.octave_error2,
        metrics.error_relation,
    ):
        expected = metric(reference, estimate)
        got = metric(scale * reference, scale * estimate)
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(got, expected, atol=1e-12)
        else:
            assert got.tolist() == expected.tolist()


@pytest.mark.slow
@law
@given(tracks)
def test_octave_error2_is_the_smallest_over_the_factors(pairs):
    reference, estimate = columns(pairs)
    error1 = metrics.octave_error1(reference, estimate)
    error2 = metrics.octave_error2(reference, estimate)
    for factor in (1.0, 2.0, 3.0, 1 / 2, 1 / 3):
        assert (np.abs(error2) <= np.abs(error1 + np.log2(factor)) + 1e-12).all()
    # The levels lie at -1.58, -1, 0, 1 and 1.58 octaves, so half an octave is the furthest from all.
    inside = np.abs(error1) <= np.log2(3.0)
    assert (np.abs(error2[inside]) <= 0.5 + 1e-12).all()


def test_octave_errors_keep_their_sign():
    reference, estimate = [100.0, 100.0, 100.0, 100.0], [50.0, 190.0, 210.0, np.nan]
    expected1 = [-1.0, np.log2(1.9), np.log2(2.1), np.nan]
    expected2 = [0.0, np.log2(0.95), np.log2(1.05), np.nan]
    np.testing.assert_allclose(metrics.octave_error1(reference, estimate), expected1)
    np.testing.assert_allclose(metrics.octave_error2(reference, estimate), expected2, atol=1e-12)


@pytest.mark.parametrize(
    ("estimate", "relation"),
    [
        (103.0, "correct"),
        (201.0, "double"),
        (50.2, "half"),
        (299.0, "triple"),
        (33.4, "third"),
        (151.0, "3/2"),
        (66.0, "2/3"),
        (133.0, "4/3"),
        (75.5, "3/4"),
        (120.0, "other"),
        (400.0, "other"),
        (0.0, "missing"),
        (-1.0, "missing"),
        (np.nan, "missing"),
    ],
)
def test_error_relation(estimate, relation):
    assert metrics.error_relation([100.0], [estimate]).tolist() == [relation]


@pytest.mark.slow
@law
@given(tracks)
def test_relations_agree_with_the_accuracies(pairs):
    reference, estimate = columns(pairs)
    relation = metrics.error_relation(reference, estimate)
    right2 = np.isin(relation, ["correct", "double", "half", "triple", "third"])
    assert (relation == "correct").tolist() == metrics.accuracy1(reference, estimate).tolist()
    assert right2.tolist() == metrics.accuracy2(reference, estimate).tolist()


def test_relations_do_not_overlap_at_four_percent():
    values = sorted(float(value) for value in metrics.RELATIONS.values())
    for lower, upper in itertools.pairwise(values):
        assert lower * (1.0 + metrics.TOLERANCE) < upper * (1.0 - metrics.TOLERANCE)


@pytest.mark.parametrize(
    ("estimate", "salience", "score"),
    [
        ((60.0, 120.0), 0.5, 1.0),
        ((120.0, 60.0), 0.3, 1.0),
        ((60.0, np.nan), 0.3, 0.3),
        ((120.0, np.nan), 0.3, 0.7),
        ((64.8, np.nan), 0.5, 0.5),  # 8 % exactly
        ((64.9, np.nan), 0.5, 0.0),
        ((60.0, 61.0), 0.5, 0.5),  # both hit the same reference
        ((np.nan, np.nan), 0.5, 0.0),
    ],
)
def test_p_score(estimate, salience, score):
    assert metrics.p_score([(60.0, 120.0)], [estimate], salience=salience) == pytest.approx([score])


@law
@given(st.tuples(tempi, tempi), st.tuples(tempi, tempi), st.floats(min_value=0.0, max_value=1.0))
def test_p_score_agrees_with_mir_eval(mir_eval_tempo, reference, estimate, salience):
    # Rounding decides on the very edge, where mir_eval has no slack.
    ratios = np.abs(np.subtract.outer(reference, estimate)) / np.array(reference)[:, None]
    assume((np.abs(ratios - 0.08) > 1e-6).all())
    expected, *_ = mir_eval_tempo.detection(np.array(reference), salience, np.array(estimate))
    assert metrics.p_score([reference], [estimate], salience=salience) == pytest.approx([expected])


def test_expected_calibration_error_by_hand():
    # Two bins: [0.2, 0.3) holds 0.25 twice, one right; [0.9, 1] holds 0.9 and 1.0, both right.
    confidence, correct = [0.25, 0.25, 0.9, 1.0], [True, False, True, True]
    expected = (2 * abs(0.25 - 0.5) + 2 * abs(0.95 - 1.0)) / 4
    assert reliability.expected_calibration_error(confidence, correct) == pytest.approx(expected)


def test_reliability_bins_include_their_lower_edge():
    bins = reliability.reliability_bins([0.0, 0.1, 0.15, 0.7, 1.0], [False, True, False, True, True])
    assert [entry.n for entry in bins] == [1, 2, 0, 0, 0, 0, 0, 1, 0, 1]
    assert (bins[1].low, bins[1].high) == (0.1, 0.2)
    assert bins[1].confidence == pytest.approx(0.125)
    assert bins[1].accuracy == pytest.approx(0.5)
    assert bins[2].confidence is None
    assert bins[2].accuracy is None


@pytest.mark.slow
@law
@given(st.lists(st.tuples(st.floats(min_value=0.0, max_value=1.0), st.booleans()), min_size=1, max_size=50))
def test_calibration_error_is_the_mean_gap_of_the_bins(pairs):
    confidence, correct = zip(*pairs, strict=True)
    gaps = [
        entry.n * abs(entry.confidence - entry.accuracy)
        for entry in reliability.reliability_bins(confidence, correct)
        if entry.n
    ]
    error = reliability.expected_calibration_error(confidence, correct)
    assert error == pytest.approx(sum(gaps) / len(pairs))


def test_calibration_error_takes_many_samples_at_once():
    rng = np.random.default_rng(0)
    confidence = rng.random((3, 40))
    correct = rng.random((3, 40)) < confidence
    each = [
        reliability.expected_calibration_error(row, hits)
        for row, hits in zip(confidence, correct, strict=True)
    ]
    np.testing.assert_allclose(reliability.expected_calibration_error(confidence, correct), each)


@pytest.mark.parametrize("reference", [0.0, -1.0, np.nan, np.inf])
def test_a_reference_must_be_a_tempo(reference):
    with pytest.raises(ValueError, match="positive"):
        metrics.accuracy1([reference], [100.0])


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="shape"):
        metrics.accuracy2([100.0, 100.0], [100.0])


def test_references_fold_to_the_octave_nearest_to_the_estimate():
    folded = metrics.octaves_in_range(
        [150.0, 37.0, 100.0, 100.0, 119.0, 60.0, 120.0],
        [76.0, 140.0, np.nan, 130.0, 100.0, 60.0, 60.0],
        min_bpm=60.0,
        max_bpm=160.0,
    )
    assert folded.tolist() == [75.0, 148.0, 100.0, 100.0, 119.0, 60.0, 60.0]


def test_a_reference_without_an_octave_in_the_range():
    reference, lone = [100.0, 100.0, 60.0], [100.0, np.nan, 120.0]
    bounds = {"min_bpm": 120.0, "max_bpm": 199.0}
    assert np.isnan(metrics.octaves_in_range(reference, lone, **bounds)).tolist() == [True, True, False]
    assert metrics.accuracy1_in_range(reference, lone, **bounds).tolist() == [False, True, True]


@pytest.mark.parametrize("reference", [7.5, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0])
def test_any_octave_in_the_range_is_right_and_nothing_else(reference):
    estimate = [60.0, 62.4, 62.5, 120.0, 115.2, 115.1, 180.0, np.nan]
    right = metrics.accuracy1_in_range([reference] * 8, estimate, min_bpm=60.0, max_bpm=130.0)
    assert right.tolist() == [True, True, False, True, True, False, False, False]


def test_standard_errors_of_every_metrical_level():
    off = metrics.standard_errors_off(
        [100.0, 100.0, 90.0, 100.0, 100.0, 100.0, 100.0],
        [100.2, 199.0, 30.2, 150.0, np.nan, 100.0, 101.0],
        [0.1, 0.5, 0.1, 1.0, 1.0, 0.0, 0.0],
    )
    assert off[:3] == pytest.approx([2.0, 2.0, 2.0])
    assert np.isnan(off[3:5]).all()
    assert off[5:].tolist() == [0.0, np.inf]
    assert np.isnan(metrics.standard_errors_off([100.0], [100.0], [np.nan]))
