"""The generator: the tempo it claims is the tempo it plays."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from tempocli.decoding.refinement import refine_tempo
from tempocli.features.front_end import FrontEnd, onset_strength
from tempocli.training.data.prepare import make_clicks
from tempocli.training.synth.composer import accompany, compose
from tempocli.training.synth.drum_kits import ROLES, synthesise_kit
from tempocli.training.synth.render import Renderer
from tempocli.training.synth.score import DRUMS, Score
from tempocli.training.synth.styles import NO_OTHER_METRE, draw_style, in_metre, load_styles

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


@pytest.mark.parametrize("metre", [2, 3, 4, 5, 6, 7])
def test_a_style_in_another_metre(metre: int) -> None:
    for style in (style for style in STYLES if style.beats == 4 and style.name not in NO_OTHER_METRE):
        score = compose(in_metre(style, metre), np.random.default_rng(1), duration=20.0)
        positions = [beat.position for beat in score.beats]
        assert set(positions) == set(range(1, metre + 1)), style.name
        assert all((after - before) % metre == 1 % metre for before, after in itertools.pairwise(positions))


def test_beats_are_where_the_music_is() -> None:
    """With an exact drummer, drums fall on the beats and their divisions."""
    style = next(style for style in STYLES if style.name == "house")
    score = compose(
        replace(style, timing=(0.0, 0.0), swing=(0.0, 0.0)), np.random.default_rng(3), duration=30.0
    )
    beats = np.array([beat.time for beat in score.beats])
    np.testing.assert_allclose(np.diff(beats), 60.0 / score.bpm, atol=1e-9)
    kicks = [note.time for note in score.notes if note.channel == DRUMS and note.pitch in {35, 36}]
    off = np.abs(np.array(kicks)[:, None] - beats[None]).min(axis=1)
    assert np.mean(off < 0.04) > 0.8


def test_rubato_moves_the_beats_with_the_notes() -> None:
    style = next(style for style in STYLES if style.rubato[1] > 0.0)
    strict, free = (
        compose(replace(style, rubato=(depth, depth)), np.random.default_rng(2), duration=30.0, bpm=90.0)
        for depth in (0.0, 0.1)
    )
    assert np.std(np.diff([beat.time for beat in strict.beats])) < 1e-9
    assert np.std(np.diff([beat.time for beat in free.beats])) > 0.005


def test_bars_of_a_half_beat_have_no_beats() -> None:
    style = next(style for style in STYLES if style.beats == 3.5)
    assert compose(style, np.random.default_rng(2), duration=20.0).beats == []


def test_an_aligned_accompaniment_starts_its_bar_at_the_start() -> None:
    style = next(style for style in STYLES if style.name == "rock")
    starts = []
    for seed in range(6):
        score = Score(bpm=120.0, style="x", duration=20.0)
        accompany(score, style, np.random.default_rng(seed), parts=("pad",), aligned=True)
        starts += [note.time % 2.0 for note in score.notes]
    assert np.median(np.minimum(starts, 2.0 - np.array(starts))) < 0.05
