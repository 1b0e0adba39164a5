"""The synthesiser: notes sound when and as high as they should, whatever the sound."""

from dataclasses import replace

import numpy as np
import pytest

from tempocli.training.synth.score import Note
from tempocli.training.synth.synthesiser import Patch, draw_patch, play

_RATE = 22050
_PLAIN = Patch(
    shape="saw",
    width=0.5,
    voices=1,
    detune=0.0,
    sub=0.0,
    attack=0.005,
    decay=0.2,
    sustain=0.8,
    release=0.05,
    cutoff=8000.0,
    sweep=0.1,
    wobble=0.0,
    wobble_rate=2.0,
    drive=0.0,
)


def _pitch(samples):
    spectrum = np.abs(np.fft.rfft((samples - samples.mean()) * np.hanning(len(samples))))
    return np.fft.rfftfreq(len(samples), 1 / _RATE)[spectrum.argmax()]


@pytest.mark.parametrize("shape", ["saw", "square", "pulse", "triangle", "sine"])
def test_notes_have_their_pitch_and_time(shape):
    patch = replace(_PLAIN, shape=shape, width=0.25)
    sound = play([Note(0.5, 1.0, 0, 69, 100)], patch, np.random.default_rng(0), 2 * _RATE, _RATE)
    assert sound.shape == (2 * _RATE,)
    assert sound.dtype == np.float32
    assert _pitch(sound[int(0.6 * _RATE) : int(1.4 * _RATE)]) == pytest.approx(440.0, abs=2.0)
    within = np.sqrt(np.mean(sound[int(0.5 * _RATE) : int(1.5 * _RATE)] ** 2))
    before = np.sqrt(np.mean(sound[: int(0.45 * _RATE)] ** 2))
    assert before < 0.02 * within


def test_low_cutoff_is_dark_once_the_filter_has_closed():
    dark = replace(_PLAIN, cutoff=300.0, sweep=0.05)
    note = [Note(0.0, 2.0, 0, 45, 100)]
    sound = play(note, dark, np.random.default_rng(0), 2 * _RATE, _RATE)

    def treble(part):
        spectrum = np.abs(np.fft.rfft(part)) ** 2
        freqs = np.fft.rfftfreq(len(part), 1 / _RATE)
        return spectrum[freqs > 1500].sum() / spectrum.sum()

    assert treble(sound[: _RATE // 20]) > 20 * treble(sound[_RATE : 2 * _RATE])


def test_a_wobble_keeps_to_the_beat():
    patch = replace(_PLAIN, wobble=1.0, wobble_rate=4.0)
    sound = play([Note(0.0, 4.0, 0, 45, 100)], patch, np.random.default_rng(0), 4 * _RATE, _RATE)
    level = np.sqrt(np.square(sound[: 4 * _RATE]).reshape(-1, 441).mean(axis=1))[10:]
    spectrum = np.abs(np.fft.rfft(level - level.mean()))
    assert np.fft.rfftfreq(len(level), 0.02)[spectrum.argmax()] == pytest.approx(4.0, abs=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("chip", [False, True])
@pytest.mark.parametrize("role", ["bass", "pad", "melody"])
def test_any_sound_that_is_drawn_can_be_heard(role, chip):
    rng = np.random.default_rng(1)
    notes = [Note(0.5 * beat, 0.4, 0, 50 + beat, 90) for beat in range(8)]
    for _ in range(20):
        patch = draw_patch(role, rng, beat=0.5, chip=chip)
        sound = play(notes, patch, rng, 4 * _RATE, _RATE)
        assert np.isfinite(sound).all()
        assert np.sqrt(np.mean(sound**2)) > 1e-3
        assert not chip or (patch.voices == 1 and patch.drive == 0.0)


def test_notes_after_the_end_are_left_out():
    rng = np.random.default_rng(0)
    assert not play([Note(3.0, 1.0, 0, 60, 100)], _PLAIN, rng, 2 * _RATE, _RATE).any()
