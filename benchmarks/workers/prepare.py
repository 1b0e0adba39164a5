"""Prepare the audio of the benchmark, where numpy and soundfile are; print what was written, one a line.

prepare.py make FOLDER COUNT     write COUNT made-up pieces of 60 s
prepare.py decode FOLDER FILE... write each FILE as 16-bit WAV
prepare.py cut FOLDER FILE       write the first 30 s of FILE as 16-bit WAV
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE_RATE = 44100


def make(folder: Path, count: str) -> None:
    """Write drum hits over a chord, each piece at its own tempo between 70 and 180 BPM."""
    for number, bpm in enumerate(np.linspace(70.0, 180.0, int(count))):
        rng = np.random.default_rng(number)
        time = np.arange(60 * SAMPLE_RATE) / SAMPLE_RATE
        since_hit = time % (60.0 / bpm)
        noise = rng.standard_normal(len(time))
        chord = sum(np.sin(2.0 * np.pi * pitch * time) for pitch in rng.uniform(110.0, 880.0, 3))
        samples = 0.4 * noise * np.exp(-40.0 * since_hit) + 0.05 * chord + 0.01 * noise
        write(folder / f"made-{number:03d}.wav", samples, SAMPLE_RATE)


def decode(folder: Path, *files: str) -> None:
    """Write each file as WAV."""
    for file in files:
        samples, sample_rate = soundfile.read(file, dtype="float32")
        write(folder / f"{Path(file).stem}.wav", samples, sample_rate)


def cut(folder: Path, file: str) -> None:
    """Write the first 30 s."""
    with soundfile.SoundFile(file) as source:
        write(
            folder / "cold-30s.wav", source.read(30 * source.samplerate, dtype="float32"), source.samplerate
        )


def write(path: Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write 16-bit WAV and say so."""
    soundfile.write(path, np.clip(samples, -1.0, 1.0), sample_rate, subtype="PCM_16")
    print(path)


if __name__ == "__main__":
    actions: dict[str, Callable[..., None]] = {"make": make, "decode": decode, "cut": cut}
    actions[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
