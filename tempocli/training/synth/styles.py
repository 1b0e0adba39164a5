"""Styles of music from `styles.toml`: patterns, tempo ranges and performance settings."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

NO_OTHER_METRE = {"trap", "dubstep"}  # styles of which some bars have eight steps a beat
_PARTS = ("bass", "chords", "melody", "pad", "ostinato")


@dataclass(frozen=True, slots=True)
class Style:
    """A style of `styles.toml`, where the fields are documented."""

    name: str
    tempo: tuple[float, float]
    beats: float
    weight: float
    kits: tuple[str, ...]
    programs: str
    density: float
    drums: tuple[dict[str, str], ...]
    bass: tuple[str, ...]
    chords: tuple[str, ...]
    swing: tuple[float, float] = (0.0, 0.0)
    pump: float = 0.0
    parts: tuple[str, ...] = _PARTS
    touch: tuple[float, float] = (1.0, 1.0)
    roll: tuple[float, float] = (0.0, 0.0)
    rubato: tuple[float, float] = (0.0, 0.0)
    timing: tuple[float, float] = (0.0, 0.0)
    loose: tuple[float, float] = (0.0, 0.0)
    attack: tuple[float, float] = (0.0, 0.0)
    hairpins: float = 0.0
    hall: float = 0.0
    echo: float = 0.0
    breaks: float = 0.0


@cache
def load_styles() -> tuple[Style, ...]:
    """Load the shipped styles.

    Returns
    -------
    tuple of Style
    """
    text = files("tempocli.training.synth").joinpath("styles.toml").read_text(encoding="utf-8")
    fields: list[dict[str, Any]] = [
        {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
        for table in tomllib.loads(text)["style"]
    ]
    return tuple(Style(**table) for table in fields)


def draw_style(rng: np.random.Generator) -> Style:
    """Draw a style by its weight."""
    styles = load_styles()
    total = sum(style.weight for style in styles)
    return styles[int(rng.choice(len(styles), p=[style.weight / total for style in styles]))]


def in_metre(style: Style, beats: int) -> Style:
    """Return a style in four with bars of another length: cut off, or continued with their first beats.

    Parameters
    ----------
    style : Style
        In four, with three or four steps a beat.
    beats : int
        Beats a bar.
    """

    def changed(pattern: str) -> str:
        per_bar = 16 if len(pattern) % 16 == 0 else 12
        per_beat = per_bar // 4
        bars = [pattern[first : first + per_bar] for first in range(0, len(pattern), per_bar)]
        return "".join((bar + bar)[: beats * per_beat] for bar in bars)

    return replace(
        style,
        name=f"{style.name} in {beats}",
        beats=float(beats),
        drums=tuple({part: changed(steps) for part, steps in drums.items()} for drums in style.drums),
        bass=tuple(map(changed, style.bass)),
        chords=tuple(map(changed, style.chords)),
    )


def draw_tempo(tempo: tuple[float, float], rng: np.random.Generator) -> float:
    """Draw a tempo from a range, in BPM, uniformly on a logarithmic scale."""
    return math.exp(rng.uniform(math.log(tempo[0]), math.log(tempo[1])))
