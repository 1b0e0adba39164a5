"""Scores: notes at exact times, with their tempo."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tempocli.schema import Beat

DRUMS = 9  # the General MIDI percussion channel
EXPRESSION_RATE = 100  # expression levels of a channel per second


@dataclass(frozen=True, slots=True)
class Note:
    """One note.

    Attributes
    ----------
    time, duration : float
        Start time from the beginning of the score, and duration, in seconds.
    channel : int
        MIDI channel, 0 to 15; 9 holds drums.
    pitch, velocity : int
        MIDI pitch and velocity, 0 to 127.
    """

    time: float
    duration: float
    channel: int
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Echo:
    """Settings of a delay effect.

    Attributes
    ----------
    delay : float
        Time between repeats, in seconds.
    feedback : float
        Level of each repeat relative to the previous one, 0 to 1.
    level : float
        Level of the first repeat, 0 to 1.
    parts : str
        The parts it is applied to: ``"drums"``, ``"band"`` or ``"all"``.
    """

    delay: float
    feedback: float
    level: float
    parts: str


@dataclass(slots=True)
class Score:
    """A piece of music to be rendered.

    Attributes
    ----------
    bpm : float
        Tempo in beats per minute, in the octave in which musicians count the style.
    style : str
        Name of the style.
    duration : float
        Length in seconds.
    notes : list of Note
        In any order.
    programs : dict of int to int
        General MIDI program of each channel.
    kit : str
        ``"acoustic"``, ``"electronic"``, ``"brushes"``, ``"orchestral"`` or ``"none"``.
    pump : float
        Depth of the side-chain compression by the kick drum, 0 to 1.
    electronic : dict of int to str
        Channels that a synthesiser may play, and their parts; see `tempocli.training.synth.synthesiser`.
    chip : bool
        Whether that synthesiser is a sound chip.
    expression : dict of int to list of float
        Levels of channels, 0 to 1, at `EXPRESSION_RATE` per second; 1 for other channels.
    echo : Echo, optional
    hall : bool
        Whether to add the reverberation of a large room.
    beats : list of Beat
        In time order; empty if they are not known.
    """

    bpm: float
    style: str
    duration: float
    notes: list[Note] = field(default_factory=list)
    programs: dict[int, int] = field(default_factory=dict)
    kit: str = "acoustic"
    pump: float = 0.0
    electronic: dict[int, str] = field(default_factory=dict)
    chip: bool = False
    expression: dict[int, list[float]] = field(default_factory=dict)
    echo: Echo | None = None
    hall: bool = False
    beats: list[Beat] = field(default_factory=list)


def bar_beats(offset: float, beat: float, per_bar: float, duration: float) -> list[Beat]:
    """List the beats of equal bars, from time 0.

    Parameters
    ----------
    offset : float
        Start of the first bar, in seconds, at most 0.
    beat : float
        Length of a beat, in seconds.
    per_bar : float
        Beats a bar. If they are not whole, no beats are known.
    duration : float
        End of the beats, in seconds.
    """
    beats = round(per_bar)
    if beats != per_bar:
        return []
    times = [offset + index * beat for index in range(math.ceil((duration - offset) / beat))]
    return [Beat(time, index % beats + 1) for index, time in enumerate(times) if 0.0 <= time < duration]
