"""Profiles: learned from what a person says, kept in a file, applied to tempo distributions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scripted import AXIS, BPMS, both, bump, hear_script, rows, spec

import tempocli
from tempocli.decoding.profiles import files
from tempocli.decoding.profiles.fitting import Data, likelihood
from tempocli.decoding.profiles.learning import Evidence, learn, tempo_under
from tempocli.decoding.profiles.profile import MAX_BYTES, Profile, ProfileModel
from tempocli.decoding.track_decoder import TrackDecoder
from tempocli.errors import DataError, ModelError
from tempocli.inference.options import SearchOptions

if TYPE_CHECKING:
    from pathlib import Path

SPEC = spec(checksum="ab" * 32, embedding_dim=3)
MODEL = ProfileModel.of(SPEC)
ROCK, TECHNO = np.array([1.0, 0.0, 0.2], np.float32), np.array([0.0, 1.0, 0.2], np.float32)


def evidence(slow: float, share: float, style: Any = ROCK) -> Evidence:
    """A track with a share of the distribution at twice a tempo, the rest at the tempo."""
    bpm = 2.0 * slow if share > 0.5 else slow
    return Evidence(bpm, bump((slow, 1.0 - share), (2.0 * slow, share)), style)


def fast_counter(n_tracks: int) -> tuple[list[Evidence], list[float]]:
    """Of four tracks, one whose tempo is halved, and three with the tempo that the person says."""
    slow = np.linspace(72.0, 95.0, n_tracks)
    shares = [0.35 if number % 4 == 0 else 0.8 for number in range(n_tracks)]
    return [evidence(*each) for each in zip(slow, shares, strict=True)], list(2.0 * slow)


def test_who_counts_fast_is_followed() -> None:
    learned = learn(*fast_counter(20), SPEC)
    assert (learned.n_right_before, learned.n_right_after) == (15, 20)
    profile = learned.profile
    assert 0.9 < profile.exponent < 4.0
    assert (profile.n_tracks, profile.n_wrong) == (20, 5)
    assert profile.words == (
        "counts 144 to 183 BPM where the default halves (5 tracks; the profile follows in 5)",
        f"on average, a tempo counts {2**profile.exponent:.1f} times as much against its half",
    )
    heard = evidence(80.0, 0.35)
    assert (heard.bpm, tempo_under(profile, heard, AXIS)) == (80.0, pytest.approx(160.0, rel=0.01))
    clear = evidence(80.0, 0.02)
    assert tempo_under(profile, clear, AXIS) == 80.0


def test_who_counts_slowly_is_followed() -> None:
    slow = np.linspace(72.0, 95.0, 21)
    heard = [evidence(bpm, 0.1 if number % 3 else 0.6) for number, bpm in enumerate(slow)]
    learned = learn(heard, list(slow), SPEC)
    assert learned.profile.exponent < -0.5
    assert learned.profile.words[0].startswith("counts 72 to 93 BPM where the default doubles (7 tracks; ")
    assert learned.profile.words[-1].endswith("times as much against its double")
    assert tempo_under(learned.profile, evidence(80.5, 0.55), AXIS) == pytest.approx(80.5, rel=0.01)


def test_who_accepts_everything_changes_nothing() -> None:
    heard, _ = fast_counter(20)
    learned = learn(heard, [each.bpm for each in heard], SPEC)
    assert learned.profile.changes_nothing
    assert learned.profile.words == ("no clear habit: the profile changes nothing",)
    assert (learned.n_right_before, learned.n_right_after) == (20, 20)


@pytest.mark.parametrize(
    "said",
    [
        160.0,  # one wrong octave may be a whim
        123.0,  # no octave: no reweighting would help
    ],
)
def test_too_little_to_learn_from_changes_nothing(said: float) -> None:
    heard = [evidence(80.0, 0.3), evidence(75.0, 0.3), evidence(90.0, 0.7)]
    tempi = [said, 75.0, 180.0] if said == 160.0 else [said, 1.5 * 75.0, 180.0]
    profile = learn(heard, tempi, SPEC).profile
    assert profile.changes_nothing
    assert profile.n_wrong == (1 if said == 160.0 else 2)


def test_a_profile_that_does_worse_on_tracks_left_out_is_not_kept() -> None:
    # Two of each: no direction, and what one says is wrong for the others, which are nearly even.
    heard = [evidence(70.0 + number, 0.49) for number in range(4)]
    heard += [evidence(70.0 + number, 0.51) for number in range(4)]
    tempi = [2.0 * (70.0 + number) if number < 2 else 70.0 + number for number in range(4)]
    tempi += [70.0 + number if number < 2 else 2.0 * (70.0 + number) for number in range(4)]
    learned = learn(heard, tempi, SPEC)
    assert learned.n_right_before == 4
    assert learned.profile.changes_nothing


def test_few_tracks_change_less_than_many() -> None:
    few, many = (learn(*fast_counter(n_tracks), SPEC).profile.exponent for n_tracks in (8, 40))
    assert 0.1 < few < 0.8 * many


def test_styles_may_be_counted_differently() -> None:
    heard = [evidence(75.0 + number, 0.4, TECHNO if number % 2 else ROCK) for number in range(24)]
    tempi = [(2.0 if number % 2 else 1.0) * (75.0 + number) for number in range(24)]
    profile = learn(heard, tempi, SPEC).profile
    assert profile.exponent_of(TECHNO) > profile.exponent_of(ROCK) + 0.5
    for style, factor in ((TECHNO, 2.0), (ROCK, 1.0)):
        bpm = tempo_under(profile, evidence(90.5, 0.4, style), AXIS)
        assert bpm == pytest.approx(factor * 90.5, rel=0.01)


def test_a_style_that_was_not_heard_is_counted_as_the_average() -> None:
    plain = np.array([1.0, 0.0, 0.0], np.float32)
    heard = [replace(each, embedding=plain + np.array([0.0, number % 3, 0.0], np.float32))
             for number, each in enumerate(fast_counter(20)[0])]  # fmt: skip
    profile = learn(heard, fast_counter(20)[1], SPEC).profile
    assert profile.style[2] == 0.0


def test_the_likelihood_has_the_derivatives_that_it_says() -> None:
    heard, tempi = fast_counter(6)
    data = Data.of(heard, tempi, AXIS)
    at = np.linspace(-1.0, 2.0, 6)
    value, slope, bend = likelihood(at, data)
    above, below = (likelihood(at + step, data) for step in (1e-4, -1e-4))
    assert slope == pytest.approx((above[0] - below[0]) / 2e-4, abs=1e-6)
    assert bend == pytest.approx((above[1] - below[1]) / 2e-4, abs=1e-6)
    assert (value < 0.0).all()


def test_nothing_to_learn_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 tracks"):
        learn([], [], SPEC)
    with pytest.raises(ValueError, match="1 tracks and 2 tempi"):
        learn([evidence(80.0, 0.3)], [1.0, 2.0], SPEC)


def test_a_profile_is_a_small_file_that_can_be_read(tmp_path: Path) -> None:
    profile = learn(*fast_counter(20), SPEC).profile
    path = tmp_path / "my.profile"
    profile.save(path)
    assert tempocli.Profile.load(path) == profile
    text = path.read_text(encoding="utf-8")
    assert len(text) < 2000
    assert text.splitlines()[:4] == [
        "{",
        '  "tempo_profile": 1,',
        '  "words": [',
        '    "counts 144 to 183 BPM where the default halves (5 tracks; the profile follows in 5)",',
    ]
    assert json.loads(text)["model"]["sha256"] == {"scripted": "ab" * 32}


def test_what_changes_estimates_changes_the_digest() -> None:
    profile = Profile(MODEL, 1.0, (0.1, 0.2, 0.3), 0.1, 20, 5, ("counts fast",))
    assert replace(profile, words=(), n_tracks=3, n_wrong=1).digest == profile.digest
    others = [
        replace(profile, exponent=1.1),
        replace(profile, style=(0.1, 0.2, 0.4)),
        replace(profile, style_centre=0.0),
        replace(profile, model=replace(MODEL, version="8")),
        replace(profile, model=replace(MODEL, sha256=(("scripted", "0"),))),
        replace(profile, model=replace(MODEL, references=("mine",))),
    ]
    assert len({profile.digest, *(each.digest for each in others)}) == 7


GOOD = json.loads(Profile(MODEL, 1.0, (0.1, 0.2, 0.3), 0.1).to_json())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"tempo_profile": 3}, "its format is '3', not 1 or 2"),
        ({"exponent": float("nan")}, "exponent 'nan' is not a number from -4 to 4"),
        ({"exponent": 1e9}, "exponent"),
        ({"exponent": "1"}, "exponent"),
        ({"style": [0.1, "x"]}, "style"),
        ({"style": {}}, "style is not a list"),
        ({"style": [0.0] * 10_000}, "style is not a list"),
        ({"style_centre": None}, "style_centre"),
        ({"model": []}, "list indices"),
        ({"model": {"name": "\x1b[31m"}}, "no 'references'"),
        ({"model": GOOD["model"] | {"name": "\x1b[31m"}}, "name is not a text"),
        ({"model": GOOD["model"] | {"sha256": "ab"}}, "no attribute"),
        ({"words": "none"}, "words is not a list"),
        ({"tracks": -1}, "tracks"),
        ({"tracks": True}, "tracks"),
    ],
)
def test_a_file_that_is_no_profile_is_refused(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    path = tmp_path / "bad.profile"
    path.write_text(json.dumps(GOOD | change), encoding="utf-8")
    with pytest.raises(DataError) as error:
        Profile.load(path)
    assert str(error.value).startswith(f"{path}: not a profile of tempo: ")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]", b"{}", b"[" * 100_000, b" " * (MAX_BYTES + 1)])
def test_other_files_are_no_profiles(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.profile"
    path.write_bytes(data)
    with pytest.raises(DataError, match="not a profile of tempo"):
        Profile.load(path)


def test_a_profile_that_is_missing_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        Profile.load(tmp_path / "none.profile")


def test_it_belongs_to_its_model() -> None:
    profile = Profile(MODEL, 1.0)
    profile.check(SPEC)
    with pytest.raises(ModelError, match="learned with the model scripted 7, not with scripted 8"):
        profile.check(replace(SPEC, version="8"))
    with pytest.raises(ModelError, match="learned with the model other files or references, not with these"):
        profile.check(replace(SPEC, checksum="cd" * 32))
    with pytest.raises(ModelError, match="learn it again"):
        replace(profile, style=(0.1, 0.2)).check(SPEC)
    pair = both(checksum="ab")
    assert ProfileModel.of(pair).sha256 == (("classify", "ab"), ("compare", "ab"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of profiles that have a name."""
    monkeypatch.setattr(files, "profiles_folder", lambda: tmp_path / "profiles")
    return tmp_path / "profiles"


