"""The rhythm spectrum: where its peaks are, and that a change of tempo is a shift."""

from __future__ import annotations

import numpy as np
import pytest
from clicks import make_clicks

from tempocli.features.front_end import FrontEnd
from tempocli.features.rhythm import RhythmAxis, rhythm_spectrum

FRONT_END = FrontEnd(n_mels=96)
AXIS = RhythmAxis(min_bpm=33.0, bins_per_octave=36, n_bins=180, n_bands=4)


def spectrum_of(bpm: float) -> np.ndarray:
    log_mel = FRONT_END.log_mel(make_clicks(bpm, 12.0))
    return rhythm_spectrum(log_mel, FRONT_END, AXIS).reshape(AXIS.n_bands, AXIS.n_bins)


@pytest.mark.parametrize("bpm", [60.0, 97.0, 140.0])
def test_the_strongest_modulation_is_a_multiple_of_the_tempo(bpm: float) -> None:
    strongest = AXIS.bpms[spectrum_of(bpm).sum(axis=0).argmax()]
    multiple = strongest / bpm
    assert abs(multiple / round(multiple) - 1.0) < 0.015


@pytest.mark.parametrize("rate", [0.75, 1.0, 4.0 / 3.0, 1.5])
def test_a_faster_tempo_is_a_shift_to_the_right(rate: float) -> None:
    slow, fast = spectrum_of(100.0).sum(axis=0), spectrum_of(100.0 * rate).sum(axis=0)
    correlation = [float(np.roll(slow, shift)[40:140] @ fast[40:140]) for shift in range(-30, 31)]
    assert np.argmax(correlation) - 30 == pytest.approx(AXIS.bins_per_octave * np.log2(rate), abs=1.0)


def test_silence_and_held_sound_have_no_rhythm() -> None:
    silence = np.zeros((1032, FRONT_END.n_mels), np.float32)
    assert not rhythm_spectrum(silence, FRONT_END, AXIS).any()
    assert np.abs(rhythm_spectrum(silence + 3.0, FRONT_END, AXIS)).max() < 1e-6


def test_bands_are_separate() -> None:
    log_mel = np.zeros((1032, FRONT_END.n_mels), np.float32)
    log_mel[::43, :24] = 1.0
    bands = rhythm_spectrum(log_mel, FRONT_END, AXIS).reshape(AXIS.n_bands, AXIS.n_bins)
    assert bands[0].max() > 0.001
    assert not bands[1:].any()


def test_a_window_of_one_frame_gives_zeros() -> None:
    assert not rhythm_spectrum(np.ones((1, FRONT_END.n_mels), np.float32), FRONT_END, AXIS).any()
