"""Rendering of scores: FluidSynth for instruments, kits for drums, random mixing and mastering."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tempocli.errors import MissingExtraError
from tempocli.training.synth.drum_kits import (
    Kit,
    load_hydrogen_kit,
    role_of,
    synthesise_brushes,
    synthesise_kit,
)
from tempocli.training.synth.score import DRUMS, EXPRESSION_RATE, Echo, Note, Score
from tempocli.training.synth.synthesiser import draw_patch, play

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# Programs of the General MIDI drum kits, by kind.
_GM_KITS = {
    "acoustic": (0, 8, 16, 24, 25, 32, 40),
    "electronic": (24, 25),
    "brushes": (40,),
    "orchestral": (48,),
}
_DRUM_BANK = 128
_EXPRESSION = 11  # the MIDI controller
_SYNTHESISED = 0.75  # share of electronic pieces played by the synthesiser


@dataclass
class Renderer:
    """Renders scores with several soundfonts and drum kits; not thread-safe.

    Parameters
    ----------
    soundfonts : list of Path
        SF2 or SF3 files; one is drawn for each score.
    kit_folders : list of Path
        Folders of sampled drum kits; may be empty.
    sample_rate : int
        In Hz.
    """

    soundfonts: list[Path]
    kit_folders: list[Path]
    sample_rate: int = 22050
    _synths: dict[Path, tuple[Any, int]] = field(default_factory=dict, repr=False)

    def render(self, score: Score, rng: np.random.Generator) -> NDArray[np.float32]:
        """Render a score with random mixing and mastering.

        Returns
        -------
        ndarray of float32, shape=(n_samples,)
            Mono, peak at most 1.
        """
        drums = [note for note in score.notes if note.channel == DRUMS]
        others = [note for note in score.notes if note.channel != DRUMS]
        n_samples = int(score.duration * self.sample_rate)
        soundfont = self.soundfonts[int(rng.integers(len(self.soundfonts)))]
        kit = self._draw_kit(score.kit, rng)
        if kit is None:
            program = int(rng.choice(_GM_KITS.get(score.kit, _GM_KITS["acoustic"])))
            beat = self._play(drums, {DRUMS: program}, soundfont, n_samples)
        else:
            beat = _place(drums, kit, n_samples, self.sample_rate)
        band = self._band(score, others, soundfont, n_samples, rng)
        if score.pump > 0.0 and drums:
            band *= _duck(drums, score.pump, 60.0 / score.bpm, n_samples, self.sample_rate)
        if score.echo is not None:
            beat, band = _echoed(beat, band, score.echo, self.sample_rate)
        mixed = _mix(beat, band, rng, self.sample_rate, hall=score.hall)
        return master(mixed, rng, sample_rate=self.sample_rate, loud=bool(score.electronic))

    def _band(
        self, score: Score, notes: list[Note], soundfont: Path, n_samples: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Render all parts except drums: most electronic music by synthesiser, the rest by soundfont."""
        synthesised = rng.random() < _SYNTHESISED
        parts = {c: part for c, part in score.electronic.items() if synthesised and rng.random() < 0.85}
        sampled = [note for note in notes if note.channel not in parts]
        programs = {c: program for c, program in score.programs.items() if c not in parts}
        band = _levelled(self._play(sampled, programs, soundfont, n_samples, score.expression))
        for channel, part in parts.items():
            patch = draw_patch(part, rng, beat=60.0 / score.bpm, chip=score.chip)
            own = [note for note in notes if note.channel == channel]
            level = 10.0 ** (rng.uniform(-6.0, 6.0) / 20.0)
            sound = play(own, patch, rng, n_samples, self.sample_rate)
            if channel in score.expression:
                sound *= _curve(score.expression[channel], n_samples, self.sample_rate)
            band += np.float32(level) * _levelled(sound)
        return band

    def _draw_kit(self, kind: str, rng: np.random.Generator) -> Kit | None:
        if kind == "orchestral":
            return None
        if kind == "brushes":
            return None if rng.random() < 0.6 else synthesise_brushes(rng, sample_rate=self.sample_rate)
        general_midi, sampled = (0.2, 0.2) if kind == "electronic" else (0.5, 0.35)
        draw = rng.random()
        if draw < general_midi:
            return None
        if draw < general_midi + sampled and self.kit_folders:
            folder = self.kit_folders[int(rng.integers(len(self.kit_folders)))]
            kit = load_hydrogen_kit(folder, sample_rate=self.sample_rate)
            if {"kick", "snare", "hat"} <= kit.keys():
                # Roles missing from the kit are taken from a synthetic one.
                return synthesise_kit(rng, sample_rate=self.sample_rate) | kit
        return synthesise_kit(rng, sample_rate=self.sample_rate)

    def _play(
        self,
        notes: list[Note],
        programs: dict[int, int],
        soundfont: Path,
        n_samples: int,
        expression: dict[int, list[float]] | None = None,
    ) -> NDArray[np.float32]:
        if not notes:
            return np.zeros(n_samples, np.float32)
        synth, font = self._synth(soundfont)
        synth.system_reset()
        for channel, program in programs.items():
            if channel == DRUMS:
                synth.program_select(channel, font, _DRUM_BANK, program)
            else:
                synth.program_select(channel, font, 0, program)
        out = np.zeros(n_samples, np.float32)
        position = 0
        levels = {c: curve for c, curve in (expression or {}).items() if c in programs}
        for time, _, channel, pitch, value in sorted(_events(notes) + _controls(levels)):
            target = min(int(time * self.sample_rate), n_samples)
            if target > position:
                out[position:target] = _mono(synth.get_samples(target - position))
                position = target
            if pitch is None:
                synth.cc(channel, _EXPRESSION, value)
            elif value:
                synth.noteon(channel, pitch, value)
            else:
                synth.noteoff(channel, pitch)
        if position < n_samples:
            out[position:] = _mono(synth.get_samples(n_samples - position))
        return out

    def _synth(self, soundfont: Path) -> tuple[Any, int]:
        if soundfont not in self._synths:
            try:
                import fluidsynth
            except ImportError as error:
                raise MissingExtraError("rendering synthetic music", "train") from error
            synth = fluidsynth.Synth(samplerate=float(self.sample_rate), gain=0.5)
            for name in ("synth.reverb.active", "synth.chorus.active"):
                synth.setting(name, 0)
            self._synths[soundfont] = synth, synth.sfload(str(soundfont))
        return self._synths[soundfont]


