"""How scores are played: rubato keeps the tempo, attacks are soft, echoes come when they should."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tempocli.features.front_end import FrontEnd, onset_strength
from tempocli.training.synth.composer import accompany, compose
from tempocli.training.synth.drum_kits import ROLES, synthesise_brushes
from tempocli.training.synth.expression import hairpins, pulsate, rubato, slow_attacks
from tempocli.training.synth.render import Renderer
from tempocli.training.synth.score import DRUMS, EXPRESSION_RATE, Echo, Note, Score
from tempocli.training.synth.styles import load_styles

_RATE = 22050
STYLES = {style.name: style for style in load_styles()}
SOUNDFONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    pytest.importorskip("fluidsynth", reason="needs the extra 'train' (pyfluidsynth)")
    if not SOUNDFONT.exists():
        pytest.skip("needs timgm6mb-soundfont")
    return Renderer([SOUNDFONT], [], _RATE)


def strict(name: str, **changes: object):
    """Make a style of a name without anything that moves notes off the grid."""
    still = dict.fromkeys(("swing", "roll", "rubato", "timing"), (0.0, 0.0))
    return replace(STYLES[name], **still, **changes)


def on_grid(score: Score, per_beat: int) -> float:
    """Tell how well notes keep to a grid of some steps a beat: 1 exactly, 0 not at all."""
    times = np.array([note.time for note in score.notes])
    return float(np.abs(np.exp(2j * np.pi * times * per_beat * score.bpm / 60.0).mean()))


def score_of(times: np.ndarray, *, duration: float = 40.0, hold: float = 0.4, program: int = 48) -> Score:
    score = Score(bpm=90.0, style="test", duration=duration, programs={1: program})
    score.notes = [Note(float(time), hold, 1, 64, 90) for time in times]
    return score


@pytest.fixture
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody be early or late."""
    monkeypatch.setattr("tempocli.training.synth.composer._JITTER", {0.0: 1.0})


@pytest.mark.slow
@pytest.mark.usefixtures("no_jitter")
@pytest.mark.parametrize("name", STYLES)
def test_every_style_keeps_to_its_grid(name: str) -> None:
    for seed in range(3):
        score = compose(strict(name), np.random.default_rng(seed), duration=40.0)
        assert on_grid(score, 24) > 0.999, seed  # sixteenths, triplets and thirty-seconds


@pytest.mark.parametrize(("name", "beats"), [("five-eight", 2.5), ("seven-eight", 3.5), ("seven-four", 7)])
def test_odd_metres_repeat_by_the_bar(name: str, beats: float) -> None:
    """The kick drum's rhythm comes again after a bar or two, and after no number of beats of four."""
    plain = strict(name, kits=("acoustic",), drums=STYLES[name].drums[:1])
    score = compose(plain, np.random.default_rng(4), duration=60.0, bpm=120.0)
    kicks = np.array([note.time for note in score.notes if note.pitch in {35, 36}])
    lags = (kicks[None, :] - kicks[:, None]).ravel() * 2.0  # in beats

    def share(lag: float) -> float:
        return float(np.mean(np.abs(lags - lag) < 0.06))

    assert share(beats) > 1.5 * share(4.0)
    assert share(beats) > 1.5 * share(beats + 0.5)


def test_rubato_moves_notes_and_keeps_the_mean_tempo() -> None:
    beats = np.arange(0.0, 40.0, 60.0 / 90.0)
    for seed in range(5):
        score = score_of(beats)
        rubato(score, np.random.default_rng(seed), depth=0.04)
        times = np.array([note.time for note in score.notes])
        local = np.diff(times) * 90.0 / 60.0
        assert 0.01 < np.abs(local - 1.0).max() <= 0.0401
        # The ends of a score do not move, so that its mean tempo is the one it claims.
        assert times[0] == 0.0
        assert times[-1] == pytest.approx(beats[-1], abs=0.04)
        assert np.polyfit(np.arange(len(times)), times, 1)[0] == pytest.approx(60.0 / 90.0, rel=0.01)
        assert [note.duration for note in score.notes[:-1]] == pytest.approx(np.full(59, 0.4), rel=0.05)