def test_profiles_are_found_by_name_or_path(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert files.list_profiles() == []
    with pytest.raises(DataError, match=f"mine: no such profile; {folder} has none; anything else is a path"):
        files.find_profile("mine")
    folder.mkdir()
    for number, name in enumerate(("mine", "drum and bass", "größer")):
        Profile(MODEL, float(number)).save(files.path_of(name))
    (folder / "notes.txt").touch()
    (folder / "..profile").touch()
    assert files.list_profiles() == ["drum and bass", "größer", "mine"]
    assert files.find_profile("drum and bass").exponent == 1.0
    assert files.find_profile(folder / "größer.profile").exponent == 2.0
    monkeypatch.chdir(tmp_path)
    Profile(MODEL, 3.0).save("mine")  # a name comes first; ./mine is the file
    assert [files.find_profile(each).exponent for each in ("mine", "./mine")] == [0.0, 3.0]
    with pytest.raises(DataError, match="the names are drum and bass, größer, mine"):
        files.find_profile("other")


@pytest.mark.parametrize(
    "name", ["", "..", "../mine", "a/b", "a\0b", "-x", ".x", "mine.profile", "x" * 80, "a\n"]
)
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(DataError, match="not a name for a profile"):
        files.path_of(name)


def decode(profile: Profile | None, **changes: Any) -> Any:
    heard = hear_script(
        [80.0] * 20,
        {"classify": rows(*[bump((80.0, 0.7), (160.0, 0.3))] * 20)},
        embeddings=np.tile(TECHNO, (20, 1)),
        **changes,
    )
    return TrackDecoder(SPEC, lambda windows: windows, SearchOptions(), profile).decode_all(heard)


def test_an_estimate_under_a_profile_is_consistent() -> None:
    plain, distribution = decode(None)
    assert distribution @ (np.abs(BPMS / 80.0 - 1.0) < 0.04) == pytest.approx(0.7, abs=0.01)
    profile = Profile(MODEL, 0.0, (0.0, 2.0, 0.0), 0.0)
    estimate, reweighted = decode(profile)
    factor = 2.0 ** profile.exponent_of(TECHNO)
    assert estimate.bpm == pytest.approx(160.0, rel=0.005)
    assert plain.bpm == pytest.approx(80.0, rel=0.005)
    first, second = estimate.candidates[:2]
    assert (first.bpm, first.relation, second.relation) == (estimate.bpm, "1", "1/2")
    assert first.probability / second.probability == pytest.approx(factor * 3 / 7, rel=0.03)
    assert reweighted.sum() == pytest.approx(1.0)
    assert estimate.octave_confidence == pytest.approx(factor * 3 / (factor * 3 + 7), abs=0.01)
    assert [point.bpm for point in estimate.curve] == pytest.approx([160.0] * 20, rel=0.01)
    assert [section.bpm for section in estimate.tempo_sections] == [estimate.bpm]
    assert (plain.model_version, estimate.model_version) == ("7", f"7+profile-{profile.digest}")


def test_sections_are_counted_as_the_track() -> None:
    tempi = [70.0] * 14 + [82.0] * 22
    heard = hear_script(
        tempi,
        {"classify": rows(*(bump((bpm, 0.7), (2.0 * bpm, 0.3)) for bpm in tempi))},
        embeddings=np.tile(TECHNO, (36, 1)),
    )
    plain, estimate = (
        TrackDecoder(SPEC, lambda windows: windows, SearchOptions(), profile).decode(heard)
        for profile in (None, Profile(MODEL, 2.0))
    )
    assert estimate.steady is False
    borders = [[(each.start, each.end) for each in found.tempo_sections] for found in (plain, estimate)]
    assert borders[0] == borders[1]
    assert [section.bpm for section in estimate.tempo_sections] == pytest.approx([140.0, 164.0], rel=0.01)


def test_a_profile_that_changes_nothing_gives_the_same_numbers() -> None:
    plain, distribution = decode(None)
    estimate, same = decode(Profile(MODEL))
    assert replace(estimate, model_version="7") == plain
    assert (same == distribution).all()


def test_another_models_profile_is_refused_before_the_work() -> None:
    with pytest.raises(ModelError, match="learn it again"):
        decode(Profile(replace(MODEL, name="other"), 1.0))