def _levelled(part: NDArray[np.float32]) -> NDArray[np.float32]:
    level = float(np.sqrt(np.mean(np.square(part))))
    return part * np.float32(0.1 / level) if level > 1e-6 else part


_Event = tuple[float, int, int, int | None, int]


def _events(notes: list[Note]) -> list[_Event]:
    """List time, order at equal times, channel, pitch and velocity; at equal times, notes end first."""
    events: list[_Event] = [(note.time, 2, note.channel, note.pitch, note.velocity) for note in notes]
    events += [(note.time + max(0.03, note.duration), 0, note.channel, note.pitch, 0) for note in notes]
    return events


def _controls(expression: dict[int, list[float]]) -> list[_Event]:
    """List the level changes of the channels."""
    events: list[_Event] = []
    for channel, levels in expression.items():
        # MIDI expression is the square root of the level.
        values = np.round(127.0 * np.sqrt(np.clip(levels, 0.0, 1.0))).astype(int)
        changed = np.flatnonzero(np.diff(values, prepend=-1))
        events += [(float(i) / EXPRESSION_RATE, 1, channel, None, int(values[i])) for i in changed]
    return events


def _curve(levels: list[float], n_samples: int, sample_rate: int) -> NDArray[np.float32]:
    steps = np.arange(n_samples) * (EXPRESSION_RATE / sample_rate)
    return np.asarray(np.interp(steps, np.arange(len(levels)), levels), np.float32)


