"""Refinement: exact tempi from the onset strength of a whole track."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempocli.features import FrontEnd, onset_strength
from tempocli.refine import refine_tempo

FRONT_END = FrontEnd()


@settings(max_examples=15, deadline=None)
@given(bpm=st.floats(40.0, 240.0), off=st.floats(0.988, 1.012))
def test_clicks_come_out_within_two_hundredths(click_track, bpm: float, off: float) -> None:
    onset = onset_strength(FRONT_END.log_mel(click_track(bpm, 60.0)))
    refined = refine_tempo(onset, frame_rate=FRONT_END.frame_rate, bpm=bpm * off)
    assert refined == pytest.approx(bpm, abs=0.02)


def test_bounds_are_kept(click_track) -> None:
    onset = onset_strength(FRONT_END.log_mel(click_track(120.0, 30.0)))
    refined = refine_tempo(onset, frame_rate=FRONT_END.frame_rate, bpm=119.0, max_bpm=119.5)
    assert refined <= 119.5


def test_a_long_track_is_taken_in_segments(click_track) -> None:
    onset = onset_strength(FRONT_END.log_mel(click_track(97.3, 400.0)))
    # Half a beat is lost in the middle: two segments bear it, one phase would not.
    onset = np.delete(onset, slice(17_000, 17_027))
    refined = refine_tempo(onset, frame_rate=FRONT_END.frame_rate, bpm=98.0)
    assert refined == pytest.approx(97.3, abs=0.03)


def test_no_onset_gives_a_finite_answer() -> None:
    refined = refine_tempo(np.zeros(2000, np.float32), frame_rate=FRONT_END.frame_rate, bpm=100.0)
    assert 98.0 <= refined <= 102.0
