"""Chroma: which pitch classes sound, at any tuning, in any octave."""

from __future__ import annotations

import numpy as np
import pytest

from tempocli.features.chroma import FINE, ChromaFrontEnd, fold, tuning

FRONT_END = ChromaFrontEnd()


def tones(*midi: float, seconds: float = 3.0) -> np.ndarray:
    time = np.arange(int(seconds * FRONT_END.sample_rate)) / FRONT_END.sample_rate
    waves = [np.sin(2.0 * np.pi * 440.0 * 2.0 ** ((note - 69.0) / 12.0) * time) for note in midi]
    return np.asarray(0.2 * np.sum(waves, axis=0), np.float32)


def chroma_of(samples: np.ndarray) -> np.ndarray:
    fine = np.concatenate(list(FRONT_END.stream([samples]))).sum(axis=0)
    return fold(fine, tuning(fine))


@pytest.mark.parametrize("cents", [-36.0, -20.0, 0.0, 13.0, 36.0])
@pytest.mark.parametrize("octave", [-12, 0, 12])
def test_the_notes_of_a_chord_are_the_strongest(cents: float, octave: int) -> None:
    chord = [note + octave + cents / 100.0 for note in (60.0, 64.0, 67.0)]
    strongest = set(np.argsort(chroma_of(tones(*chord)))[-3:].tolist())
    assert strongest == {0, 4, 7}


@pytest.mark.parametrize("cents", [-40.0, -10.0, 0.0, 25.0, 40.0])
def test_tuning_is_measured(cents: float) -> None:
    fine = np.concatenate(list(FRONT_END.stream([tones(57.0 + cents / 100.0)]))).sum(axis=0)
    assert 100.0 * tuning(fine) == pytest.approx(cents, abs=11.0)


def test_a_transposition_is_a_rotation() -> None:
    low, high = chroma_of(tones(60.0, 64.0, 67.0)), chroma_of(tones(65.0, 69.0, 72.0))
    low, high = low / np.linalg.norm(low), high / np.linalg.norm(high)
    assert float(np.roll(low, 5) @ high) > 0.97
    assert float(low @ high) < 0.8


def test_blocks_of_any_length_give_the_same() -> None:
    samples = tones(60.0, 67.0)
    whole = np.concatenate(list(FRONT_END.stream([samples])))
    for length in (1, 999, 4096, 20_000):
        some = samples if length > 1 else samples[:9000]
        blocks = [some[start : start + length] for start in range(0, len(some), length)]
        pieces = np.concatenate(list(FRONT_END.stream(blocks)))
        expected = whole if length > 1 else np.concatenate(list(FRONT_END.stream([some])))
        np.testing.assert_allclose(pieces, expected, atol=1e-5)


def test_silence_is_zero_and_has_the_usual_tuning() -> None:
    fine = np.concatenate(list(FRONT_END.stream([np.zeros(22050, np.float32)])))
    assert fine.shape == (6, 12 * FINE)
    assert not fine.any()
    assert tuning(fine.sum(axis=0)) == 0.0
    assert list(FRONT_END.stream([])) == []
