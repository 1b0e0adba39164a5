"""Music in bars: drums, bass and chords whose beats and downbeats are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from drums import RATE, hat, kick, snare, tone

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROOTS = (48, 53, 45, 55)
_START = 0.3


def bars(
    bpm: float = 112.0, metre: int = 4, *, seconds: float = 30.0, start: float = _START
) -> NDArray[np.float32]:
    """Return music in bars of `metre` beats, mono at 22,050 Hz; the first beat is the first of a bar."""
    out = np.zeros(round((seconds + 4.0) * RATE))
    beat = 60.0 / bpm

    def add(sound: NDArray[np.float64], time: float) -> None:
        place = round(time * RATE)
        out[place : place + len(sound)] += sound

    for number in range(int((seconds - start) / beat)):
        time, position, bar = start + number * beat, number % metre, number // metre
        root = _ROOTS[bar % len(_ROOTS)]
        add(hat(), time)
        add(0.5 * hat(), time + beat / 2)
        if position == 0:
            add(1.2 * kick(), time)
            for step in (0, 4, 7, 12):
                pitch = 440.0 * 2.0 ** ((root + step - 69) / 12.0)
                add(0.4 * tone(pitch, 0.9 * metre * beat, decay=1.2), time)
        else:
            add(0.5 * snare(), time)
    out = out[: round(seconds * RATE)]
    return np.asarray(0.6 * out / np.abs(out).max(), np.float32)


def beats_of(bpm: float, seconds: float = 30.0, *, start: float = _START) -> NDArray[np.float64]:
    """Return the times of the beats of `bars`, in seconds."""
    beat = 60.0 / bpm
    return start + beat * np.arange(int((seconds - start) / beat))
