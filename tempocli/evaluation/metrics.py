"""Metrics of tempo estimates against references: one value per track, to be averaged by the caller.

In all functions, `reference` and `estimate` are tempi in BPM, one per track. References are positive and
finite. An estimate that is NaN, infinite, or not above 0 is *missing*: wrong for every accuracy, NaN for
every error.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from tempocli.axis import TOLERANCE

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

P_SCORE_TOLERANCE = 0.08

# Factors that Accuracy 2 and OE2 accept.
FACTORS = (Fraction(1), Fraction(2), Fraction(3), Fraction(1, 2), Fraction(1, 3))

# Relations of an estimate to its reference, in the order of the report. At 4 % no two overlap.
RELATIONS = {
    "correct": Fraction(1),
    "double": Fraction(2),
    "half": Fraction(1, 2),
    "triple": Fraction(3),
    "third": Fraction(1, 3),
    "3/2": Fraction(3, 2),
    "2/3": Fraction(2, 3),
    "4/3": Fraction(4, 3),
    "3/4": Fraction(3, 4),
}

# Counts an estimate exactly at the tolerance as correct, in spite of binary rounding:
# 114.4 is 4 % above 110, yet 114.4 - 110 > 0.04 * 110 in binary floating point.
_ROUNDING = 1e-9


def is_missing(estimate: ArrayLike) -> NDArray[np.bool_]:
    """Return which estimates are missing.

    Parameters
    ----------
    estimate : array_like of float, shape=(n,)
        Estimated tempi in BPM.

    Returns
    -------
    ndarray of bool, shape=(n,)
        True where the estimate is NaN, infinite, or not above 0.
    """
    tempi = np.asarray(estimate, np.float64)
    return ~(np.isfinite(tempi) & (tempi > 0.0))


def accuracy1(
    reference: ArrayLike, estimate: ArrayLike, *, tolerance: float = TOLERANCE
) -> NDArray[np.bool_]:
    """Return which estimates are within the tolerance of their reference (Accuracy 1).

    Parameters
    ----------
    reference, estimate : array_like of float, shape=(n,)
        Tempi in BPM.
    tolerance : float
        Largest deviation that still counts as right, as a share of the reference; inclusive.

    Returns
    -------
    ndarray of bool, shape=(n,)
        Its mean is Accuracy 1.

    Raises
    ------
    ValueError
        If a reference is not a positive, finite number, or the shapes differ.

    Examples
    --------
    >>> accuracy1([100.0, 100.0, 100.0], [104.0, 105.0, 50.0]).tolist()
    [True, False, False]
    """
    ref, est = _tempi(reference, estimate)
    return _within(ref, est, Fraction(1), tolerance)


def accuracy2(
    reference: ArrayLike, estimate: ArrayLike, *, tolerance: float = TOLERANCE
) -> NDArray[np.bool_]:
    """Return which estimates match 1, 2, 3, 1/2 or 1/3 times the reference (Accuracy 2).

    Parameters
    ----------
    reference, estimate : array_like of float, shape=(n,)
        Tempi in BPM.
    tolerance : float
        Largest deviation that still counts as right, as a share of the reference times the factor; inclusive.

    Returns
    -------
    ndarray of bool, shape=(n,)
        Its mean is Accuracy 2.

    Raises
    ------
    ValueError
        If a reference is not a positive, finite number, or the shapes differ.

    Examples
    --------
    >>> accuracy2([120.0, 120.0, 120.0], [62.4, 40.0, 90.0]).tolist()
    [True, True, False]
    """
    ref, est = _tempi(reference, estimate)
    right: NDArray[np.bool_] = np.any([_within(ref, est, factor, tolerance) for factor in FACTORS], axis=0)
    return right


def octaves_in_range(
    reference: ArrayLike, estimate: ArrayLike, *, min_bpm: float, max_bpm: float
) -> NDArray[np.float64]:
    """Fold each reference by octaves into a range of tempi.

    Parameters
    ----------
    reference, estimate : array_like of float, shape=(n,)
        Tempi in BPM.
    min_bpm, max_bpm : float
        The range, in BPM; both ends are inside.

    Returns
    -------
    ndarray of float64, shape=(n,)
        The reference times a power of 2, in the range and nearest to the estimate; NaN if no octave is in
        the range. For a missing estimate, the lowest octave in the range.

    Raises
    ------
    ValueError
        If a reference is not a positive, finite number, or the shapes differ.

    Examples
    --------
    >>> octaves_in_range([150.0, 50.0], [76.0, 100.0], min_bpm=60.0, max_bpm=90.0).tolist()
    [75.0, nan]
    """
    ref, est = _tempi(reference, estimate)
    lowest = np.ceil(np.log2(min_bpm / ref) - _ROUNDING)
    highest = np.floor(np.log2(max_bpm / ref) + _ROUNDING)
    wanted = np.where(is_missing(est), lowest, np.round(octave_error1(ref, est)))
    octave = np.clip(wanted, lowest, np.maximum(lowest, highest))
    return np.where(lowest <= highest, ref * np.exp2(octave), np.nan)


def accuracy1_in_range(
    reference: ArrayLike,
    estimate: ArrayLike,
    *,
    min_bpm: float,
    max_bpm: float,
    tolerance: float = TOLERANCE,
) -> NDArray[np.bool_]:
    """Return which estimates are correct when the estimates are limited to a range of tempi.

    Parameters
    ----------
    reference, estimate : array_like of float, shape=(n,)
        Tempi in BPM.
    min_bpm, max_bpm : float
        The range, in BPM; both ends are inside.
    tolerance : float
        Largest deviation that still counts as right, as a share of the octave of the reference; inclusive.

    Returns
    -------
    ndarray of bool, shape=(n,)
        True if the estimate is within the tolerance of an octave of the reference in the range. If no octave
        is in the range, only a missing estimate is correct.

    Raises
    ------
    ValueError
        If a reference is not a positive, finite number, or the shapes differ.

    Examples
    --------
    >>> accuracy1_in_range([150.0, 150.0, 50.0], [75.0, 150.0, np.nan], min_bpm=60.0, max_bpm=90.0).tolist()
    [True, False, True]
    """
    ref, est = _tempi(reference, estimate)
    folded = octaves_in_range(ref, est, min_bpm=min_bpm, max_bpm=max_bpm)
    none = np.isnan(folded)
    near = _within(np.where(none, ref, folded), est, Fraction(1), tolerance)
    return np.where(none, is_missing(est), near)


def standard_errors_off(
    reference: ArrayLike, estimate: ArrayLike, bpm_error: ArrayLike
) -> NDArray[np.float64]:
    """Compute the error of an estimate in standard errors, after correcting its metrical level.

    Parameters
    ----------
    reference, estimate : array_like of float, shape=(n,)
        Tempi in BPM.
    bpm_error : array_like of float, shape=(n,)
        Standard error of the estimate in BPM, at least 0; NaN if unknown.

    Returns
    -------
    ndarray of float64, shape=(n,)
        ``|estimate - factor * reference| / bpm_error`` for the factor 1, 2, 3, 1/2 or 1/3 with which the
        estimate is right within 4 %; NaN where there is none, or the error is not known.

    Raises
    ------
    ValueError
        If a reference is not a positive, finite number, or the shapes differ.
    """
    ref, est = _tempi(reference, estimate)
    error = np.asarray(bpm_error, np.float64)
    off = np.full(ref.shape, np.nan)
    for factor in FACTORS:
        right = _within(ref, est, factor, TOLERANCE)
        off[right] = np.abs(est[right] - float(factor) * ref[right])
    # A deviation within rounding counts as 0, also for a standard error of 0.
    off[off <= _ROUNDING * ref] = 0.0
    with np.errstate(divide="ignore"):
        ratio: NDArray[np.float64] = np.where(off == 0.0, off, off / np.where(off == 0.0, 1.0, error))
    return np.where(np.isnan(error), np.nan, ratio)


def octave_error1(reference: ArrayLike, estimate: ArrayLike) -> NDArray[np.float64]:
    """Compute OE1, the signed distance of the estimate from the reference in tempo octaves.

    Parameters
    ----------
    reference, estimate : array_like of float, shape=(n,)
        Tempi in BPM.

    Returns
    -------
    ndarray of float64, shape=(n,)
        ``log2(estimate / reference)``: 1 for double tempo, -1 for half; NaN where the estimate is missing.

    Raises
    ------
    ValueError
        If a reference is not a positive, finite number, or the shapes differ.
    """
    ref, est = _tempi(reference, estimate)
    return np.log2(np.where(is_missing(est), np.nan, est)) - np.log2(ref)


def octave_error2(reference: ArrayLike, estimate: ArrayLike) -> NDArray[np.float64]:
    """Compute OE2, the signed distance in tempo octaves from the nearest metrical level of the reference.

    Parameters
    ----------
    reference, estimate : array_like of float, shape=(n,)
        Tempi in BPM.

    Returns
    -------
    ndarray of float64, shape=(n,)
        The value of smallest magnitude among ``log2(factor * estimate / reference)`` for the factors 1, 2, 3,
        1/2 and 1/3 (of two equally small ones, that of the factor named first), with its sign; NaN where the
        estimate is missing.

    Raises
    ------
    ValueError
        If a reference is not a positive, finite number, or the shapes differ.
    """
    error = octave_error1(reference, estimate)[:, None] + np.log2([float(factor) for factor in FACTORS])
    nearest = np.argmin(np.abs(error), axis=1)
    closest: NDArray[np.float64] = np.take_along_axis(error, nearest[:, None], axis=1)[:, 0]
    return closest


def error_relation(
    reference: ArrayLike, estimate: ArrayLike, *, tolerance: float = TOLERANCE
) -> NDArray[np.str_]:
    """Classify the relation of each estimate to its reference.

    Parameters
    ----------
    reference, estimate : array_like of float, shape=(n,)
        Tempi in BPM.
    tolerance : float
        Largest deviation from the named multiple, as a share of that multiple; inclusive. From 0.0588 up,
        neighbouring relations overlap and the one listed first in `RELATIONS` wins.

    Returns
    -------
    ndarray of str, shape=(n,)
        A key of `RELATIONS`, ``"other"``, or ``"missing"``.

    Raises
    ------
    ValueError
        If a reference is not a positive, finite number, or the shapes differ.

    Examples
    --------
    >>> error_relation([100.0, 100.0, 100.0], [202.0, 66.7, float("nan")]).tolist()
    ['double', '2/3', 'missing']
    """
    ref, est = _tempi(reference, estimate)
    conditions = [_within(ref, est, factor, tolerance) for factor in RELATIONS.values()]
    names = [np.array(name) for name in (*RELATIONS, "missing")]
    return np.select([*conditions, is_missing(est)], names, default=np.array("other"))


def p_score(
    reference: ArrayLike,
    estimate: ArrayLike,
    *,
    salience: ArrayLike = 0.5,
    tolerance: float = P_SCORE_TOLERANCE,
) -> NDArray[np.float64]:
    """Compute the P-score of MIREX: the salience of the two reference tempi that the estimates hit.

    Parameters
    ----------
    reference : array_like of float, shape=(n, 2)
        The two reference tempi of each track in BPM.
    estimate : array_like of float, shape=(n, 2)
        Up to two estimated tempi of each track in BPM; a missing one hits nothing.
    salience : array_like of float, shape=() or (n,)
        Weight of the first reference tempo, 0 to 1; the second weighs ``1 - salience``.
    tolerance : float
        Largest deviation of a hit, as a share of the reference tempo; inclusive.

    Returns
    -------
    ndarray of float64, shape=(n,)
        ``salience * hit1 + (1 - salience) * hit2``, where ``hitK`` is 1 if either estimate is within the
        tolerance of reference tempo K, else 0. Its mean is the P-score.

    Raises
    ------
    ValueError
        If a reference is not a positive, finite number, or the shapes differ.
    """
    ref, est = _tempi(reference, estimate)
    hits = np.zeros(ref.shape, np.bool_)
    for guess in range(est.shape[1]):
        hits |= _within(ref, est[:, [guess]], Fraction(1), tolerance)
    weight = np.broadcast_to(np.asarray(salience, np.float64), len(ref))
    score: NDArray[np.float64] = weight * hits[:, 0] + (1.0 - weight) * hits[:, 1]
    return score


def _tempi(reference: ArrayLike, estimate: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    ref = np.asarray(reference, np.float64)
    est = np.asarray(estimate, np.float64)
    if ref.shape != est.shape:
        raise ValueError(f"references have shape {ref.shape}, estimates {est.shape}")
    if is_missing(ref).any():
        raise ValueError("reference tempi must be positive, finite numbers")
    return ref, est


def _within(
    reference: NDArray[np.float64], estimate: NDArray[np.float64], factor: Fraction, tolerance: float
) -> NDArray[np.bool_]:
    # Both sides are multiplied by the denominator to keep 1/3 exact. Comparisons with NaN are False.
    target = factor.numerator * reference
    deviation = np.abs(factor.denominator * np.where(is_missing(estimate), np.nan, estimate) - target)
    inside: NDArray[np.bool_] = deviation <= (tolerance + _ROUNDING) * target
    return inside
