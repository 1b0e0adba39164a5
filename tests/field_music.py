"""Music of known tempo of the kinds that users of tempo tools report trouble with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from drums import HOUSE, MINOR, RATE, ROCK, STEPPER, Song, chord, hat, kick, play, snare, tone

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Audio = NDArray[np.float32]

BREAK = {"kick": "x.x.......x.....", "snare": "....x..x.x..x..x", "hat": "x.x.x.x.x.x.x.x."}
BOOM_BAP = {"kick": "x..x......x.....", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."}
TRAP = {"kick": "x......x..x.....", "snare": "........x.......", "hat": "xxxxxxxxxxxxxxxx"}
HALF_STEP = {"kick": "x.....x.........", "snare": "........x.......", "hat": "x.x.x.x.x.x.x.x."}
DEMBOW = {"kick": "x...x...x...x...", "snare": "...x..x....x..x."}
AMAPIANO = {"kick": "x...x...x...x...", "snare": "......x.......x.", "hat": "xxxxxxxxxxxxxxxx"}
FIVE = {"kick": "x.....x...x.........", "snare": "....x...........x...", "hat": "x.x.x.x.x.x.x.x.x.x."}
# Their half bars are alike: a pulse of two and a half beats, of three and a half.
FIVE_ALIKE = {"kick": "x.........x.........", "snare": "......x.........x...", "hat": "x.x.x.x.x.x.x.x.x.x."}
FIVE_SIXTEENTHS = {
    "kick": "x...x.....x...x.....",
    "snare": "......x.........x...",
    "hat": "xxxxxxxxxxxxxxxxxxxx",
}
SEVEN_ALIKE = {
    "kick": "x.............x.............",
    "snare": "........x.............x.....",
    "hat": "x.x.x.x.x.x.x.x.x.x.x.x.x.x.",
}
SEVEN = {"kick": "x...x.....x...", "snare": "..x.....x.....", "hat": "x.x.x.x.x.x.x."}


def psytrance(bpm: float, seconds: float) -> Audio:
    """A kick on every beat and a rolling bass on the three sixteenths between."""
    song, beat, rng = Song(seconds), 60.0 / bpm, np.random.default_rng(3)
    for index in range(int(seconds / beat) + 1):
        time = index * beat
        song.add(time, kick())
        song.add(time + beat / 2, hat(), 1.2)
        if index % 2:
            song.add(time, snare(), 0.35)
        for sixteenth in (1, 2, 3):
            song.add(time + sixteenth * beat / 4, tone(58.0, beat / 4, decay=0.05), 0.45)
        if index % 4 == 2:
            pitch = 466.0 * 2.0 ** (rng.choice(MINOR) / 12.0)
            song.add(time + rng.choice([0.25, 0.75]) * beat, tone(pitch, beat / 2, decay=0.1), 0.12)
    return song.mixed()


def slow_shuffle(bpm: float, seconds: float) -> Audio:
    """Triplets whose middle one is missing, with a walking bass."""
    song, beat = Song(seconds), 60.0 / bpm
    walk = (0, 4, 7, 9, 10, 9, 7, 4)
    for index in range(int(seconds / beat) + 1):
        time, late = index * beat, (index + 2 / 3) * beat
        song.add(time, snare() if index % 2 else kick())
        song.add(time, hat(), 1.2)
        song.add(late, hat(), 0.9)
        song.add(time, tone(73.0 * 2.0 ** (walk[index % 8] / 12.0), 0.6 * beat, decay=0.4), 0.3)
        if index % 4 == 3:
            song.add(late, kick(), 0.6)
            song.add(late, tone(73.0, 0.3 * beat), 0.25)
    return song.mixed()


def echoes(bpm: float, seconds: float) -> Audio:
    """Kick and snare with echoes three sixteenths later, and six."""
    dry = play(bpm, seconds, {"kick": "x.......x.......", "snare": "....x.......x..."}, seed=4)
    delay = round(0.75 * 60.0 / bpm * RATE)
    wet = dry.copy()
    wet[delay:] += 0.65 * dry[:-delay]
    wet[2 * delay :] += 0.45 * dry[: -2 * delay]
    return (0.5 * wet).astype(np.float32)


def house_with_break(bpm: float, seconds: float) -> Audio:
    """Three parts of one length; in the middle one, a drone throbs four times in three beats."""
    drums = play(bpm, seconds, HOUSE, seed=5)
    t = np.arange(len(drums)) / RATE
    throb = 0.5 - 0.5 * np.cos(2 * np.pi * t * bpm / 60.0 * 4 / 3)
    drone = 0.25 * throb * np.sin(2 * np.pi * 196.0 * t) * np.linspace(1.0, 0.4, len(t))
    return np.concatenate([drums, drone.astype(np.float32), drums])


def with_cut(bpm: float, seconds: float, lost_beats: float) -> Audio:
    song = play(bpm, seconds, STEPPER, seed=6, chords=True)
    middle = len(song) // 2
    return np.delete(song, slice(middle, middle + round(lost_beats * 60.0 / bpm * RATE)))


def ramp(start: float, end: float, seconds: float) -> Audio:
    song, time, index = Song(seconds), 0.0, 0
    while time < seconds:
        beat = 60.0 / (start * (end / start) ** (time / seconds))
        song.add(time, snare() if index % 2 else kick())
        song.add(time, hat())
        song.add(time + beat / 2, hat(), 0.8)
        song.add(time, tone(65.0 * 2.0 ** (MINOR[index // 4 % 4] / 12.0), 0.8 * beat), 0.3)
        time, index = time + beat, index + 1
    return song.mixed()


def pads(seconds: float) -> Audio:
    song = Song(seconds)
    for index, root in enumerate((196.0, 174.6, 220.0, 164.8, 196.0, 146.8)):
        song.add(index * seconds / 6, chord(root, seconds / 6 + 1.0), 0.2)
    return song.mixed()


def rubato(seconds: float, seed: int) -> Audio:
    song, rng, time, index = Song(seconds), np.random.default_rng(seed), 0.2, 0
    while time < seconds:
        song.add(time, tone(233.0 * 2.0 ** ((0, 3, 7, 10, 12, 8, 5, 2)[index % 8] / 12.0), 0.9, decay=0.5))
        time, index = time + max(0.14, rng.normal(0.45, 0.14)), index + 1
    return song.mixed()


def waltz(bpm: float, seconds: float) -> Audio:
    song, beat = Song(seconds), 60.0 / bpm
    for index in range(int(seconds / beat) + 1):
        time = index * beat
        if index % 3:
            for ratio in (1.0, 1.25, 1.5):
                song.add(time, tone(247.0 * ratio, 0.4 * beat, decay=0.12), 0.15)
        else:
            song.add(time, tone((62.0, 82.0, 92.5)[index // 3 % 3], 0.9 * beat, decay=0.5), 0.6)
            song.add(time, tone(494.0 * 2.0 ** ((0, 4, 7, 5)[index // 3 % 4] / 12.0), 2 * beat), 0.2)
    return song.mixed()


def metronome(bpm: float, seconds: float) -> Audio:
    song, beat = Song(seconds), 60.0 / bpm
    for index in range(int(seconds / beat) + 1):
        song.add(
            index * beat, tone(1100.0 if index % 4 else 1760.0, 0.03, decay=0.006), 1.0 if index % 4 else 1.5
        )
    return song.mixed()


def loop(bpm: float, bars: int, steps: dict[str, str]) -> Audio:
    return play(bpm, bars * 4 * 60.0 / bpm, steps, bass=False)


# What a piece is called: the tempi that are right, and how it is made.
STEADY: dict[str, tuple[tuple[float, ...], Callable[[], Audio]]] = {
    "psytrance 142": ((142.0,), lambda: psytrance(142.0, 35.0)),
    "psytrance 138": ((138.0,), lambda: psytrance(138.0, 25.0)),
    "amapiano 111": ((111.0,), lambda: play(111.0, 30.0, AMAPIANO, swing=0.18, chords=True, seed=2)),
    "dembow 92": ((92.0,), lambda: play(92.0, 30.0, DEMBOW | {"hat": "x.x.x.x.x.x.x.x."}, chords=True)),
    "dembow 98, no hats": ((98.0,), lambda: play(98.0, 30.0, DEMBOW, chords=True, seed=1)),
    "slow shuffle 63": ((63.0, 126.0), lambda: slow_shuffle(63.0, 30.0)),
    "shuffle 96": ((96.0,), lambda: slow_shuffle(96.0, 30.0)),
    "five-four 144": ((144.0, 72.0), lambda: play(144.0, 35.0, FIVE, chords=True, seed=3)),
    "five-four 138, halves alike": ((138.0, 69.0), lambda: play(138.0, 30.0, FIVE_ALIKE, chords=True)),
    "five-four 172, halves alike": ((172.0, 86.0), lambda: play(172.0, 30.0, FIVE_ALIKE, seed=2)),
    "five-four 161, sixteenths": ((161.0, 80.5), lambda: play(161.0, 30.0, FIVE_SIXTEENTHS, seed=3)),
    "seven-four 187, halves alike": ((187.0, 93.5), lambda: play(187.0, 30.0, SEVEN_ALIKE, seed=4)),
    "seven-eight 113": ((113.0, 226.0), lambda: play(226.0, 30.0, SEVEN, per_beat=2, chords=True, seed=4)),
    "echoes 106": ((106.0,), lambda: echoes(106.0, 30.0)),
    "house 123": ((123.0,), lambda: play(123.0, 20.0, HOUSE, chords=True, seed=7)),
    "drum and bass 172": ((172.0,), lambda: play(172.0, 30.0, STEPPER, chords=True, seed=8)),
    "break 162": ((162.0,), lambda: play(162.0, 30.0, BREAK, chords=True, seed=9)),
    "hip hop 88": ((88.0,), lambda: play(88.0, 30.0, BOOM_BAP, chords=True, seed=10)),
    "trap 144": ((144.0, 72.0), lambda: play(144.0, 30.0, TRAP, chords=True, seed=11)),
    "half step 142": ((142.0, 71.0), lambda: play(142.0, 30.0, HALF_STEP, chords=True, seed=12)),
    "waltz 94": ((94.0,), lambda: waltz(94.0, 30.0)),
    "metronome 76": ((76.0,), lambda: metronome(76.0, 25.0)),
    "loop, house 122, 1 bar": ((122.0,), lambda: loop(122.0, 1, HOUSE)),
    "loop, drum and bass 171, 1 bar": ((171.0, 85.5), lambda: loop(171.0, 1, STEPPER)),
    "loop, drum and bass 171, 4 bars": ((171.0, 85.5), lambda: loop(171.0, 4, STEPPER)),
}
# These to 0.02 BPM.
EXACT: dict[str, tuple[float, Callable[[], Audio]]] = {
    "house 124 with a break": (124.0, lambda: house_with_break(124.0, 22.0)),
    "drum and bass 170, a third of a beat cut out": (170.0, lambda: with_cut(170.0, 40.0, 1 / 3)),
    "house 127, half a beat cut out": (127.0, lambda: with_cut(127.0, 40.0, 0.5)),
    "loop, house 121, 2 bars": (121.0, lambda: loop(121.0, 2, HOUSE)),
}
UNSTEADY: dict[str, Callable[[], Audio]] = {
    "ramp up": lambda: ramp(95.0, 145.0, 50.0),
    "ramp down": lambda: ramp(150.0, 110.0, 50.0),
    "two tempi": lambda: np.concatenate([play(97.0, 30.0, ROCK), play(133.0, 30.0, ROCK, seed=1)]),
}
