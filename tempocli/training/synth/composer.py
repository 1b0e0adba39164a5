"""Procedural music of exactly known tempo: scores composed from the patterns of a style."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from tempocli.training.synth.expression import SUSTAINED, hairpins, pulsate, rubato, slow_attacks
from tempocli.training.synth.instruments import DRUM_NOTES, ELECTRONIC, PROGRAMS
from tempocli.training.synth.score import DRUMS, Echo, Note, Score, bar_beats
from tempocli.training.synth.styles import draw_tempo

if TYPE_CHECKING:
    import numpy as np

    from tempocli.training.synth.styles import Style

_VELOCITY = {"X": 118, "x": 92, "o": 48} | dict.fromkeys("012345", 80)
_CRASH = 49
_PROGRESSIONS = (
    (0, 5, 3, 4), (0, 3, 4, 3), (0, 4, 5, 3), (5, 3, 0, 4), (0, 3), (0, 6, 5, 6), (0,), (0, 0, 3, 3),
    (0, 5, 1, 4), (1, 4, 0, 0), (0, 0, 0, 0, 3, 3, 0, 0, 4, 3, 0, 4),
)  # fmt: skip
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10))
# Notes of a chord by the digits of a pattern, in steps of the scale above the root.
_CHORD_NOTES = {"0": -7, "1": 0, "2": 2, "3": 4, "4": 7, "5": 9}
# Delays of echoes, in beats: mostly cross-rhythms.
_ECHO_BEATS = (3 / 4, 3 / 4, 3 / 4, 3 / 8, 2 / 3, 2 / 3, 1 / 3, 3 / 2, 1 / 2)
# Rates of pulsating pads, in pulses per beat; all but the last two are cross-rhythms.
_PULSES = (4 / 3, 4 / 3, 3 / 2, 2 / 3, 3 / 4, 8 / 3, 5 / 4, 2.0, 3.0)
_MELODY, _CHORDS, _BASS, _PAD, _OSTINATO = 0, 1, 2, 3, 4
# Deviations of the note times of a piece, in seconds, and the probability of each.
_JITTER = {0.0: 0.35, 0.003: 0.25, 0.006: 0.25, 0.012: 0.15}
# Steps between the notes of an ostinato, by the steps per beat; most are cross-rhythms.
_OSTINATO_STEPS = {4: (1, 1, 2, 3, 3, 6, 6), 3: (1, 2, 2, 4)}


def compose(style: Style, rng: np.random.Generator, *, duration: float, bpm: float | None = None) -> Score:
    """Compose a piece in a style.

    Parameters
    ----------
    style : Style
    rng : numpy.random.Generator
        Source of all random choices; the same state gives the same piece.
    duration : float
        Length in seconds.
    bpm : float, optional
        Tempo; drawn from the style's range by default.

    Returns
    -------
    Score
    """
    return _Composer(style, rng, duration, draw_tempo(style.tempo, rng) if bpm is None else bpm).score


def accompany(
    score: Score,
    style: Style,
    rng: np.random.Generator,
    *,
    parts: tuple[str, ...] = ("bass", "chords"),
    aligned: bool = False,
) -> None:
    """Add bass, chords and melody of a style to a score with drums, at the tempo of the score.

    Bars start anywhere or, if `aligned`, with those of the score, which start at 0.
    """
    # No rubato: the drums already have their timing.
    strict = replace(style, rubato=(0.0, 0.0))
    other = _Composer(strict, rng, score.duration, score.bpm, drums=False, parts=parts, aligned=aligned).score
    score.notes.extend(other.notes)
    score.expression.update(other.expression)
    score.programs.update(other.programs)
    score.electronic.update(other.electronic)
    score.chip = other.chip


class _Composer:
    def __init__(
        self,
        style: Style,
        rng: np.random.Generator,
        duration: float,
        bpm: float,
        *,
        drums: bool = True,
        parts: tuple[str, ...] | None = None,
        aligned: bool = False,
    ) -> None:
        self.style, self.rng = style, rng
        self.beat = 60.0 / bpm
        self.bar = self.beat * style.beats
        self.swing = rng.uniform(*style.swing)
        self.touch = rng.uniform(*style.touch)
        self.roll = rng.uniform(*style.roll)
        self.loose = rng.uniform(*style.loose)
        kit = str(rng.choice(style.kits))
        self.score = Score(bpm=bpm, style=style.name, duration=duration, kit=kit if drums else "acoustic")
        self.score.pump = style.pump * float(rng.random()) if rng.random() < 0.7 else 0.0
        self.jitter = float(rng.choice(list(_JITTER), p=list(_JITTER.values())))
        self.jitter = max(self.jitter, rng.uniform(*style.timing))
        self.scale = _SCALES[int(rng.integers(len(_SCALES)))]
        self.key = int(rng.integers(12))
        self.progression = _PROGRESSIONS[int(rng.integers(len(_PROGRESSIONS)))]
        self.bars_per_chord = int(rng.choice([1, 1, 2, 4]))
        # Start at a random position within a bar, since music rarely starts on the first sample.
        self.offset = 0.0 if aligned else -float(rng.uniform(0.0, self.bar))
        self.n_bars = math.ceil((duration - self.offset) / self.bar)
        self.score.beats = bar_beats(self.offset, self.beat, style.beats, duration)
        self.breaks = self._draw_breaks()
        if drums and kit != "none" and style.drums:
            self._drums()
        self._harmony(self._draw_parts() if parts is None else parts)
        self._express()

    def _express(self) -> None:
        """Add expression and effects: rubato, attacks, loudness, reverberation and echo."""
        style, rng, score = self.style, self.rng, self.score
        depth = rng.uniform(*style.rubato)
        if depth > 0.0:
            rubato(score, rng, depth=depth)
        attack = rng.uniform(*style.attack)
        phrase = self.bar * float(rng.choice([1, 2, 4]))
        for channel, program in score.programs.items():
            if program in SUSTAINED and channel not in score.electronic:
                if attack > 0.0:
                    # From detached notes to legato.
                    floor = float(rng.uniform(0.03, 0.5))
                    slow_attacks(score, channel, attack=attack * rng.uniform(0.6, 1.4), floor=floor)
                if rng.random() < style.hairpins:
                    hairpins(score, channel, rng, period=phrase)
        rate, depth = float(rng.choice(_PULSES)) / self.beat, float(rng.uniform(0.5, 1.0))
        for first, last in self.breaks:
            if _PAD in score.programs and rng.random() < 0.6:
                start, stop = self.offset + first * self.bar, self.offset + last * self.bar
                pulsate(score, _PAD, rate=rate, depth=depth, start=start, stop=stop)
        score.hall = bool(rng.random() < style.hall)
        if rng.random() < style.echo:
            score.echo = Echo(
                delay=self.beat * float(rng.choice(_ECHO_BEATS)),
                feedback=float(rng.uniform(0.3, 0.75)),
                level=float(rng.uniform(0.3, 0.9)),
                parts=str(rng.choice(["drums", "band", "all"])),
            )

    def _draw_breaks(self) -> list[tuple[int, int]]:
        """Draw the first bar of the break without drums and the first bar after it; most styles have none."""
        if self.rng.random() >= self.style.breaks:
            return []
        # At most half of the piece, or it would be a piece without drums.
        length = min(int(self.rng.choice([4, 8, 8, 16])), self.n_bars // 2)
        first = int(self.rng.integers(0, self.n_bars - length + 1))
        return [(first, first + length)]

    def _draw_parts(self) -> tuple[str, ...]:
        rng, soft = self.rng, self.score.kit == "none"
        chances = {
            "bass": 0.85,
            "chords": 1.0 if soft else 0.85,
            "melody": 0.65,
            "pad": 0.8 if self.breaks else 0.3,
            "ostinato": 0.35,
        }
        drawn = [part for part, chance in chances.items() if rng.random() < chance]
        return tuple(part for part in drawn if part in self.style.parts)

    def _add(self, step_time: float, hold: float, channel: int, pitch: int, velocity: float) -> None:
        time = self.offset + step_time + (self.rng.normal(0.0, self.jitter) if self.jitter else 0.0)
        if 0.0 <= time < self.score.duration:
            loud = int(min(127, max(12, velocity * self.touch + self.rng.normal(0.0, 6.0))))
            self.score.notes.append(Note(time, hold, channel, min(127, max(0, pitch)), loud))

    def _steps(self, pattern: str, bar: int) -> list[tuple[float, float, str]]:
        """List time, step length and letter of the hits in one bar of a pattern of one or more bars."""
        per_bar = self._steps_per_bar(pattern)
        first = (bar * per_bar) % len(pattern)
        step = self.bar / per_bar
        swings = per_bar != round(3 * self.style.beats)
        hits = []
        for index, letter in enumerate(pattern[first : first + per_bar]):
            if letter != ".":
                late = self.swing * step if index % 2 and swings else 0.0
                hits.append((bar * self.bar + index * step + late, step, letter))
        return hits

    def _steps_per_bar(self, pattern: str) -> int:
        """Return the number of steps in a bar: 4 or 3 per beat (8 for the thirty-second rolls of trap)."""
        beats = self.style.beats
        for per_beat in (4, 3):
            per_bar = beats * per_beat
            if per_bar == int(per_bar) and len(pattern) % per_bar == 0:
                if self.style.name in {"trap", "dubstep"} and len(pattern) == 32 and per_beat == 4:
                    return 32
                return int(per_bar)
        raise ValueError(f"style {self.style.name!r}: pattern {pattern!r} fits no bar of {beats} beats")

    def _silent_bars(self, chance: float) -> set[int]:
        """Draw sections of two to eight bars in which a part rests."""
        silent: set[int] = set()
        bar = 0
        while bar < self.n_bars:
            length = int(self.rng.choice([2, 4, 8]))
            if self.rng.random() < chance:
                silent.update(range(bar, bar + length))
            bar += length
        return silent

    def _drums(self) -> None:
        rng = self.rng
        patterns = [self.style.drums[int(rng.integers(len(self.style.drums)))] for _ in range(2)]
        notes = {letter: int(rng.choice(options)) for letter, options in DRUM_NOTES.items()}
        level = {letter: float(rng.uniform(0.6, 1.0)) for letter in DRUM_NOTES}
        dropped = {letter for letter in "hrobm" if rng.random() < 0.12}
        silent = self._silent_bars(0.12).union(*(range(*bars) for bars in self.breaks))
        fill_every = int(rng.choice([4, 8, 16, 1000]))
        for bar in range(self.n_bars):
            if bar in silent:
                continue
            pattern = patterns[(bar // 8) % 2]
            fill = bar % fill_every == fill_every - 1
            for letter, steps in pattern.items():
                if letter in dropped:
                    continue
                for time, step, hit in self._steps(steps, bar):
                    if rng.random() < 0.02 or (fill and time > (bar + 0.6) * self.bar and letter != "k"):
                        continue
                    self._add(time, step, DRUMS, notes[letter], _VELOCITY[hit] * level[letter])
            if fill:
                self._fill(bar, notes)
            elif bar % fill_every == 0 and rng.random() < 0.6:
                self._add(bar * self.bar, 1.0, DRUMS, _CRASH, 110)

    def _fill(self, bar: int, notes: dict[str, int]) -> None:
        per_beat = 3 if len(next(iter(self.style.drums[0].values()))) % (self.style.beats * 4) else 4
        step = self.beat / per_beat
        for index in range(int(0.4 * self.style.beats * per_beat)):
            if self.rng.random() < 0.7:
                drum = notes["s"] if self.rng.random() < 0.5 else int(self.rng.choice([41, 45, 47, 50]))
                time = (bar + 1) * self.bar - (index + 1) * step
                self._add(time, step, DRUMS, drum, self.rng.uniform(70, 118))

    def _chord(self, bar: int) -> int:
        return self.progression[(bar // self.bars_per_chord) % len(self.progression)]

    def _pitch(self, degree: int, octave: int) -> int:
        return self.key + self.scale[degree % 7] + 12 * (octave + degree // 7)

    def _harmony(self, parts: tuple[str, ...]) -> None:
        melody, chords, bass = PROGRAMS[self.style.programs]
        rng = self.rng
        writers = {
            "bass": self._bass,
            "chords": self._chords,
            "melody": self._melody,
            "pad": self._pad,
            "ostinato": self._ostinato,
        }
        programs = {
            "bass": (_BASS, bass),
            "chords": (_CHORDS, chords),
            "melody": (_MELODY, melody),
            "pad": (_PAD, (48, 50, 52, 88, 89, 90, 91, 94, 95)),
            "ostinato": (_OSTINATO, melody + chords + (11, 12, 13, 45, 46, 108)),
        }
        self.score.chip = self.style.programs == "chip" and rng.random() < 0.4
        for part in parts:
            channel, options = programs[part]
            if self.style.programs in ELECTRONIC:
                self.score.electronic[channel] = part
            # One in eight pieces uses any instruments.
            anything = rng.random() < 0.12 and part != "bass"
            self.score.programs[channel] = int(rng.integers(0, 112) if anything else rng.choice(options))
            writers[part]()

    def _draw_patterns(self, options: tuple[str, ...]) -> list[str]:
        """Draw the pattern of a part, or several patterns for loose playing to alternate between."""
        return [str(self.rng.choice(options)) for _ in range(3 if self.loose > 0.0 else 1)]

    def _of_bar(self, patterns: list[str], bar: int) -> str:
        if len(patterns) == 1 or self.rng.random() >= 2.0 * self.loose:
            return patterns[0]
        return patterns[int(self.rng.integers(len(patterns)))]

    def _bass(self) -> None:
        rng = self.rng
        patterns = self._draw_patterns(self.style.bass)
        silent = self._silent_bars(0.1)
        walking = self.style.programs == "jazz"
        octave = int(rng.choice([2, 3]))
        for bar in range(self.n_bars):
            if bar in silent:
                continue
            root = self._chord(bar)
            for time, step, hit in self._steps(self._of_bar(patterns, bar), bar):
                if rng.random() < self.loose:
                    continue
                move = int(rng.choice([0, 2, 4, 6, 7])) if walking or rng.random() < 0.15 else 0
                self._add(
                    time,
                    step * rng.uniform(0.7, 1.6),
                    _BASS,
                    self._pitch(root + move, octave),
                    _VELOCITY[hit],
                )

    def _chords(self) -> None:
        rng = self.rng
        patterns = self._draw_patterns(self.style.chords)
        silent = self._silent_bars(0.12)
        arpeggio = rng.random() < 0.35
        hold = float(rng.choice([0.5, 0.9, 2.0, 4.0]))
        loud = rng.uniform(0.55, 0.95)
        for bar in range(self.n_bars):
            if bar in silent:
                continue
            voicing = [self._pitch(self._chord(bar) + third, 4) for third in (0, 2, 4)]
            for index, (time, step, hit) in enumerate(self._steps(self._of_bar(patterns, bar), bar)):
                if rng.random() < self.loose:
                    continue
                accent = (
                    12 if math.isclose(math.fmod(time - bar * self.bar, self.beat), 0.0, abs_tol=1e-6) else 0
                )
                if hit in _CHORD_NOTES:
                    pitches = [self._pitch(self._chord(bar) + _CHORD_NOTES[hit], 4)]
                else:
                    pitches = [voicing[index % 3]] if arpeggio else voicing
                # A rolled chord is centred on its step; it goes upwards on a beat and downwards off it.
                rolled = self.roll * (rng.uniform(0.6, 1.4) if accent else -rng.uniform(0.3, 1.0))
                for place, pitch in enumerate(pitches):
                    late = rolled * (place - 0.5 * (len(pitches) - 1))
                    self._add(time + late, step * hold, _CHORDS, pitch, _VELOCITY[hit] * loud + accent)

    def _melody(self) -> None:
        rng = self.rng
        per_beat = self._steps_per_beat()
        per_bar = round(self.style.beats * per_beat)
        per_phrase = per_bar * int(rng.choice([1, 2, 4]))
        busy = self.style.density / per_beat
        strong = [
            1.0 if i % per_beat == 0 else 0.75 if i % (per_beat // 2 or 1) == 0 else 0.5
            for i in (place % per_bar for place in range(per_phrase))
        ]

        def draw_rhythm() -> list[int]:
            return [i for i in range(per_phrase) if rng.random() < min(0.95, 1.35 * busy * strong[i])]

        rhythm = draw_rhythm()
        degrees = [int(d) for d in rng.integers(-3, 9, size=max(1, len(rhythm)))]
        silent = self._silent_bars(0.3)
        step = self.beat / per_beat
        hold = float(rng.uniform(0.8, 3.0))
        for start in range(0, self.n_bars * per_bar, per_phrase):
            if rng.random() < 3.0 * self.loose:
                rhythm = draw_rhythm()
                degrees = [int(d) for d in rng.integers(-3, 9, size=max(1, len(rhythm)))]
            for place, degree in zip(rhythm, degrees, strict=False):
                bar = int((start + place) * step / self.bar + 1e-6)
                if bar in silent or rng.random() < 0.06:
                    continue
                late = self.swing * step if per_beat == 4 and place % 2 else 0.0
                pitch = self._pitch(degree + self._chord(bar) % 3, 5)
                self._add((start + place) * step + late, step * hold, _MELODY, pitch, rng.uniform(70, 105))

    def _steps_per_beat(self) -> int:
        return 3 if len(self.style.chords[0]) % (self.style.beats * 4) else 4

    def _ostinato(self) -> None:
        """Repeat a figure of equal notes, as dense as in recordings, or in cross-rhythm to the beat."""
        rng = self.rng
        per_beat = self._steps_per_beat()
        every = int(rng.choice(_OSTINATO_STEPS[per_beat]))
        bars = int(rng.choice([1, 1, 2, 4]))  # bars until it restarts on the beat
        n_steps = round(bars * self.style.beats * per_beat)
        figure = [int(degree) for degree in rng.integers(0, 8, size=int(rng.integers(1, 5)))]
        step = self.beat / per_beat
        hold = step * every * float(rng.uniform(0.4, 1.2))
        loud, octave = rng.uniform(50, 110), int(rng.choice([3, 4, 5]))
        silent = self._silent_bars(0.25)
        for first in range(0, self.n_bars, bars):
            for index, place in enumerate(range(0, n_steps, every)):
                time = first * self.bar + place * step
                bar = int(time / self.bar + 1e-6)
                if bar not in silent:
                    pitch = self._pitch(self._chord(bar) + figure[index % len(figure)], octave)
                    late = self.swing * step if per_beat == 4 and place % 2 else 0.0
                    self._add(time + late, hold, _OSTINATO, pitch, loud)

    def _pad(self) -> None:
        for bar in range(self.n_bars):
            for third in (0, 2, 4):
                self._add(bar * self.bar, self.bar * 0.98, _PAD, self._pitch(self._chord(bar) + third, 4), 60)
