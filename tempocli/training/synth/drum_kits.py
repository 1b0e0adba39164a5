"""Drum sounds: randomly synthesised kits, and sampled kits in Hydrogen's format."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from tempocli.audio import load_audio
from tempocli.errors import AudioError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# The roles of the General MIDI drum notes; a kit has a sound for each role.
ROLES = {
    35: "kick", 36: "kick", 37: "stick", 38: "snare", 39: "clap", 40: "snare", 41: "tom", 42: "hat",
    43: "tom", 44: "hat", 45: "tom", 46: "open hat", 47: "tom", 48: "tom", 49: "crash", 50: "tom",
    51: "ride", 52: "crash", 53: "ride", 54: "shaker", 55: "crash", 56: "stick", 57: "crash",
    59: "ride", 69: "shaker", 70: "shaker", 75: "stick", 76: "stick", 77: "stick", 82: "shaker",
}  # fmt: skip
_DEFAULT_ROLE = "conga"
_NAMES = {
    "kick": ("kick", "bass", "bd"),
    "snare": ("snare", "sd"),
    "hat": ("closed", "hat", "hh"),
    "open hat": ("open", "ohh"),
    "ride": ("ride",),
    "crash": ("crash", "cymbal", "splash"),
    "tom": ("tom",),
    "clap": ("clap",),
    "stick": ("stick", "rim", "clave", "cowbell", "wood"),
    "shaker": ("shake", "tamb", "maraca", "cabasa"),
    "conga": ("conga", "bongo", "djembe", "perc"),
}
_MAX_SECONDS = 1.5

Kit = dict[str, "NDArray[np.float32]"]


def role_of(pitch: int) -> str:
    """Return the role of a General MIDI drum note."""
    return ROLES.get(pitch, _DEFAULT_ROLE)


def synthesise_kit(rng: np.random.Generator, *, sample_rate: int) -> Kit:
    """Synthesise a kit of electronic drum sounds with random settings.

    Parameters
    ----------
    rng : numpy.random.Generator
    sample_rate : int
        In Hz.

    Returns
    -------
    dict of str to ndarray of float32, shape=(n_samples,)
        A sound for every role, peak 1.
    """

    def noise(decay: float, low: float, high: float) -> NDArray[np.float64]:
        n = int(min(_MAX_SECONDS, decay * 6) * sample_rate)
        spectrum = np.fft.rfft(rng.standard_normal(n))
        freqs = np.fft.rfftfreq(n, 1.0 / sample_rate)
        spectrum *= 1.0 / (1.0 + (low / np.maximum(freqs, 1.0)) ** 4) / (1.0 + (freqs / high) ** 4)
        sound = np.fft.irfft(spectrum, n) * np.exp(-np.arange(n) / (decay * sample_rate))
        return np.asarray(sound / np.abs(sound).max())

    def tone(pitch: float, drop: float, drop_time: float, decay: float) -> NDArray[np.float64]:
        t = np.arange(int(min(_MAX_SECONDS, decay * 6) * sample_rate)) / sample_rate
        frequency = pitch * (1.0 + drop * np.exp(-t / drop_time))
        return np.asarray(np.sin(2.0 * np.pi * np.cumsum(frequency) / sample_rate) * np.exp(-t / decay))

    def mix(*layers: tuple[float, NDArray[np.float64]]) -> NDArray[np.float32]:
        out = np.zeros(max(len(sound) for _, sound in layers))
        for level, sound in layers:
            out[: len(sound)] += level * sound
        out = np.tanh(rng.uniform(1.0, 3.0) * out / np.abs(out).max())
        return np.asarray(out / np.abs(out).max(), np.float32)

    u = rng.uniform
    clap = noise(u(0.05, 0.15), 700, 7000)
    spread = int(u(0.008, 0.014) * sample_rate)
    claps = sum(
        np.pad(clap * level, (i * spread, (2 - i) * spread)) for i, level in enumerate((0.5, 0.6, 1.0))
    )
    return {
        "kick": mix(
            (1.0, tone(u(40, 65), u(1, 8), u(0.01, 0.05), u(0.08, 0.4))), (u(0, 0.4), noise(0.005, 500, 9000))
        ),
        "snare": mix(
            (u(0.2, 0.8), tone(u(150, 240), u(0, 1), 0.02, u(0.04, 0.12))),
            (u(0.5, 1), noise(u(0.05, 0.2), u(300, 1500), u(5000, 10000))),
        ),
        "hat": mix((1.0, noise(u(0.01, 0.05), u(5000, 8000), 11000))),
        "open hat": mix((1.0, noise(u(0.1, 0.35), u(4500, 8000), 11000))),
        "ride": mix(
            (1.0, noise(u(0.15, 0.5), u(4000, 7000), 11000)), (u(0, 0.5), tone(u(2500, 4000), 0, 1, 0.15))
        ),
        "crash": mix((1.0, noise(u(0.4, 0.9), u(2500, 5000), 11000))),
        "clap": mix((1.0, np.asarray(claps))),
        "tom": mix((1.0, tone(u(80, 180), u(0.2, 1), 0.05, u(0.1, 0.3))), (0.1, noise(0.02, 300, 5000))),
        "stick": mix((1.0, tone(u(900, 2500), 0, 1, u(0.01, 0.04)))),
        "shaker": mix((1.0, noise(u(0.02, 0.07), u(3000, 6000), 10000))),
        "conga": mix(
            (1.0, tone(u(180, 400), u(0, 0.3), 0.02, u(0.05, 0.15))), (0.15, noise(0.01, 800, 6000))
        ),
    }


def synthesise_brushes(rng: np.random.Generator, *, sample_rate: int) -> Kit:
    """Synthesise a kit played with brushes, whose sounds have slow attacks.

    Parameters
    ----------
    rng : numpy.random.Generator
    sample_rate : int
        In Hz.

    Returns
    -------
    dict of str to ndarray of float32, shape=(n_samples,)
        A sound for every role, peak 1.
    """
    kit = synthesise_kit(rng, sample_rate=sample_rate)
    kit["snare"] = _swish(rng, float(rng.uniform(0.02, 0.08)), float(rng.uniform(0.05, 0.2)), sample_rate)
    kit["shaker"] = _swish(rng, float(rng.uniform(0.02, 0.06)), float(rng.uniform(0.02, 0.08)), sample_rate)
    for role in ("kick", "tom", "hat", "open hat", "ride", "crash", "stick", "clap"):
        rise = 1.0 - np.exp(-np.arange(len(kit[role])) / (rng.uniform(0.004, 0.02) * sample_rate))
        sound = kit[role] * rise.astype(np.float32)
        kit[role] = sound / np.abs(sound).max()
    return kit


def _swish(rng: np.random.Generator, attack: float, decay: float, sample_rate: int) -> NDArray[np.float32]:
    time = np.arange(int((attack + 6.0 * decay) * sample_rate)) / sample_rate
    noise = rng.standard_normal(len(time))
    # The wires of a brush: little bass, falling treble.
    noise = np.convolve(np.diff(noise, prepend=0.0), np.ones(3) / 3.0, "same")
    sound = noise * np.minimum(time / attack, 1.0) * np.exp(-np.maximum(time - attack, 0.0) / decay)
    return np.asarray(sound / np.abs(sound).max(), np.float32)


@lru_cache(maxsize=32)
def load_hydrogen_kit(folder: Path, *, sample_rate: int) -> Kit:
    """Load a sampled kit: for each role, the loudest layer of the first instrument with a matching name.

    Parameters
    ----------
    folder : Path
        Folder with ``drumkit.xml``.
    sample_rate : int
        In Hz; the samples are resampled to it.

    Returns
    -------
    dict of str to ndarray of float32, shape=(n_samples,)
        The sounds of the roles in the kit, peak 1.
    """
    kit: Kit = {}
    instruments = [
        element
        for element in ElementTree.parse(folder / "drumkit.xml").iter()
        if element.tag.endswith("instrument")
    ]
    for role, words in _NAMES.items():
        for element in instruments:
            name = next((child.text or "" for child in element if child.tag.endswith("name")), "").lower()
            files = [child.text for child in element.iter() if child.tag.endswith("filename") and child.text]
            if not files or not any(word in name for word in words) or (role == "hat" and "open" in name):
                continue
            try:
                sound = load_audio(folder / files[0], sample_rate=sample_rate)[
                    : int(_MAX_SECONDS * sample_rate)
                ]
            except AudioError:
                continue
            if len(sound) and np.abs(sound).max() > 0:
                kit[role] = sound / np.abs(sound).max()
                break
    return kit
