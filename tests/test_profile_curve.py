"""Profiles of people who count by a rule: a curve over the tempo, where one exponent cannot follow."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scripted import AXIS, BPMS, bump, hear_script, rows, spec

from tempocli.decoding.profiles.fitting import Data, fit_curve, fit_exponent
from tempocli.decoding.profiles.learning import Evidence, learn, tempo_under
from tempocli.decoding.profiles.profile import CURVE_BPMS, Profile, ProfileModel, curve_basis
from tempocli.decoding.track_decoder import TrackDecoder
from tempocli.errors import DataError
from tempocli.inference.options import SearchOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SPEC = spec(checksum="ab" * 32, embedding_dim=3)
MODEL = ProfileModel.of(SPEC)
CURVE = tuple(float(each) for each in np.linspace(-3.0, 4.0, len(CURVE_BPMS)))


def tracks(n_tracks: int, seed: int = 0) -> list[Evidence]:
    """Tracks of all tempi, whose octave the model leaves more or less open."""
    rng = np.random.default_rng(seed)
    heard = []
    for _ in range(n_tracks):
        bpm, share = 2.0 ** rng.uniform(6.0, 7.6), rng.uniform(0.5, 0.9)
        half = rng.uniform(0.3, 0.7) * (1.0 - share)
        style = rng.normal(size=3).astype(np.float32)
        heard.append(
            Evidence(bpm, bump((bpm, share), (0.5 * bpm, half), (2.0 * bpm, 1.0 - share - half)), style)
        )
    return heard


def between(low: float) -> Callable[[float], float]:
    """Count all music within an octave."""
    return lambda bpm: low * 2.0 ** (math.log2(bpm / low) % 1.0)


def doubled_below_90(bpm: float) -> float:
    return 2.0 * bpm if bpm < 90.0 else bpm


def as_said(bpm: float) -> float:
    return bpm


def n_right(profile: Profile | None, heard: list[Evidence], rule: Callable[[float], float]) -> int:
    """Return how many tracks are as a rule has it."""
    found = [each.bpm if profile is None else tempo_under(profile, each, AXIS) for each in heard]
    return sum(
        bpm is not None and abs(bpm / rule(float(each.bpm or 0.0)) - 1.0) <= 0.04
        for bpm, each in zip(found, heard, strict=True)
    )


@pytest.mark.parametrize("low", [60.0, 80.0, 100.0])
def test_who_counts_within_an_octave_is_followed(low: float) -> None:
    heard, rest = tracks(20), tracks(100, seed=1)
    rule = between(low)
    tempi = [rule(float(each.bpm or 0.0)) for each in heard]
    profile = learn(heard, tempi, SPEC).profile
    alone = Profile(MODEL, **fit_exponent(Data.of(heard, tempi, AXIS), (2.0, 0.7)).values)
    assert profile.curve
    assert profile.exponent == 0.0
    assert not profile.style
    assert n_right(profile, rest, rule) >= max(n_right(None, rest, rule) + 10, n_right(alone, rest, rule) + 5)
    words = profile.words[-1].split()
    assert words[:3] == ["counts", "mostly", "between"]
    assert abs(math.log2(float(words[3]) / low)) < 0.35
    assert float(words[5]) == pytest.approx(2.0 * float(words[3]), abs=1.1)


def test_who_doubles_slow_music_is_followed() -> None:
    heard, rest = tracks(30), tracks(100, seed=1)
    profile = learn(heard, [doubled_below_90(float(each.bpm or 0.0)) for each in heard], SPEC).profile
    assert n_right(profile, rest, doubled_below_90) >= n_right(None, rest, doubled_below_90) + 5


@pytest.mark.parametrize("seed", range(4))
def test_who_agrees_changes_nothing(seed: int) -> None:
    heard = tracks(20, seed)
    profile = learn(heard, [float(each.bpm or 0.0) for each in heard], SPEC).profile
    assert profile.changes_nothing
    assert n_right(profile, tracks(50, 9), as_said) == 50


def test_who_has_an_exponent_gets_no_curve() -> None:
    # Counts fast whatever the tempo is.
    slow = np.linspace(55.0, 140.0, 20)
    heard = [
        Evidence(
            bpm if number % 3 == 0 else 2.0 * bpm, bump((bpm, share), (2.0 * bpm, 1.0 - share)), np.ones(3)
        )
        for number, bpm in enumerate(slow)
        for share in [0.6 if number % 3 == 0 else 0.3]
    ]
    tempi = [2.0 * float(bpm) for bpm in slow]
    profile = learn(heard, tempi, SPEC).profile
    assert profile.exponent > 0.5
    assert not profile.curve


def test_the_curve_is_a_maximum() -> None:
    heard = tracks(12)
    tempi = [between(70.0)(float(each.bpm or 0.0)) for each in heard]
    data = Data.of(heard, tempi, AXIS)
    fit = fit_curve(data)

    def penalised(curve: np.ndarray) -> float:
        weighted = data.distributions * 2.0 ** (curve_basis(AXIS.bpms) @ curve)
        mass = (weighted * data.near).sum(axis=1) / weighted.sum(axis=1)
        steps = math.log(2.0) * np.diff(curve) / 2.7
        return float(np.log(0.95 * mass + 0.005).sum() - 0.5 * steps @ steps)

    best = penalised(np.array(fit.curve))
    rng = np.random.default_rng(0)
    ripples = np.exp(-0.5 * (rng.uniform(0.0, 14.0, (20, 1)) - np.arange(15)) ** 2 / 4.0)
    for ripple in ripples:
        assert penalised(np.array(fit.curve) + 0.3 * ripple) < best
        assert penalised(np.array(fit.curve) - 0.3 * ripple) < best


def test_the_curve_is_level_where_nothing_was_heard() -> None:
    heard = [each for each in tracks(60) if 80.0 < float(each.bpm or 0.0) < 140.0]
    for each in heard:
        # No half and no double outside of 60 to 150.
        each.distribution[(BPMS < 60.0) | (BPMS > 150.0)] = 0.0
    fit = fit_curve(Data.of(heard, [between(60.0)(float(each.bpm or 0.0)) for each in heard], AXIS))
    assert fit.curve[5] > fit.curve[8] + 1.0  # 71 and 120 BPM
    assert np.ptp(fit.curve[10:]) < 0.3  # from 170 BPM on
    assert np.ptp(fit.curve[:3]) < 0.3  # up to 42 BPM
    assert sum(fit.curve) == pytest.approx(0.0, abs=0.01)


def test_a_curve_is_kept_in_the_file(tmp_path: Path) -> None:
    profile = Profile(MODEL, words=("counts",), curve=CURVE)
    path = tmp_path / "my.profile"
    profile.save(path)
    assert Profile.load(path) == profile
    text = path.read_text(encoding="utf-8")
    assert len(text) < 2000
    assert '  "curve": [[30.0, -3.0], [35.7, -2.5], ' in text
    assert json.loads(text)["tempo_profile"] == 2
    assert profile.digest != replace(profile, curve=CURVE[::-1]).digest
    assert not profile.changes_nothing
    # What an older version can read is as it was.
    assert "curve" not in json.loads(Profile(MODEL, 1.0).to_json())
    assert Profile(MODEL, 1.0).digest == "277c89cb"


GOOD = json.loads(Profile(MODEL, curve=CURVE).to_json())
PAIRS = GOOD["curve"]


@pytest.mark.parametrize(
    ("curve", "reason"),
    [
        (None, "curve is not a list"),
        (PAIRS[:-1], "curve is not of the tempi 30 to 339"),
        ([[2.0 * bpm, each] for bpm, each in PAIRS], "curve is not of the tempi"),
        ([*PAIRS[:-1], [339.4, 1e9]], "curve '1000000000.0' is not a number from -20 to 20"),
        ([*PAIRS[:-1], [339.4, float("nan")]], "curve"),
        ([*PAIRS[:-1], [339.4]], "not enough values"),
        ([*PAIRS[:-1], 339.4], "cannot unpack"),
        ([PAIRS[0]] * 1000, "curve is not a list of at most 15"),
    ],
)
def test_a_bad_curve_is_refused(tmp_path: Path, curve: Any, reason: str) -> None:
    path = tmp_path / "bad.profile"
    path.write_text(json.dumps(GOOD | {"curve": curve}), encoding="utf-8")
    with pytest.raises(DataError, match="not a profile of tempo") as error:
        Profile.load(path)
    assert reason in str(error.value)


def test_a_curve_is_needed_in_format_2(tmp_path: Path) -> None:
    path = tmp_path / "bad.profile"
    path.write_text(
        json.dumps({name: each for name, each in GOOD.items() if name != "curve"}), encoding="utf-8"
    )
    with pytest.raises(DataError, match="it has no 'curve'"):
        Profile.load(path)


def test_weights_are_straight_between_the_knots() -> None:
    profile = Profile(MODEL, 1.0, curve=CURVE)
    middle = float(np.sqrt(CURVE_BPMS[4] * CURVE_BPMS[5]))
    weights = profile.weights(np.array([60.0, middle, 240.0]), np.zeros(3, np.float32))
    assert np.log2(weights / (np.array([60.0, middle, 240.0]) / 100.0)) == pytest.approx([-1.0, -0.75, 3.0])


def test_estimates_follow_the_curve() -> None:
    heard = hear_script(
        [80.0] * 20,
        {"classify": rows(*[bump((80.0, 0.7), (160.0, 0.3))] * 20)},
        embeddings=np.tile(np.ones(3, np.float32), (20, 1)),
    )
    profile = Profile(MODEL, curve=CURVE)
    estimate, distribution = TrackDecoder(SPEC, lambda windows: windows, SearchOptions(), profile).decode_all(
        heard
    )
    assert estimate.bpm == pytest.approx(160.0, rel=0.005)
    near = [distribution[np.abs(BPMS / bpm - 1.0) < 0.04].sum() for bpm in (80.0, 160.0)]
    assert near[1] / near[0] == pytest.approx(4.0 * 3 / 7, rel=0.05)
