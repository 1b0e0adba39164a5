"""Whatever is heard, by any method and in any range: an estimate does not contradict itself."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from drums import HOUSE, RATE, ROCK, STEPPER, play

from tempocli.estimator import Estimator
from tempocli.inference.options import METHODS

if TYPE_CHECKING:
    from tempocli.schema import Estimate

pytestmark = pytest.mark.slow

REASONS = {"silence", "too short", "no steady pulse"}


def anything(seed: int) -> np.ndarray:
    """Drums, noise, silence and tones one after the other, of any length and level."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(rng.integers(1, 4)):
        seconds = float(rng.choice([0.3, 0.9, 1.0, 1.7, 3.1, 6.0, 13.0, 25.0]))
        t = np.arange(round(seconds * RATE)) / RATE
        match rng.integers(0, 6):
            case 0:
                parts.append(rng.normal(0.0, 0.1, len(t)))
            case 1:
                parts.append(np.zeros(len(t)))
            case 2:
                parts.append(0.3 * np.sin(2 * np.pi * rng.uniform(40.0, 4000.0) * t))
            case kind:
                steps = (HOUSE, ROCK, STEPPER)[kind - 3]
                parts.append(play(rng.uniform(40.0, 240.0), seconds, steps, seed=seed)[: len(t)])
    return (np.concatenate(parts) * rng.choice([1.0, 0.1, 1e-3])).astype(np.float32)


def check(estimate: Estimate, seconds: float, low: float, high: float) -> None:
    assert estimate.duration == pytest.approx(seconds, abs=1e-6)
    if estimate.bpm is None:
        assert estimate.reason in REASONS | {f"no tempo between {low:g} and {high:g} BPM"}
        assert (estimate.confidence, estimate.octave_confidence) == (0.0, 0.0)
        assert (estimate.candidates, estimate.curve, estimate.tempo_sections) == ((), (), ())
        assert (estimate.bpm_error, estimate.steady, estimate.by_method) == (None, None, ())
        return
    assert estimate.reason is None
    tempi = [estimate.bpm, *(each.bpm for each in (*estimate.curve, *estimate.tempo_sections))]
    tempi += [bpm for _, bpm in estimate.by_method]
    assert all(low <= bpm <= high for bpm in tempi)
    assert 0.0 <= estimate.confidence <= 1.0
    assert 0.0 <= estimate.octave_confidence <= 1.0
    assert estimate.bpm_error is not None
    assert math.isfinite(estimate.bpm_error)
    assert estimate.bpm_error >= 0.0
    check_candidates(estimate, low, high)
    check_sections(estimate)
    times = [point.time for point in estimate.curve]
    assert times == sorted(times)
    assert all(0.0 <= time <= estimate.duration + 0.05 for time in times)


def check_candidates(estimate: Estimate, low: float, high: float) -> None:
    first, *_ = estimate.candidates
    assert (first.bpm, first.relation) == (estimate.bpm, "1")
    probabilities = [each.probability for each in estimate.candidates]
    assert probabilities == sorted(probabilities, reverse=True)
    assert 1 <= len(estimate.candidates) <= 5
    assert all(low <= each.bpm <= high for each in estimate.candidates)


def check_sections(estimate: Estimate) -> None:
    sections = estimate.tempo_sections
    assert all(0.0 <= each.start < each.end <= estimate.duration for each in sections)
    assert all(0.0 <= each.confidence <= 1.0 for each in sections)
    for one, other in itertools.pairwise(sections):
        assert one.end <= other.start
    if estimate.steady:
        (only,) = sections
        assert (only.start, only.end) == (0.0, estimate.duration)
        assert (only.bpm, only.confidence) == (estimate.bpm, estimate.confidence)


RANGES = {"all": (30.0, 300.0), "an octave": (70.0, 140.0), "narrow": (118.0, 131.0)}


@pytest.fixture(scope="module", params=[(method, name) for method in METHODS for name in RANGES])
def limited(
    request: pytest.FixtureRequest, model_path: object, compare_path: object
) -> tuple[Estimator, tuple[float, float]]:
    method, name = request.param
    low, high = RANGES[name]
    return Estimator(method=method, device="cpu", min_bpm=low, max_bpm=high), (low, high)


@pytest.mark.parametrize("seeds", [range(8), range(8, 16)], ids=str)
def test_whatever_is_heard(limited: tuple[Estimator, tuple[float, float]], seeds: range) -> None:
    estimator, bounds = limited
    for seed in seeds:
        samples = anything(seed)
        check(estimator.estimate_array(samples, RATE), len(samples) / RATE, *bounds)
