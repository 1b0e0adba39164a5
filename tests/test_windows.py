"""Cutting windows from a stream: every frame is covered, however the stream arrives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempocli.windows import WindowCutter


def cut(lengths: list[int], n_frames: int = 8) -> list[tuple[np.ndarray, float]]:
    cutter = WindowCutter(n_frames, 1)
    out, number = [], 0
    for length in lengths:
        cutter.push(np.arange(number + 1, number + length + 1, dtype=np.float32)[:, None])
        number += length
        out += [pair for windows, centres in cutter.ready() for pair in zip(windows, centres, strict=True)]
    out += [pair for windows, centres in cutter.rest() for pair in zip(windows, centres, strict=True)]
    return out


@settings(deadline=None)
@given(lengths=st.lists(st.integers(0, 300), min_size=1, max_size=6))
def test_every_frame_is_covered_and_nothing_is_made_up(lengths: list[int]) -> None:
    total = sum(lengths)
    windows = cut(lengths)
    heard = {int(value) for window, _ in windows for value in window.ravel() if value}
    assert heard == set(range(1, total + 1))
    for window, centre in windows:
        values = window.ravel()[window.ravel() > 0]
        assert np.all(np.diff(values) == 1.0)
        assert centre == pytest.approx(values[0] - 1 + len(values) / 2.0)


@settings(deadline=None)
@given(lengths=st.lists(st.integers(0, 300), min_size=1, max_size=6))
def test_the_way_a_stream_is_split_does_not_matter(lengths: list[int]) -> None:
    together = cut([sum(lengths)])
    apart = cut(lengths)
    assert len(together) == len(apart)
    for (a, x), (b, y) in zip(together, apart, strict=True):
        np.testing.assert_array_equal(a, b)
        assert x == y


def test_only_a_stream_shorter_than_a_window_is_padded() -> None:
    assert any((window == 0).any() for window, _ in cut([5]))
    assert not any((window == 0).any() for window, _ in cut([9]))
    assert not any((window == 0).any() for window, _ in cut([301]))
    assert cut([0]) == []
