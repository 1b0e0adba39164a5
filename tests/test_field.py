"""Music of the kinds that users of tempo tools report trouble with, and ranges that a tempo is not in."""

from __future__ import annotations

import csv
import importlib.util
import sys
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from drums import RATE, ROCK, play
from field_music import EXACT, STEADY, UNSTEADY, pads, rubato

from tempocli.estimator import Estimator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tempocli.schema import Estimate

pytestmark = pytest.mark.slow

FIELD = Path(__file__).resolve().parents[2] / "shared" / "field"
FIELD_RATE = 44100


@pytest.fixture(scope="module")
def estimator(model_path: Path, compare_path: Path) -> Estimator:
    return Estimator(device="cpu")


@cache
def in_range(low: float, high: float) -> Estimator:
    return Estimator(device="cpu", min_bpm=low, max_bpm=high)


@cache
def piece(name: str) -> np.ndarray:
    return STEADY[name][1]()


def known_misses(names: Iterable[str], misses: dict[str, str]) -> list[Any]:
    """Expect what the models get wrong to fail; one that gets it right is noticed (xfail_strict)."""
    return [
        pytest.param(name, marks=pytest.mark.xfail(reason=misses[name])) if name in misses else name
        for name in names
    ]


def is_right(estimate: Estimate, tempi: tuple[float, ...], *, rel: float = 0.005) -> bool:
    return estimate.bpm is not None and any(abs(estimate.bpm / bpm - 1.0) <= rel for bpm in tempi)


@pytest.mark.parametrize("name", known_misses(STEADY, {"dembow 92": "twice the tempo"}))
def test_the_tempo_and_its_octave(estimator: Estimator, name: str) -> None:
    estimate = estimator.estimate_array(piece(name), RATE)
    assert is_right(estimate, STEADY[name][0]), estimate
    assert estimate.steady


@pytest.mark.parametrize("name", EXACT)
def test_exact_tempi(estimator: Estimator, name: str) -> None:
    bpm, make = EXACT[name]
    estimate = estimator.estimate_array(make(), RATE)
    assert estimate.bpm == pytest.approx(bpm, abs=0.02)
    assert estimate.steady


@pytest.mark.parametrize("name", UNSTEADY)
def test_tempi_that_change(estimator: Estimator, name: str) -> None:
    assert estimator.estimate_array(UNSTEADY[name](), RATE).steady is False


def test_two_tempi_are_named(estimator: Estimator) -> None:
    estimate = estimator.estimate_array(UNSTEADY["two tempi"](), RATE)
    first, second = estimate.tempo_sections
    for section, bpm in ((first, 97.0), (second, 133.0)):
        ratio = np.log2(section.bpm / bpm)
        assert ratio == pytest.approx(round(ratio), abs=0.01)
    assert is_right(estimate, (97.0, 133.0, 66.5, 194.0))


def test_chords_without_onsets_have_no_tempo(estimator: Estimator) -> None:
    estimate = estimator.estimate_array(pads(30.0), RATE)
    assert (estimate.bpm, estimate.reason) == (None, "no steady pulse")


def test_a_pianist_who_keeps_no_time(estimator: Estimator) -> None:
    estimates = [estimator.estimate_array(rubato(40.0, seed), RATE) for seed in range(6)]
    assert not any(estimate.steady for estimate in estimates)
    confidences = sorted(estimate.confidence for estimate in estimates)
    # One may have hit on something like a beat.
    assert confidences[-2] < 0.3
    assert confidences[-1] < 0.6


WRONG_RANGES = [
    ("house 123", 128, 150), ("house 123", 140, 165), ("house 123", 68, 108),
    ("waltz 94", 118, 130), ("waltz 94", 104, 116), ("waltz 94", 60, 82),
    ("drum and bass 172", 100, 148), ("drum and bass 172", 112, 140), ("drum and bass 172", 185, 250),
    ("hip hop 88", 100, 150), ("hip hop 88", 112, 140), ("hip hop 88", 50, 76),
    ("break 162", 100, 148), ("break 162", 175, 240), ("metronome 76", 86, 130),
]  # fmt: skip
# An octave of these lies in the range.
RIGHT_RANGES = [
    ("drum and bass 172", 60, 120, 86.0), ("house 123", 60, 100, 61.5), ("hip hop 88", 120, 200, 176.0),
    ("metronome 76", 100, 200, 152.0), ("waltz 94", 60, 130, 94.0), ("break 162", 70, 140, 81.0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "low", "high"), WRONG_RANGES)
def test_ranges_without_the_tempo(estimator: Estimator, name: str, low: float, high: float) -> None:
    estimate = in_range(low, high).estimate_array(piece(name), RATE)
    assert estimate.bpm is None or estimate.confidence <= 0.3
    if estimate.bpm is None:
        assert estimate.reason == f"no tempo between {low:g} and {high:g} BPM"


@pytest.mark.parametrize(("name", "low", "high", "bpm"), RIGHT_RANGES)
def test_ranges_with_an_octave(estimator: Estimator, name: str, low: float, high: float, bpm: float) -> None:
    estimate = in_range(low, high).estimate_array(piece(name), RATE)
    assert is_right(estimate, (bpm,)), estimate


