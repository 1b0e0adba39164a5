"""Styles that cannot be played."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tempocli.training.synth.composer import compose
from tempocli.training.synth.styles import load_styles

ROCK = next(style for style in load_styles() if style.name == "rock")


@pytest.mark.parametrize(("beats", "pattern"), [(4, "x.x.x"), (3.5, "x.x.x.x.x.x.x.x."), (2.5, "x.x.x.x.")])
def test_a_pattern_that_fits_no_bar_is_named(beats: float, pattern: str) -> None:
    style = replace(ROCK, beats=beats, kits=("none",), chords=(pattern,), bass=(pattern,))
    with pytest.raises(ValueError, match=f"'rock': pattern '{pattern}' fits no bar of {beats} beats"):
        compose(style, np.random.default_rng(0), duration=20.0)
