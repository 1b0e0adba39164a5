"""One instrument alone: single notes and phrases, so that the sound of an instrument can be learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempocli.training.synth.score import Note, Score

if TYPE_CHECKING:
    import numpy as np

# Lowest and highest MIDI pitch of General MIDI programs, as the instruments are commonly played.
RANGES = {
    0: (28, 98), 4: (36, 92), 6: (36, 84), 8: (60, 100), 9: (72, 103), 11: (53, 89), 12: (45, 96),
    13: (65, 100), 16: (36, 90), 19: (36, 90), 21: (48, 88), 22: (60, 90), 24: (40, 80), 25: (40, 84),
    26: (40, 84), 27: (40, 84), 29: (40, 80), 30: (40, 80), 32: (28, 58), 33: (28, 58), 35: (28, 58),
    40: (55, 96), 41: (48, 86), 42: (36, 76), 43: (28, 58), 44: (44, 88), 45: (40, 88), 46: (30, 96),
    47: (40, 57), 48: (40, 88), 52: (48, 79), 56: (54, 84), 57: (40, 72), 58: (29, 58), 59: (54, 82),
    60: (36, 77), 61: (40, 80), 64: (56, 88), 65: (49, 80), 66: (44, 76), 67: (37, 69), 68: (58, 90),
    69: (52, 81), 70: (34, 72), 71: (50, 91), 72: (74, 102), 73: (60, 96), 74: (60, 91), 75: (58, 91),
    77: (55, 84), 79: (60, 88), 104: (48, 77), 105: (48, 84), 106: (50, 79), 109: (58, 76), 110: (55, 93),
}  # fmt: skip
_STEPS = (-5, -3, -2, -2, -1, -1, 0, 1, 1, 2, 2, 3, 4, 7)


def play_solo(rng: np.random.Generator, *, duration: float) -> Score:
    """Compose notes for one instrument of `RANGES`.

    Parameters
    ----------
    rng : numpy.random.Generator
    duration : float
        In seconds.

    Returns
    -------
    Score
        Its tempo is that of the notes; it has no drums, and no beats are known.
    """
    program = int(rng.choice(list(RANGES)))
    low, high = RANGES[program]
    bpm = float(rng.uniform(50.0, 160.0))
    score = Score(bpm=bpm, style="solo", duration=duration, programs={0: program}, kit="none")
    score.hall = bool(rng.random() < 0.3)
    # Half of the clips are slow single notes, the others phrases.
    lengths = (2.0, 3.0, 4.0) if rng.random() < 0.5 else (0.25, 0.5, 0.5, 1.0, 1.0, 2.0)
    held = float(rng.choice([0.3, 0.7, 0.95]))
    velocity = float(rng.uniform(40.0, 115.0))
    pitch, time = int(rng.integers(low, high + 1)), 0.0
    while time < duration:
        length = float(rng.choice(lengths)) * 60.0 / bpm
        if rng.random() < 0.85:
            level = int(min(127.0, max(15.0, rng.normal(velocity, 15.0))))
            score.notes.append(Note(time, held * length, 0, pitch, level))
        time += length
        # Leaps keep all registers in a clip, and no phrase leaves the range.
        pitch = int(rng.integers(low, high + 1)) if rng.random() < 0.15 else pitch + int(rng.choice(_STEPS))
        pitch = min(high, max(low, pitch))
    return score
