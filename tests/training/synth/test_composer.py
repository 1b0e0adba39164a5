"""The generator: the tempo it claims is the tempo it plays."""

from __future__ import annotations

import numpy as np
import pytest

from tempocli.decoding.refinement import refine_tempo
from tempocli.features.front_end import FrontEnd, onset_strength
from tempocli.training.data.prepare import make_clicks
from tempocli.training.synth.composer import accompany, compose
from tempocli.training.synth.drum_kits import ROLES, synthesise_kit
from tempocli.training.synth.render import Renderer
from tempocli.training.synth.score import DRUMS
from tempocli.training.synth.styles import draw_style, load_styles

STYLES = load_styles()


def test_there_are_styles_enough() -> None:
    assert len(STYLES) >= 100
    assert len({style.name for style in STYLES}) == len(STYLES)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_every_style_composes(style) -> None:
    score = compose(style, np.random.default_rng(3), duration=30.0)
    assert style.tempo[0] <= score.bpm <= style.tempo[1]
    assert len(score.notes) > 10
    assert all(0.0 <= note.time < 30.0 and 0 <= note.pitch < 128 for note in score.notes)
    assert {note.channel for note in score.notes} - {DRUMS} <= score.programs.keys()


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_every_pattern_fits_whole_bars_in_known_letters(style) -> None:
    patterns = [*style.bass, *style.chords, *(line for lines in style.drums for line in lines.values())]
    for pattern in patterns:
        assert any(
            per_bar == int(per_bar) and len(pattern) % per_bar == 0
            for per_bar in (4 * style.beats, 3 * style.beats)
        ), pattern
        assert set(pattern) <= set("Xxo.012345"), pattern
    assert not set("012345") & set("".join(line for lines in style.drums for line in lines.values()))
    assert set("".join(style.bass)) <= set("Xxo.")
    assert all(set(lines) <= set("kshorctpbwm") for lines in style.drums)
    assert set(style.kits) <= {"acoustic", "electronic", "brushes", "orchestral", "none"}


def test_the_same_seed_composes_the_same_piece() -> None:
    pieces = []
    for _ in range(2):
        rng = np.random.default_rng(7)
        pieces.append(compose(draw_style(rng), rng, duration=20.0))
    assert pieces[0] == pieces[1]


def test_the_drums_keep_the_tempo() -> None:
    house = next(style for style in STYLES if style.name == "house")
    score = compose(house, np.random.default_rng(1), duration=60.0, bpm=123.4)
    score.notes = [note for note in score.notes if note.channel == DRUMS]
    rng = np.random.default_rng(2)
    kit = synthesise_kit(rng, sample_rate=22050)
    out = np.zeros(60 * 22050, np.float32)
    for note in score.notes:
        sound = kit[ROLES[note.pitch]]
        start = int(note.time * 22050)
        out[start : start + len(sound)] += sound[: len(out) - start]
    front_end = FrontEnd()
    onset = onset_strength(front_end.log_mel(out))
    assert refine_tempo(onset, frame_rate=front_end.frame_rate, bpm=122.5).bpm == pytest.approx(
        123.4, abs=0.05
    )


def test_an_accompaniment_keeps_the_drums_and_adds_parts() -> None:
    rock = next(style for style in STYLES if style.name == "rock")
    score = compose(rock, np.random.default_rng(5), duration=20.0)
    before = len(score.notes)
    accompany(score, rock, np.random.default_rng(6), parts=("bass", "chords"))
    assert len(score.notes) > before
    assert {1, 2} <= score.programs.keys()


def test_a_kit_has_a_sound_for_every_role() -> None:
    kit = synthesise_kit(np.random.default_rng(0), sample_rate=22050)
    assert set(ROLES.values()) | {"conga"} <= kit.keys()
    for sound in kit.values():
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() == pytest.approx(1.0)


@pytest.mark.slow
def test_click_tracks_cover_the_range_of_tempi(monkeypatch: pytest.MonkeyPatch) -> None:
    # Kits need no soundfont, so this runs without FluidSynth; a click track has drums only.
    monkeypatch.setattr(Renderer, "_draw_kit", lambda self, kind, rng: synthesise_kit(rng, sample_rate=22050))
    monkeypatch.setattr("tempocli.training.data.prepare.find_soundfonts", lambda: ["none"])
    clips = [make_clicks(f"clicks-{index}", seed=0) for index in range(6)]
    tempi = [clip.bpm for clip in clips]
    assert min(tempi) < 100 < max(tempi)
    for clip in clips:
        onset = onset_strength(clip.log_mel)
        assert refine_tempo(onset, frame_rate=22050 / 256, bpm=clip.bpm).bpm == pytest.approx(
            clip.bpm, rel=2e-3
        )