STRETCHED = {
    "one tempo": lambda: play(112.0, 25.0, ROCK, chords=True, seed=1),
    "two tempi": lambda: np.concatenate([play(104.0, 24.0, ROCK), play(121.0, 30.0, ROCK, seed=1)]),
}


@cache
def stretched(name: str, rate: float) -> tuple[np.ndarray, int]:
    """The same recording, said to be played faster."""
    return STRETCHED[name](), round(RATE * rate)


@pytest.mark.parametrize("name", STRETCHED)
@pytest.mark.parametrize("rate", [0.8, 0.87, 0.95, 1.06, 1.13, 1.25])
def test_played_faster_it_is_faster_and_its_sections_shorter(
    estimator: Estimator, name: str, rate: float
) -> None:
    plain = estimator.estimate_array(*stretched(name, 1.0))
    faster = estimator.estimate_array(*stretched(name, rate))
    rate = stretched(name, rate)[1] / RATE
    octave = 2.0 ** round(np.log2(faster.bpm / plain.bpm / rate))
    if name == "one tempo":
        assert faster.bpm == pytest.approx(plain.bpm * rate * octave, rel=2e-3)
    # Errors are small; they scale with the tempo, but for what the frames add.
    scaled = plain.bpm_error * rate * octave
    assert scaled / 10.0 - 0.01 <= faster.bpm_error <= 10.0 * scaled + 0.01
    assert faster.steady == plain.steady
    assert len(faster.tempo_sections) == len(plain.tempo_sections)
    for one, other in zip(plain.tempo_sections, faster.tempo_sections, strict=True):
        ratio = np.log2(other.bpm / one.bpm / rate)
        assert ratio == pytest.approx(round(ratio), abs=0.005)
        # A border is known to a few windows' distance.
        assert other.start == pytest.approx(one.start / rate, abs=7.0)
        assert other.end == pytest.approx(one.end / rate, abs=7.0)
    assert faster.tempo_sections[0].start == 0.0
    assert faster.tempo_sections[-1].end == pytest.approx(plain.duration / rate, rel=1e-3)


@pytest.fixture(scope="module")
def field_cases() -> Any:
    """The generators of ../shared/field, imported as they lie there."""
    if not (FIELD / "cases.py").is_file():
        pytest.skip("needs ../shared/field, which is not here")
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(FIELD))
    try:
        spec = importlib.util.spec_from_file_location("field_cases", FIELD / "cases.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(FIELD))
        sys.modules.pop("drum_machine", None)
        sys.dont_write_bytecode = written


@lru_cache(maxsize=12)
def _made(make: Any) -> np.ndarray:
    return np.asarray(make())


def field_names() -> list[str]:
    """Names of the pieces; the module itself is imported by the fixture only."""
    if not (FIELD / "cases.py").is_file():
        return ["none"]
    text = (FIELD / "cases.py").read_text(encoding="utf-8")
    table = text[text.index("MUSIC = {") : text.index("def write_music")]
    return [line.split('"')[1] for line in table.splitlines() if line.startswith('    "')]


@pytest.mark.parametrize("name", field_names())
def test_the_cases_of_the_field(estimator: Estimator, field_cases: Any, name: str) -> None:
    bpm, also, _, make = field_cases.MUSIC[name]
    estimate = estimator.estimate_array(_made(make), FIELD_RATE)
    if name in {"cut_174", "lfo_breakdown_126", "loop_house_124_2bars"}:
        assert estimate.bpm == pytest.approx(bpm, abs=0.02)
    elif name == "ramp_100_160":
        assert estimate.steady is False
    elif name == "two_tempi_100_140":
        assert estimate.steady is False
        assert is_right(estimate, tuple(also))
    elif name == "pads":
        assert estimate.bpm is None
    elif name == "rubato_piano":
        assert estimate.bpm is None or (estimate.confidence < 0.3 and estimate.steady is False)
    else:
        assert is_right(estimate, (bpm, *also)), estimate
        assert estimate.steady


def field_ranges() -> list[tuple[str, float, float, float | None]]:
    if not (FIELD / "ranges.tsv").is_file():
        return [("none", 60.0, 120.0, None)]
    with (FIELD / "ranges.tsv").open(encoding="utf-8", newline="") as file:
        return [
            (row["piece"], float(row["min_bpm"]), float(row["max_bpm"]), float(row["right"] or 0.0) or None)
            for row in csv.DictReader(file, delimiter="\t")
        ]


@pytest.mark.parametrize(("name", "low", "high", "right"), field_ranges())
def test_the_ranges_of_the_field(
    estimator: Estimator, field_cases: Any, name: str, low: float, high: float, right: float | None
) -> None:
    samples = _made(field_cases.MUSIC[name][3])
    estimate = in_range(low, high).estimate_array(samples, FIELD_RATE)
    if right is None:
        assert estimate.bpm is None or estimate.confidence <= 0.3
    else:
        assert is_right(estimate, (right,)), estimate
