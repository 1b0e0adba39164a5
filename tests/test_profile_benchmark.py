"""The parts of benchmarks/profiles.py: groups, draws, scores; on made-up distributions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import profiles
import pytest
from scripted import AXIS, bump, spec

from tempocli.decoding.profiles.learning import Evidence
from tempocli.decoding.profiles.profile import Profile, ProfileModel

if TYPE_CHECKING:
    from pathlib import Path

SPEC = spec(checksum="ab" * 32)
NONE = np.zeros(0, np.float32)


@pytest.fixture
def group() -> profiles.Group:
    """Forty tracks, of which every fourth is halved."""
    slow = np.linspace(72.0, 95.0, 40)
    shares = [0.35 if number % 4 == 0 else 0.8 for number in range(40)]
    heard = [
        Evidence(bpm if share < 0.5 else 2.0 * bpm, bump((bpm, 1.0 - share), (2.0 * bpm, share)), NONE)
        for bpm, share in zip(slow, shares, strict=True)
    ]
    return profiles.Group("fast", [f"{number}.wav" for number in range(40)], heard, list(2.0 * slow))


def test_a_draw_splits_the_tracks(group: profiles.Group) -> None:
    splits = profiles.draws(group, 5, 3)
    for some, rest in splits:
        assert sorted(some.paths + rest.paths) == sorted(group.paths)
        assert len(some.tempi) == 5
    assert len({tuple(some.paths) for some, _ in splits}) == 3


def test_scores_are_accuracies(group: profiles.Group) -> None:
    assert profiles.rights(group, None, AXIS).mean() == 0.75
    assert profiles.rights(group, None, AXIS, profiles._FAMILY).all()
    fast = Profile(ProfileModel.of(SPEC), 2.0)
    assert profiles.rights(group, fast, AXIS).all()


def test_the_rows_say_what_a_profile_brings(group: profiles.Group) -> None:
    row = profiles.draws_row("made", group, SPEC, 20, 3)
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[1:4] == ["fast (made)", "40", "75.0"]
    assert 20.0 < float(cells[4]) <= 30.0
    assert cells[6:8] == ["+0.00", "0 %"]
    assert "| 100.0 |" in profiles.hindsight_row("made", group, SPEC)
    assert profiles.accepting_row("made", group, SPEC, 3) == "| fast (made) | 0.00 % |"
    few = group.chosen(range(12))
    assert profiles.others_row("made", few, SPEC) == "| fast (made) | 75.0 | +25.00 |"
    assert "13 of 20 | +2" in profiles.doubtful_row("made", group, SPEC, 3)
    assert profiles.transfer_row(group, group, SPEC, 2) == "| fast | 75.0 | +25.00 |"


def test_the_confidence_is_that_of_the_reweighted_distribution(group: profiles.Group) -> None:
    halved = group.evidence[0]
    blank = Profile(ProfileModel.of(SPEC))
    assert profiles._octave(blank, halved, 144.0, SPEC) == (False, pytest.approx(0.65, abs=0.01))
    right, confidence = profiles._octave(replace(blank, exponent=2.0), halved, 144.0, SPEC) or (False, 0.0)
    assert (right, confidence) == (True, pytest.approx(1.4 / 2.05, abs=0.01))
    assert profiles._octave(blank, halved, 100.0, SPEC) is None


def test_groups_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: profiles.Group) -> None:
    rows = "".join(f"{path},{bpm},fnf\n" for path, bpm in zip(group.paths, group.tempi, strict=True))
    table = tmp_path / "some.csv"
    table.write_text(f"path,bpm,source\n{rows}other.wav,100,osu\nfew.wav,100,kmacleod\n", encoding="utf-8")
    calls = []

    def process(collector: Any, paths: list[str], jobs: int) -> Any:
        calls.append(paths)
        found = [*group.evidence, None, group.evidence[1]]
        return [type("Result", (), {"evidence": each}) for each in found]

    monkeypatch.setattr(profiles, "process_files", process)
    estimator: Any = type("Estimator", (), {"spec": SPEC})()
    for _ in range(2):
        (games,) = profiles.read_groups(table, estimator, tmp_path, 1)
        assert (games.name, len(games.tempi)) == ("games", 40)
        assert games.evidence[0].bpm == group.evidence[0].bpm
    assert [len(paths) for paths in calls] == [42]


def test_a_user_can_be_made_up(group: profiles.Group) -> None:
    assert [profiles.MADE["all between 70 and 140"](bpm) for bpm in (70.0, 140.0, 41.0, 300.0)] == (
        pytest.approx([70.0, 70.0, 82.0, 75.0])
    )
    cells = [cell.strip() for cell in profiles.made_row("fast", group, SPEC, 2).split("|")]
    assert cells[1:4] == ["fast", "fast", "75.0"]
    assert 20.0 < float(cells[4]) <= 30.0
