"""Make docs/sample.ogg, the song of the README: composed and rendered by the training data's generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from tempocli.training.data.prepare import find_soundfonts
from tempocli.training.synth.composer import compose
from tempocli.training.synth.render import Renderer
from tempocli.training.synth.styles import load_styles

SAMPLE_RATE = 44100


def main() -> None:
    """Compose 24 seconds of disco at 112 BPM."""
    rng = np.random.default_rng(112)
    style = next(style for style in load_styles() if style.name == "disco")
    score = compose(style, rng, duration=24.0, bpm=112.0)
    fonts = [path for path in find_soundfonts() if "FluidR3" in path.name]
    samples = Renderer(fonts, [], SAMPLE_RATE).render(score, rng)
    fade = np.minimum(1.0, np.arange(len(samples), 0, -1) / SAMPLE_RATE)
    path = Path(__file__).with_name("sample.ogg")
    soundfile.write(path, samples * fade * 0.9, SAMPLE_RATE, format="OGG", subtype="VORBIS")


if __name__ == "__main__":
    main()
