"""Short pieces of music that differ in sound, tempo and key, for embeddings and searches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from drums import HOUSE, RATE, ROCK, hat, kick, snare, tone

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PATTERNS = {"house": HOUSE, "rock": ROCK}


def song(
    bpm: float = 120.0, root: int = 48, *, pattern: str = "house", seconds: float = 14.0, decay: float = 0.3
) -> NDArray[np.float32]:
    """Drums with a bass line of a minor scale from the MIDI note `root`, mono at 22,050 Hz."""
    out = np.zeros(round((seconds + 1.0) * RATE))
    step = 15.0 / bpm
    sounds = {"kick": kick(), "snare": snare(), "hat": hat()}
    for number in range(int(seconds / step)):
        start = round(number * step * RATE)
        hits = [sounds[name] for name, steps in _PATTERNS[pattern].items() if steps[number % 16] == "x"]
        if number % 2 == 0:
            note = root + (0, 7, 3, 10, 0, 12, 5, 3)[number // 2 % 8]
            hits.append(0.5 * tone(440.0 * 2.0 ** ((note - 69) / 12.0), 2.0 * step, decay=decay))
        for hit in hits:
            out[start : start + len(hit)] += hit[: len(out) - start]
    out = out[: round(seconds * RATE)]
    return np.asarray(0.6 * out / np.abs(out).max(), np.float32)