@pytest.mark.usefixtures("no_jitter")
def test_rubato_is_none_where_drums_keep_the_time() -> None:
    style = replace(strict("romantic piano"), rubato=(0.04, 0.04))
    free = compose(style, np.random.default_rng(1), duration=40.0, bpm=80.0)
    assert on_grid(free, 24) < 0.75
    score = Score(bpm=80.0, style="drums", duration=40.0)
    accompany(score, style, np.random.default_rng(1), parts=("bass", "chords"))
    assert on_grid(score, 24) > 0.999


@pytest.mark.usefixtures("no_jitter")
def test_chords_are_rolled_about_their_step() -> None:
    style = strict("acoustic strumming", kits=("none",), chords=("x...x...x...x...",), parts=("chords",))
    spreads = {}
    for roll in (0.0, 0.03):
        rolled = replace(style, roll=(roll, roll))
        score = compose(rolled, np.random.default_rng(8), duration=40.0, bpm=60.0)
        times = np.array([note.time for note in score.notes])
        turns = np.exp(2j * np.pi * times)
        spreads[roll] = float(np.ptp(np.angle(turns / turns.mean())) / (2.0 * np.pi))
    assert spreads[0.0] < 1e-6
    assert 0.04 < spreads[0.03] < 0.1


def test_digits_play_single_notes_of_the_chord() -> None:
    style = strict("Alberti bass", chords=("1.3.2.3.1.3.2.3.",), parts=("chords",), kits=("none",))
    score = compose(style, np.random.default_rng(2), duration=40.0)
    times = np.array(sorted(note.time for note in score.notes))
    assert np.diff(times).min() > 0.25 * 60.0 / score.bpm  # eighths, never two at once


def test_a_slow_attack_starts_at_every_note() -> None:
    score = score_of(np.arange(1.0, 9.0), duration=10.0, hold=0.9)
    slow_attacks(score, 1, attack=0.3, floor=0.03)
    levels = np.array(score.expression[1])
    assert len(levels) == 10 * EXPRESSION_RATE
    for second in range(1, 9):
        assert levels[second * EXPRESSION_RATE] < 0.1
        assert levels[second * EXPRESSION_RATE + 35] == pytest.approx(1.0)


def test_a_slow_attack_is_over_before_the_next_note() -> None:
    score = score_of(np.arange(1.0, 9.0, 0.1), duration=10.0)
    slow_attacks(score, 1, attack=0.3, floor=0.03)
    assert max(score.expression[1][200:210]) > 0.9


def test_pulses_come_at_their_rate_and_only_for_their_time() -> None:
    score = score_of(np.arange(0.0, 20.0, 5.0), duration=20.0)
    pulsate(score, 1, rate=2.8, depth=0.8, start=5.0, stop=15.0)
    levels = np.array(score.expression[1])
    assert (levels[:500] == 1.0).all()
    assert (levels[1500:] == 1.0).all()
    spectrum = np.abs(np.fft.rfft(levels[500:1500] - levels[500:1500].mean()))
    assert np.fft.rfftfreq(1000, 1.0 / EXPRESSION_RATE)[spectrum.argmax()] == pytest.approx(2.8, abs=0.06)


def test_hairpins_and_attacks_multiply() -> None:
    score = score_of(np.arange(0.0, 10.0), duration=10.0)
    hairpins(score, 1, np.random.default_rng(0), period=5.0)
    before = np.array(score.expression[1])
    assert 0.1 < before.min() < 0.75
    slow_attacks(score, 1, attack=0.2, floor=0.03)
    assert (np.array(score.expression[1]) <= before + 1e-9).all()


def test_a_break_has_no_drums() -> None:
    style = replace(STYLES["club break"], drums=STYLES["club break"].drums[:1])
    longest = []
    for seed in range(8):
        score = compose(style, np.random.default_rng(seed), duration=60.0, bpm=120.0)
        times = sorted(note.time for note in score.notes if note.channel == DRUMS)
        longest.append(float(np.diff([0.0, *times, 60.0]).max()))
        assert len(times) > 60
    assert min(longest) > 4 * 2.0 - 1.0  # four bars, but for a beat


