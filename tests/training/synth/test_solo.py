"""One instrument alone."""

from __future__ import annotations

import numpy as np
import pytest

from tempocli.training.synth.solo import RANGES, play_solo


@pytest.mark.parametrize("seed", range(20))
def test_notes_stay_in_the_range_of_the_instrument(seed: int) -> None:
    score = play_solo(np.random.default_rng(seed), duration=20.0)
    (program,) = score.programs.values()
    low, high = RANGES[program]
    assert score.notes
    assert all(low <= note.pitch <= high and 15 <= note.velocity <= 127 for note in score.notes)
    assert all(0.0 <= note.time < 20.0 for note in score.notes)
    assert {note.channel for note in score.notes} == set(score.programs)


def test_the_same_again() -> None:
    one, other = (play_solo(np.random.default_rng(7), duration=10.0) for _ in range(2))
    assert one == other
