"""The references: their tempi, and that what is played is at the tempo it is said to be."""

from __future__ import annotations

import numpy as np
import pytest

from tempocli.features.front_end import FrontEnd, onset_strength
from tempocli.inference.references.patterns import AXIS, PATTERNS, Reference, bank, synthesise

RATE = 22050


def test_the_bank_covers_all_tempi_in_small_steps() -> None:
    tempi = AXIS.bpms
    assert tempi[0] == 30.0
    assert 295.0 < tempi[-1] <= 300.0
    assert (tempi[1:] / tempi[:-1]).max() <= 1.02
    assert len(PATTERNS) >= 4
    assert len(list(bank())) == len(tempi) * len(PATTERNS)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("bpm", [47.3, 120.0, 211.0])
def test_what_is_played_repeats_every_bar_of_its_tempo(pattern: str, bpm: float) -> None:
    samples = synthesise(Reference(pattern, bpm), sample_rate=RATE, n_samples=30 * RATE)
    front_end = FrontEnd()
    onset = onset_strength(front_end.log_mel(samples))
    onset = onset - onset.mean()
    lag = 4 * 60.0 / bpm * front_end.frame_rate
    at_the_bar = max(np.corrcoef(onset[:-k], onset[k:])[0, 1] for k in (int(lag), int(lag) + 1))
    off = max(np.corrcoef(onset[:-k], onset[k:])[0, 1] for k in (int(lag * 1.04), int(lag * 0.96)))
    assert at_the_bar > 0.5
    assert at_the_bar > off + 0.2


def test_patterns_differ_and_are_the_same_every_time() -> None:
    played = [synthesise(Reference(name, 100.0), sample_rate=RATE, n_samples=RATE * 3) for name in PATTERNS]
    again = [synthesise(Reference(name, 100.0), sample_rate=RATE, n_samples=RATE * 3) for name in PATTERNS]
    for index, samples in enumerate(played):
        np.testing.assert_array_equal(samples, again[index])
        assert np.abs(samples).max() == pytest.approx(0.5, abs=1e-6)
        assert all(not np.allclose(samples, other) for other in played[:index])


def test_names_tell_pattern_and_tempo() -> None:
    assert Reference("rock", 98.456).name == "rock-98.46bpm"
