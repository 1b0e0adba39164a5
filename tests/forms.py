"""Songs whose sections are known: each label has chords, a rhythm and a sound of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from drums import RATE, hat, kick, snare, tone

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHORDS = {"A": (48, 53, 55, 48), "B": (57, 50, 52, 57), "C": (51, 58, 56, 49)}
_OVERTONES = {"A": (1,), "B": (1, 2, 3), "C": (1, 4, 5)}
START = 0.3


def song_of(form: str, bpm: float = 120.0, *, bars: int = 8) -> NDArray[np.float32]:
    """Return a song with a section of some bars for each letter of `form`, mono at 22,050 Hz."""
    beat = 60.0 / bpm
    n_beats = 4 * bars * len(form)
    out = np.zeros(round((START + n_beats * beat + 3.0) * RATE))

    def add(sound: NDArray[np.float64], time: float) -> None:
        place = round(time * RATE)
        out[place : place + len(sound)] += sound

    for number in range(n_beats):
        time, label = START + number * beat, form[number // (4 * bars)]
        root = _CHORDS[label][number // 4 % 4]
        add(kick() if number % 4 == 0 else 0.4 * snare(), time)
        for part in range(1 if label == "A" else 2):
            add(0.5 * hat(), time + beat * part / 2)
        for step in (0, 4, 7):
            for overtone in _OVERTONES[label]:
                pitch = overtone * 440.0 * 2.0 ** ((root + step - 69) / 12.0)
                add(0.3 / overtone * tone(pitch, beat, decay=0.6), time)
    return np.asarray(0.6 * out / np.abs(out).max(), np.float32)


def edges_of(form: str, bpm: float = 120.0, *, bars: int = 8) -> NDArray[np.float64]:
    """Return the times at which the sections of `song_of` begin, and the last one ends, in seconds."""
    return START + 240.0 / bpm * bars * np.arange(len(form) + 1)
