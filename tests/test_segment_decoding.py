"""Sections from vectors of bars: boundaries, their number and least length, labels, grids."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempocli.decoding.segments.boundaries import (
    boundary_scores,
    find_boundaries,
    length_prior,
    repeat_novelty,
    sound_novelty,
)
from tempocli.decoding.segments.grid import make_grid
from tempocli.decoding.segments.labels import group, letters, section_similarity
from tempocli.features.cells import means
from tempocli.schema import Beat, BeatTrack, Estimate

ESTIMATE = Estimate(120.0, 0.9, 0.9, (), None, 60.0, "tempo")


def cells_of(form: str, *, bars: int = 8, noise: float = 0.2) -> np.ndarray:
    """Vectors of bars: those of the same place in sections of the same label are nearly equal."""
    rng = np.random.default_rng(0)
    kinds = {
        label: rng.standard_normal(24) + 0.7 * rng.standard_normal((bars, 24)) for label in sorted(set(form))
    }
    vectors = np.concatenate([kinds[label] + noise * rng.standard_normal((bars, 24)) for label in form])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def found(vectors: np.ndarray, n_sections: int | None = None, least: int = 1) -> list[int]:
    scores = boundary_scores(repeat_novelty(vectors), sound_novelty(vectors))
    return find_boundaries(scores, length_prior(len(vectors), in_bars=True, least=least), n_sections)[0]


def track_of(times: np.ndarray) -> BeatTrack:
    beats = tuple(Beat(float(time), number % 4 + 1) for number, time in enumerate(times))
    return BeatTrack(beats, 4, 0.9, ESTIMATE, "beats", "1")


class TestBoundaries:
    @pytest.mark.parametrize("form", ["ABAB", "AABA", "ABCABC", "AABBAACC"])
    def test_of_sections_of_eight_bars(self, form: str) -> None:
        changes = [8 * place for place in range(1, len(form)) if form[place - 1] != form[place]]
        assert set(changes) <= set(found(cells_of(form)))

    def test_of_sections_of_other_lengths(self) -> None:
        vectors = np.concatenate([cells_of("AB", bars=12)[:12], cells_of("CAB", bars=16)])
        assert {12, 28, 44} <= set(found(vectors))

    def test_none_in_what_stays_the_same(self) -> None:
        assert found(np.tile(cells_of("A")[:1], (64, 1))) == [0, 64]

    @pytest.mark.parametrize("n_sections", [1, 2, 4, 7, 32])
    def test_a_number_of_sections(self, n_sections: int) -> None:
        boundaries = found(cells_of("ABAC"), n_sections)
        assert len(boundaries) == n_sections + 1
        assert (boundaries[0], boundaries[-1]) == (0, 32)
        assert np.all(np.diff(boundaries) > 0)

    def test_no_more_sections_than_bars(self) -> None:
        assert found(cells_of("A", bars=3), 9) == [0, 1, 2, 3]

    @given(st.integers(1, 12), st.integers(0, 2**32 - 1))
    @settings(max_examples=25, deadline=None)
    def test_a_least_length(self, least: int, seed: int) -> None:
        scores = np.random.default_rng(seed).standard_normal(41)
        boundaries, probabilities = find_boundaries(scores, length_prior(40, in_bars=True, least=least))
        assert min(np.diff(boundaries)) >= least
        assert probabilities[0] == pytest.approx(1.0)
        assert probabilities[-1] == pytest.approx(1.0)
        assert np.all((probabilities >= 0.0) & (probabilities <= 1.0))

    def test_one_section_where_the_least_length_does_not_fit(self) -> None:
        assert found(cells_of("A"), least=20) == [0, 8]

    @pytest.mark.parametrize("n_cells", [1, 2, 3])
    def test_of_few_bars(self, n_cells: int) -> None:
        boundaries = found(cells_of("A")[:n_cells])
        assert (boundaries[0], boundaries[-1]) == (0, n_cells)

    def test_the_best_path_beats_all_others(self) -> None:
        """The dynamic programme against all divisions of nine cells."""
        scores = np.random.default_rng(3).standard_normal(10)
        scores[[0, -1]] = 0.0
        prior = length_prior(9, in_bars=True)
        edged = np.maximum(prior, -2.0)
        totals, weights = {}, np.zeros(10)
        for chosen in range(2**8):
            inner = [place + 1 for place in range(8) if chosen >> place & 1]
            path = [0, *inner, 9]
            total = sum(scores[inner])
            for start, end in pairwise(path):
                total += (edged if start == 0 or end == 9 else prior)[end - start]
            totals[tuple(path)] = total
            weights[path] += np.exp(total)
        boundaries, probabilities = find_boundaries(scores, prior)
        assert tuple(boundaries) == max(totals, key=totals.__getitem__)
        assert probabilities == pytest.approx(weights / np.exp(list(totals.values())).sum())
        for number in range(1, 10):
            best = max((path for path in totals if len(path) == number + 1), key=totals.__getitem__)
            assert tuple(find_boundaries(scores, prior, number)[0]) == best


class TestLabels:
    @pytest.mark.parametrize("form", ["ABAB", "AABA", "ABCABC"])
    def test_of_repeats(self, form: str) -> None:
        vectors = cells_of(form)
        centred = vectors - vectors.mean(axis=0)
        centred /= np.linalg.norm(centred, axis=1, keepdims=True)
        similar = section_similarity(centred, range(0, len(vectors) + 1, 8))
        assert "".join(letters(number) for number in group(similar)) == form

    def test_a_boundary_that_is_off_does_little(self) -> None:
        vectors = cells_of("AA", noise=0.0)
        similar = section_similarity(vectors, [0, 6, 8, 16])
        assert similar[2, 0] > 0.99

    def test_letters(self) -> None:
        assert [letters(number) for number in (0, 25, 26, 51, 52, 701, 702)] == [
            "A",
            "Z",
            "AA",
            "AZ",
            "BA",
            "ZZ",
            "AAA",
        ]


class TestGrid:
    def test_bars_go_on_to_both_ends(self) -> None:
        grid = make_grid(track_of(np.arange(6.0, 46.0, 0.5)), 60.0)
        assert grid.in_bars
        assert grid.times[0] == 0.0
        assert grid.times[-1] == 60.0
        assert np.diff(grid.times) == pytest.approx(2.0)

    def test_a_rest_belongs_to_the_bar_beside_it(self) -> None:
        grid = make_grid(track_of(np.arange(0.4, 40.0, 0.5)), 40.3)
        assert grid.times[:2] == pytest.approx([0.0, 2.4])
        assert np.diff(grid.times).min() > 1.5

    def test_without_beats_in_cells_of_two_seconds(self) -> None:
        grid = make_grid(track_of(np.zeros(0)), 61.0)
        assert not grid.in_bars
        assert np.diff(grid.times) == pytest.approx(2.0, abs=0.1)

    @given(st.floats(0.05, 3.0), st.floats(0.25, 1.0), st.floats(8.0, 200.0))
    @settings(max_examples=50, deadline=None)
    def test_its_edges_rise_from_the_start_to_the_end(
        self, start: float, beat: float, duration: float
    ) -> None:
        grid = make_grid(track_of(np.arange(start, duration, beat)), duration)
        assert (grid.times[0], grid.times[-1]) == (0.0, duration)
        assert np.all(np.diff(grid.times) > 0.0)


def test_means_between_frames() -> None:
    frames = np.array([[1.0], [3.0], [5.0]])
    assert means(frames, np.array([0.0, 1.0, 2.5, 3.0])).ravel() == pytest.approx(
        [1.0, (3.0 + 2.5) / 1.5, 5.0]
    )
    assert means(frames, np.array([0.0, 9.0])).ravel() == pytest.approx([3.0])
