"""Cutting windows from a stream: every frame is covered, however the stream arrives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempocli.features.windows import WindowCutter


def cut(lengths: list[int], n_frames: int = 8) -> list[tuple[np.ndarray, float]]:
    cutter = WindowCutter(n_frames, 1)
    out, number = [], 0
    for length in lengths:
        cutter.push(np.arange(number + 1, number + length + 1, dtype=np.float32)[:, None])
        number += length
        out += [pair for windows, centres in cutter.ready() for pair in zip(windows, centres, strict=True)]
    out += [pair for windows, centres in cutter.rest() for pair in zip(windows, centres, strict=True)]
    return out


@pytest.mark.slow
@settings(deadline=None)
@given(lengths=st.lists(st.integers(0, 300), min_size=1, max_size=6))
def test_every_frame_is_covered_and_nothing_is_made_up(lengths: list[int]) -> None:
    total = sum(lengths)
    windows = cut(lengths)
    heard = {int(value) for window, _ in windows for value in window.ravel()}
    assert heard == set(range(1, total + 1))
    for window, centre in windows:
        # A stream shorter than a window is one, its ends repeated.
        values = window.ravel() if total >= len(window) else np.unique(window)
        assert np.all(np.diff(values) == 1.0)
        assert centre == pytest.approx(values[0] - 1 + len(values) / 2.0)


@pytest.mark.slow
@settings(deadline=None)
@given(lengths=st.lists(st.integers(0, 300), min_size=1, max_size=6))
def test_the_way_a_stream_is_split_does_not_matter(lengths: list[int]) -> None:
    together = cut([sum(lengths)])
    apart = cut(lengths)
    assert len(together) == len(apart)
    for (a, x), (b, y) in zip(together, apart, strict=True):
        np.testing.assert_array_equal(a, b)
        assert x == y


@pytest.mark.parametrize(
    ("length", "window"),
    [(1, [1, 1, 1, 1, 1, 1, 1, 1]), (5, [1, 1, 2, 3, 4, 5, 5, 5]), (7, [1, 2, 3, 4, 5, 6, 7, 7])],
)
def test_a_stream_shorter_than_a_window_is_put_in_the_middle_of_one(length: int, window: list[int]) -> None:
    ((padded, centre),) = cut([length])
    assert padded.ravel().tolist() == window
    assert centre == length / 2.0


@pytest.mark.parametrize("length", [8, 9, 301])
def test_only_a_stream_shorter_than_a_window_is_padded(length: int) -> None:
    assert all(len(set(window.ravel())) == len(window) for window, _ in cut([length]))


def test_no_stream_no_window() -> None:
    assert cut([0]) == []