@pytest.mark.usefixtures("no_jitter")
def test_loose_playing_leaves_out_notes_and_keeps_to_the_grid() -> None:
    counts = []
    for loose in (0.0, 0.4):
        style = strict(
            "string quartet", loose=(loose, loose), chords=("x.x.x.x.x.x.x.x.",), parts=("chords",)
        )
        score = compose(style, np.random.default_rng(5), duration=40.0, bpm=120.0)
        assert on_grid(score, 24) > 0.999
        counts.append(len(score.notes))
    assert 0.4 * counts[0] < counts[1] < 0.8 * counts[0]


@pytest.mark.parametrize("parts", ["drums", "band", "all"])
def test_echoes_come_at_their_time(renderer: Renderer, monkeypatch: pytest.MonkeyPatch, parts: str) -> None:
    monkeypatch.setattr("tempocli.training.synth.render._reverb", lambda samples, *_: samples)
    monkeypatch.setattr("tempocli.training.synth.render.master", lambda samples, *_, **__: samples)
    channel = DRUMS if parts == "drums" else 1
    # A stroke that is over before its echo: a stick, or a short piano note.
    score = Score(bpm=110.0, style="test", duration=4.0, kit="electronic", programs={1: 0})
    score.notes = [Note(0.5, 0.05, channel, 76 if channel == DRUMS else 84, 110)]
    delay = 0.75 * 60.0 / 110.0
    levels = {}
    for echo in (None, Echo(delay=delay, feedback=0.5, level=0.6, parts=parts)):
        score.echo = echo
        onset = onset_strength(FrontEnd().log_mel(renderer.render(score, np.random.default_rng(3))))
        levels[echo is None] = onset
    gained = np.maximum(levels[False] - levels[True], 0.0)
    frame_rate = FrontEnd().frame_rate
    for repeat in (1, 2):
        place = round((0.5 + repeat * delay) * frame_rate)
        assert gained[place - 4 : place + 5].max() > 0.2 * gained.max()
    assert gained.argmax() / frame_rate == pytest.approx(0.5 + delay, abs=0.05)


def test_slow_attacks_soften_onsets(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempocli.training.synth.render.master", lambda samples, *_, **__: samples)
    peaks = []
    for attack in (0.0, 0.3):
        score = score_of(np.arange(0.5, 20.0, 1.0), duration=20.0, hold=0.8, program=19)
        if attack:
            slow_attacks(score, 1, attack=attack, floor=0.03)
        samples = renderer.render(score, np.random.default_rng(5))
        onset = onset_strength(FrontEnd().log_mel(samples))
        peaks.append(float(np.percentile(onset, 99.0)))
    assert peaks[1] < 0.6 * peaks[0]


@pytest.mark.slow
def test_soft_styles_have_softer_onsets_than_hard_ones(renderer: Renderer) -> None:
    def sharpness(name: str) -> float:
        values = []
        for seed in range(3):
            rng = np.random.default_rng(seed)
            score = compose(STYLES[name], rng, duration=15.0)
            log_mel = FrontEnd().log_mel(renderer.render(score, rng))
            values.append(float(np.percentile(onset_strength(log_mel), 98.0)))
        return float(np.median(values))

    hard = min(sharpness(name) for name in ("rock", "country"))
    assert max(sharpness(name) for name in ("string ensemble", "choir", "film swells")) < 0.6 * hard


def test_brushes_do_not_start_at_once() -> None:
    kit = synthesise_brushes(np.random.default_rng(0), sample_rate=_RATE)
    assert set(ROLES.values()) | {"conga"} <= kit.keys()
    for role in ("snare", "shaker", "ride"):
        sound = kit[role]
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() == pytest.approx(1.0)
        assert np.abs(sound[: _RATE // 1000]).max() < 0.35


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jazz ballad", "film drums", "psytrance", "string ensemble"])
def test_pieces_can_be_heard(renderer: Renderer, name: str) -> None:
    rng = np.random.default_rng(11)
    samples = renderer.render(compose(STYLES[name], rng, duration=10.0), rng)
    assert samples.shape == (10 * _RATE,)
    assert np.isfinite(samples).all()
    assert np.sqrt(np.mean(samples**2)) > 1e-3


def test_two_fifths_of_draws_are_of_what_networks_find_hard() -> None:
    total = sum(style.weight for style in STYLES.values())
    soft = [style for style in STYLES.values() if style.touch != (1.0, 1.0)]
    assert sum(style.weight for style in soft) > 0.25 * total
