"""The built-in references: clicks and simple drum patterns at each tempo, synthesised in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from tempocli.axis import TempoAxis

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

SAMPLE_RATE, SECONDS = 22050, 12.0  # of the files exported for listening
AXIS = TempoAxis()  # the tempi of the bank: 1.5 % apart, 30 to 298 BPM
# Increase with any change of a sound, pattern or tempo below; it invalidates stored embeddings.
BANK_VERSION = 1
_SEED = 20261121

# One character a sixteenth note, 4/4: x is a hit, o a soft one. The names are what `tempo references export`
# calls the files.
_PATTERNS: dict[str, dict[str, str]] = {
    "click": {"click": "x...x...x...x..."},
    "wood": {"wood": "x...o...x...o..."},
    "kick-hat": {"kick": "x...x...x...x...", "hat": "..x...x...x...x."},
    "rock": {"kick": "x.......x.x.....", "snare": "....x.......x...", "hat": "x.o.x.o.x.o.x.o."},
    "backbeat": {"kick": "x.......x.......", "clap": "....x.......x...", "shaker": "x.x.x.x.x.x.x.x."},
    "sixteenths": {"kick": "x.....x.x.......", "snare": "....x.......x...", "hat": "xoxoxoxoxoxoxoxo"},
}
PATTERNS = tuple(_PATTERNS)


@dataclass(frozen=True, slots=True)
class Reference:
    """One piece of audio of known tempo.

    Attributes
    ----------
    pattern : str
        Name of the pattern.
    bpm : float
        Its tempo.
    """

    pattern: str
    bpm: float

    @property
    def name(self) -> str:
        """File name of the reference, without a suffix."""
        return f"{self.pattern}-{self.bpm:.2f}bpm"


def bank(tempi: Iterable[float] | None = None) -> Iterator[Reference]:
    """Iterate over the bank, or its patterns at other tempi: all of the first tempo, then of the next."""
    for bpm in AXIS.bpms if tempi is None else tempi:
        for pattern in PATTERNS:
            yield Reference(pattern, float(bpm))


def synthesise(
    reference: Reference, *, sample_rate: int, n_samples: int, start: float = 0.0
) -> NDArray[np.float32]:
    """Synthesise a reference.

    Parameters
    ----------
    reference : Reference
        One of the bank's patterns, at any tempo.
    sample_rate : int
        In Hz.
    n_samples : int
    start : float
        Start position in the pattern, in beats.

    Returns
    -------
    ndarray of float32, shape=(n_samples,)
        Peak 0.5.
    """
    out = np.zeros(n_samples + sample_rate, np.float32)
    step = 60.0 / reference.bpm / 4.0 * sample_rate
    for sound_name, pattern in _PATTERNS[reference.pattern].items():
        sound = _sound(sound_name, sample_rate)
        first = int(np.ceil(4.0 * start))
        for index in range(first, first + int(n_samples / step) + 1):
            mark = pattern[index % len(pattern)]
            place = round((index - 4.0 * start) * step)
            if mark != "." and place < n_samples:
                out[place : place + len(sound)] += (1.0 if mark == "x" else 0.4) * sound
    return np.asarray(out[:n_samples] * np.float32(0.5 / np.abs(out).max()))


@lru_cache(maxsize=32)
def _sound(name: str, sample_rate: int) -> NDArray[np.float32]:
    """Synthesise one hit, at most 0.3 s."""
    rng = np.random.default_rng([_SEED, len(name), ord(name[0])])
    t = np.arange(int(0.3 * sample_rate)) / sample_rate
    noise = rng.standard_normal(len(t))
    bright = np.diff(noise, prepend=0.0)  # a first difference is the plainest high-pass
    sounds = {
        "click": np.sin(2 * np.pi * 1000.0 * t) * np.exp(-t / 0.012),
        "wood": np.sin(2 * np.pi * 2200.0 * t) * np.exp(-t / 0.02),
        "kick": np.sin(2 * np.pi * (50.0 * t + 1.5 * (1.0 - np.exp(-t / 0.02)))) * np.exp(-t / 0.1),
        "snare": (0.6 * noise + np.sin(2 * np.pi * 190.0 * t)) * np.exp(-t / 0.06),
        "clap": bright * np.exp(-t / 0.05) * (1.0 - 0.7 * (np.sin(2 * np.pi * 90.0 * t) > 0) * (t < 0.03)),
        "hat": 0.35 * np.diff(bright, prepend=0.0) * np.exp(-t / 0.02),
        "shaker": 0.3 * np.diff(bright, prepend=0.0) * np.exp(-t / 0.035) * (1.0 - np.exp(-t / 0.008)),
    }
    return np.asarray(sounds[name], np.float32)
