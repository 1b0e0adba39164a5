"""A synthesiser for electronic music, with settings drawn at random.

Soundfonts contain recordings of instruments; electronic music consists of detuned and filtered oscillators.
Its makers count the tempo differently from a band, so the network needs the timbre to distinguish the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.training.synth.score import Note

_SHAPES = ("saw", "saw", "saw", "square", "pulse", "triangle", "sine", "fm")
_CHIP_SHAPES = ("square", "pulse", "pulse", "triangle")


@dataclass(frozen=True, slots=True)
class Patch:
    """Settings of one sound.

    Attributes
    ----------
    shape : str
        Waveform: ``"saw"``, ``"square"``, ``"pulse"``, ``"triangle"``, ``"sine"`` or ``"fm"``.
    width : float
        Duty cycle of the pulse; index of the modulation for ``"fm"``.
    voices : int
        Number of oscillators per note.
    detune : float
        Maximum detuning of a voice, in semitones.
    sub : float
        Level of a sine an octave below.
    attack, decay, release : float
        Times of the amplitude envelope, in seconds.
    sustain : float
        Sustain level, 0 to 1.
    cutoff : float
        Cutoff frequency of the filter, in Hz.
    sweep : float
        Time in which the filter closes after the start of a note, in seconds.
    wobble, wobble_rate : float
        Depth, 0 to 1, of a periodic change of the level, and its rate in Hz.
    drive : float
        Overdrive; 0 for none.
    """

    shape: str
    width: float
    voices: int
    detune: float
    sub: float
    attack: float
    decay: float
    sustain: float
    release: float
    cutoff: float
    sweep: float
    wobble: float
    wobble_rate: float
    drive: float


def draw_patch(role: str, rng: np.random.Generator, *, beat: float, chip: bool) -> Patch:
    """Draw the settings of a sound.

    Parameters
    ----------
    role : str
        ``"bass"``, ``"pad"`` or another part.
    rng : numpy.random.Generator
    beat : float
        Length of a beat, in seconds; a wobble is in time with it.
    chip : bool
        Whether it is the sound of a sound chip: plain waves, neither detuned nor filtered.
    """
    u = rng.uniform
    shape = str(rng.choice(_CHIP_SHAPES if chip else _SHAPES))
    plain = chip or rng.random() < 0.3
    wobbles = role == "bass" and not chip and rng.random() < 0.25
    return Patch(
        shape=shape,
        width=float(rng.choice([0.125, 0.25, 0.5])) if shape == "pulse" else float(u(0.5, 6.0)),
        voices=1 if plain else int(rng.integers(2, 8)),
        detune=float(u(0.03, 0.25)),
        sub=float(u(0.0, 1.0)) if role == "bass" else 0.0,
        attack=float(u(0.1, 0.5)) if role == "pad" else float(np.exp(u(np.log(0.002), np.log(0.04)))),
        decay=float(np.exp(u(np.log(0.06), np.log(0.8)))),
        sustain=float(u(0.5, 1.0)) if role == "pad" or rng.random() < 0.5 else float(u(0.0, 0.4)),
        release=float(np.exp(u(np.log(0.02), np.log(0.4)))),
        cutoff=11000.0 if chip else float(np.exp(u(np.log(250.0), np.log(9000.0)))),
        sweep=float(np.exp(u(np.log(0.03), np.log(0.6)))),
        wobble=float(u(0.4, 1.0)) if wobbles else 0.0,
        wobble_rate=float(rng.choice([0.5, 1.0, 1.5, 2.0, 3.0, 4.0])) / beat,
        drive=float(u(1.0, 8.0)) if not chip and rng.random() < (0.6 if role == "bass" else 0.3) else 0.0,
    )


def play(
    notes: list[Note], patch: Patch, rng: np.random.Generator, n_samples: int, sample_rate: int
) -> NDArray[np.float32]:
    """Render notes with one sound.

    Parameters
    ----------
    notes : list of Note
        In any order; notes may overlap.
    patch : Patch
    rng : numpy.random.Generator
    n_samples : int
        Length of the output, in samples.
    sample_rate : int
        In Hz.

    Returns
    -------
    ndarray of float32, shape=(n_samples,)
    """
    body, edge = np.zeros(n_samples, np.float32), np.zeros(n_samples, np.float32)
    spread = 2.0 ** (np.linspace(-patch.detune, patch.detune, patch.voices) / 12.0)
    for note in notes:
        start = int(note.time * sample_rate)
        length = min(int((note.duration + 4.0 * patch.release) * sample_rate), n_samples - start)
        if length <= 0:
            continue
        time = np.arange(length, dtype=np.float32) / np.float32(sample_rate)
        pitch = 440.0 * 2.0 ** ((note.pitch - 69) / 12.0)
        turns = time * (pitch * spread[:, None]).astype(np.float32)
        turns += rng.random((patch.voices, 1), np.float32)
        sound = _wave(patch, turns).mean(axis=0) * np.float32(np.sqrt(patch.voices))
        if patch.sub:
            sound += np.float32(patch.sub) * np.sin(np.float32(np.pi * pitch) * time)
        sound *= _envelope(patch, time, note.duration) * np.float32((note.velocity / 127.0) ** 1.2)
        body[start : start + length] += sound
        edge[start : start + length] += sound * np.exp(-time / np.float32(patch.sweep))
    out = _dark(body, patch.cutoff, sample_rate) + edge - _dark(edge, patch.cutoff, sample_rate)
    if patch.wobble:
        swing = np.cos(2.0 * np.pi * patch.wobble_rate * np.arange(n_samples) / sample_rate)
        out *= (1.0 - patch.wobble * (0.5 - 0.5 * swing)).astype(np.float32)
    if patch.drive:
        level = float(np.sqrt(np.mean(np.square(out)))) + 1e-6
        out = np.tanh(out * np.float32(patch.drive / (3.0 * level)))
    return out


def _wave(patch: Patch, turns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute a waveform at phases in turns; its aliasing is not relevant for 40 mel bands."""
    if patch.shape == "fm":
        angle = np.float32(2.0 * np.pi) * turns
        return np.asarray(np.sin(angle + np.float32(patch.width) * np.sin(angle)))
    phase = turns - np.floor(turns)
    if patch.shape == "saw":
        return np.asarray(2.0 * phase - 1.0)
    if patch.shape == "triangle":
        return np.asarray(4.0 * np.abs(phase - 0.5) - 1.0)
    if patch.shape == "sine":
        return np.asarray(np.sin(np.float32(2.0 * np.pi) * phase))
    width = patch.width if patch.shape == "pulse" else 0.5
    return np.asarray(np.where(phase < width, 1.0, -1.0), np.float32)


def _envelope(patch: Patch, time: NDArray[np.float32], duration: float) -> NDArray[np.float32]:
    held = patch.sustain + (1.0 - patch.sustain) * np.exp(-np.maximum(time - patch.attack, 0.0) / patch.decay)
    after = np.exp(-np.maximum(time - duration, 0.0) / patch.release)
    return np.asarray(np.minimum(time / patch.attack, 1.0) * held * after, np.float32)


def _dark(samples: NDArray[np.float32], cutoff: float, sample_rate: int) -> NDArray[np.float32]:
    """Apply a four-pole low-pass filter."""
    size = 1 << (len(samples) - 1).bit_length()
    ratio = np.fft.rfftfreq(size, 1.0 / sample_rate) / cutoff
    spectrum = np.fft.rfft(samples, size) / (1.0 + ratio**4)
    return np.asarray(np.fft.irfft(spectrum, size)[: len(samples)], np.float32)
