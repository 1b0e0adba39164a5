"""A drum machine whose tempo is known exactly: patterns are written as in a step sequencer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 22050
MINOR = (0, 3, 5, 7, 10)
HOUSE = {"kick": "x...x...x...x...", "snare": "....x.......x...", "hat": "..x...x...x...x."}
ROCK = {"kick": "x.....x.x.......", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."}
STEPPER = {"kick": "x.........x.....", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."}


def _seconds(length: float, rate: int) -> NDArray[np.float64]:
    return np.arange(round(length * rate)) / rate


def kick(rate: int = RATE) -> NDArray[np.float64]:
    t = _seconds(0.22, rate)
    return np.exp(-t / 0.07) * np.sin(2 * np.pi * (50.0 * t + 4.0 * (1.0 - np.exp(-t / 0.025))))


def snare(rate: int = RATE) -> NDArray[np.float64]:
    t = _seconds(0.18, rate)
    noise = np.random.default_rng(11).normal(0.0, 1.0, len(t))
    return 0.45 * np.exp(-t / 0.045) * noise + 0.4 * np.exp(-t / 0.05) * np.sin(2 * np.pi * 185.0 * t)


def hat(rate: int = RATE) -> NDArray[np.float64]:
    t = _seconds(0.07, rate)
    noise = np.random.default_rng(12).normal(0.0, 1.0, len(t))
    return 0.2 * np.exp(-t / 0.018) * np.diff(noise, prepend=0.0)


def tone(hertz: float, length: float, *, decay: float = 0.3, rate: int = RATE) -> NDArray[np.float64]:
    t = _seconds(length, rate)
    wave = sum(np.sin(2 * np.pi * hertz * k * t) / k for k in range(1, 6) if hertz * k < 0.45 * rate)
    return np.asarray(wave * np.minimum(1.0, t / 0.006) * np.exp(-t / decay))


def chord(hertz: float, length: float, rate: int = RATE) -> NDArray[np.float64]:
    """A soft minor chord without an onset."""
    t = _seconds(length, rate)
    swell = np.minimum(1.0, t / 0.5) * np.clip((length - t) / 0.5, 0.0, 1.0)
    return np.asarray(swell * sum(np.sin(2 * np.pi * hertz * ratio * t) for ratio in (1.0, 1.2, 1.5)))


SOUNDS = {"kick": kick, "snare": snare, "hat": hat}


class Song:
    """Mono audio that sounds are mixed into."""

    def __init__(self, seconds: float, rate: int = RATE) -> None:
        self.rate = rate
        self.samples = np.zeros(round(seconds * rate))

    def add(self, time: float, sound: NDArray[np.float64], gain: float = 1.0) -> None:
        first = round(time * self.rate)
        if 0 <= first < len(self.samples):
            fits = sound[: len(self.samples) - first]
            self.samples[first : first + len(fits)] += gain * fits

    def mixed(self) -> NDArray[np.float32]:
        peak = np.abs(self.samples).max()
        return (self.samples * (0.7 / peak if peak else 1.0)).astype(np.float32)


def play(
    bpm: float,
    seconds: float,
    steps: dict[str, str],
    *,
    per_beat: int = 4,
    swing: float = 0.0,
    bass: bool = True,
    chords: bool = False,
    seed: int = 0,
    rate: int = RATE,
) -> NDArray[np.float32]:
    """Play a bar of steps again and again; `swing` delays every other step, as a share of a step."""
    rng = np.random.default_rng(seed)
    song, step = Song(seconds, rate), 60.0 / bpm / per_beat
    sounds = {name: SOUNDS[name](rate) for name in steps}
    n_steps = len(next(iter(steps.values())))
    for index in range(int(seconds / step) + 1):
        time = (index + (swing if index % 2 else 0.0)) * step
        for name, row in steps.items():
            if row[index % n_steps] == "x":
                song.add(time, sounds[name], rng.uniform(0.85, 1.0))
        if bass and steps.get("kick", "x" * n_steps)[index % n_steps] == "x":
            note = 55.0 * 2.0 ** (rng.choice(MINOR) / 12.0)
            song.add(time, tone(note, 3.0 * step, rate=rate), 0.35)
        if chords and index % n_steps == 0:
            root = 220.0 * 2.0 ** (MINOR[index // n_steps % 4] / 12.0)
            song.add(time, chord(root, n_steps * step, rate), 0.05)
    return song.mixed()