def _echoed(
    beat: NDArray[np.float32], band: NDArray[np.float32], echo: Echo, sample_rate: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if echo.parts != "band":
        beat = _delayed(beat, echo, sample_rate)
    if echo.parts != "drums":
        band = _delayed(band, echo, sample_rate)
    return beat, band


def _delayed(samples: NDArray[np.float32], echo: Echo, sample_rate: int) -> NDArray[np.float32]:
    out = samples.copy()
    level, repeat = echo.level, 1
    while level > 0.02:
        shift = round(repeat * echo.delay * sample_rate)
        if shift >= len(samples):
            break
        out[shift:] += np.float32(level) * samples[: len(samples) - shift]
        level, repeat = level * echo.feedback, repeat + 1
    return out


def _mono(stereo: NDArray[np.int16]) -> NDArray[np.float32]:
    return (stereo[0::2].astype(np.float32) + stereo[1::2]) / 65536.0


def _place(notes: list[Note], kit: Kit, n_samples: int, sample_rate: int) -> NDArray[np.float32]:
    out = np.zeros(n_samples, np.float32)
    for note in notes:
        sound = kit.get(role_of(note.pitch))
        start = int(note.time * sample_rate)
        if sound is not None and start < n_samples:
            stop = min(start + len(sound), n_samples)
            out[start:stop] += sound[: stop - start] * np.float32((note.velocity / 127.0) ** 1.7)
    return out


def _duck(
    notes: list[Note], depth: float, beat: float, n_samples: int, sample_rate: int
) -> NDArray[np.float32]:
    gain = np.ones(n_samples, np.float32)
    length = int(0.7 * beat * sample_rate)
    dip = (1.0 - depth * (1.0 - np.linspace(0.0, 1.0, length)) ** 1.5).astype(np.float32)
    for note in notes:
        start = int(note.time * sample_rate)
        if role_of(note.pitch) == "kick" and start < n_samples:
            stop = min(start + length, n_samples)
            np.minimum(gain[start:stop], dip[: stop - start], out=gain[start:stop])
    return gain


def _mix(
    beat: NDArray[np.float32],
    band: NDArray[np.float32],
    rng: np.random.Generator,
    sample_rate: int,
    *,
    hall: bool,
) -> NDArray[np.float32]:
    mixed = np.zeros_like(beat)
    for part, spread_db in ((beat, 6.0), (band, 6.0)):
        level = float(np.sqrt(np.mean(np.square(part))))
        if level > 1e-6:
            part = part * np.float32(10.0 ** (rng.uniform(-spread_db, spread_db) / 20.0) * 0.1 / level)
            decay = float(rng.uniform(0.8, 2.5) if hall else rng.uniform(0.1, 0.9))
            mixed += _reverb(part, rng, decay, sample_rate) if hall or rng.random() < 0.5 else part
    return mixed


def _reverb(
    samples: NDArray[np.float32], rng: np.random.Generator, decay: float, sample_rate: int
) -> NDArray[np.float32]:
    n = int(decay * 1.5 * sample_rate)
    impulse = rng.standard_normal(n) * np.exp(-np.arange(n) * 6.9 / (decay * sample_rate))
    impulse /= np.sqrt(np.sum(impulse**2))
    size = 1 << (len(samples) + n - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(impulse.astype(np.float32), size), size)
    return samples + np.float32(rng.uniform(0.05, 0.6)) * wet[: len(samples)].astype(np.float32)


def master(
    samples: NDArray[np.float32], rng: np.random.Generator, *, sample_rate: int, loud: bool = False
) -> NDArray[np.float32]:
    """Apply random compression, overdrive, noise and level.

    Parameters
    ----------
    samples : ndarray of float32, shape=(n_samples,)
    rng : numpy.random.Generator
    sample_rate : int
        In Hz.
    loud : bool
        Whether to drive it into the limiter, as in electronic music.

    Returns
    -------
    ndarray of float32, shape=(n_samples,)
        Peak at most 1.
    """
    if rng.random() < 0.5:
        samples = _compress(samples, float(rng.uniform(0.2, 0.7)), sample_rate)
    peak = max(float(np.abs(samples).max()), 1e-6)
    samples = samples / np.float32(peak)
    if rng.random() < (0.8 if loud else 0.4):
        samples = np.tanh(samples * np.float32(rng.uniform(1.0, 10.0 if loud else 6.0)))
    if rng.random() < 0.4:
        noise = rng.standard_normal(len(samples)).astype(np.float32)
        samples = samples + noise * np.float32(10.0 ** rng.uniform(-4.0, -1.7))
    level = np.float32(10.0 ** (rng.uniform(-12.0, 0.0) / 20.0) / max(float(np.abs(samples).max()), 1e-6))
    return np.asarray(samples * level, np.float32)


def _compress(samples: NDArray[np.float32], strength: float, sample_rate: int) -> NDArray[np.float32]:
    block = sample_rate // 100
    n_blocks = len(samples) // block + 1
    power = (
        np.square(np.pad(samples, (0, n_blocks * block - len(samples)))).reshape(n_blocks, block).mean(axis=1)
    )
    kernel = np.exp(-np.arange(30) / 10.0)
    envelope = (
        np.sqrt(np.convolve(power, kernel / kernel.sum())[:n_blocks]) + 0.01 * np.sqrt(power.max()) + 1e-9
    )
    gain = envelope**-strength
    curve = np.interp(np.arange(len(samples)), np.arange(n_blocks) * block, gain)
    return np.asarray(samples * curve, np.float32)
