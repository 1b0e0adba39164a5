"""What the page of `tempo review` gets of a track."""

from __future__ import annotations

import json
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from forms import START, edges_of, song_of

from tempocli.embedding.segmentation.preview import PREVIEW_RATE, PreviewMaker, preview_paths
from tempocli.embedding.segmentation.segmenter import Segmenter
from tempocli.schema import Part

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("start", [0.0, 16.3])
def test_beats_and_sections_count_from_the_start_of_the_sound(
    start: float, tmp_path: Path, model_path: Path
) -> None:
    path = str(tmp_path / "song.wav")
    edges = edges_of("ABA")
    soundfile.write(path, song_of("ABA")[: round(edges[-1] * 22050)], 22050)
    maker = PreviewMaker(Segmenter(device="cpu"), str(tmp_path))
    maker.process(path, start=start)
    sound, document = preview_paths(str(tmp_path), path, Part.of(start, None))
    with open(document, encoding="utf-8") as file:
        preview = json.load(file)
    with wave.open(sound) as samples:
        assert samples.getnframes() / PREVIEW_RATE == pytest.approx(preview["duration"])
    starts, ends, labels = zip(*preview["form"], strict=True)
    inside = [edge - start for edge in edges[1:3] if edge - start > 1.0]
    assert list(starts) == pytest.approx([0.0, *inside], abs=0.1)
    assert list(ends) == [*starts[1:], pytest.approx(preview["duration"], abs=0.01)]
    assert labels == (("A", "B", "A") if start == 0.0 else ("A", "B"))
    beats = np.array(preview["beats"]) + start - START  # two a second
    assert np.abs(2.0 * beats - np.round(2.0 * beats)).max() < 0.1
