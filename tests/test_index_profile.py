"""An index of tempi as one person counts them: tempo index --profile, and tempo similar on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import soundfile
from click.testing import CliRunner, Result
from songs import song

import tempocli
from tempocli.cli import cli
from tempocli.decoding.profiles.profile import CURVE_BPMS, Profile, ProfileModel
from tempocli.embedding.index.library import Library

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments)], prog_name="tempo")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder "music", a profile of a person who counts slowly, and another one."""
    (tmp_path / "music").mkdir()
    for bpm in (100.0, 125.0):
        soundfile.write(tmp_path / "music" / f"{bpm:g}.wav", song(bpm), 22050)
    soundfile.write(tmp_path / "other.wav", song(140.0), 22050)
    model = ProfileModel.of(tempocli.Estimator(device="cpu").spec)
    curve = tuple(20.0 if 45.0 < bpm < 75.0 else 0.0 for bpm in CURVE_BPMS)
    Profile(model, curve=curve).save(tmp_path / "slow.profile")
    Profile(model, 0.1).save(tmp_path / "mine.profile")
    return tmp_path


def tempi(index: Path) -> list[int]:
    return [round(entry.bpm or 0.0) for entry in Library(str(index)).tracks]


def test_tempi_are_counted_as_the_profile_says(folder: Path) -> None:
    out, music, slow = folder / "l.tempo", folder / "music", folder / "slow.profile"
    made = run("index", music, "-o", out, "--profile", slow, "--jobs", 2)
    assert made.exit_code == 0, made.output
    assert tempi(out) == [50, 63]
    info = run("index", "--info", "-o", out)
    assert f"profile          {Profile.load(slow).digest}\n" in info.stdout

    # A song that is not in the index is heard with its profile.
    found = run("similar", folder / "other.wav", "--index", out, "--bpm", 71, "--format", "json")
    assert found.exit_code == 0, found.output
    assert len(json.loads(found.stdout)) == 2
    far = run("similar", folder / "other.wav", "--index", out, "--bpm", 290)  # from 70, not from 140
    assert (far.exit_code, far.stdout) == (2, "")
    assert "up to 4 times faster or slower, not 4.1" in far.stderr


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("slow", "mine", "another profile"),
        ("slow", None, "a profile (give it by --profile)"),
        (None, "mine", "no profile"),
    ],
)
def test_profiles_are_not_mixed(folder: Path, before: str | None, after: str | None, words: str) -> None:
    def made(name: str | None, *more: str) -> Result:
        given = [] if name is None else ["--profile", folder / f"{name}.profile"]
        return run("index", folder / "music" / "100.wav", "-o", folder / "l.tempo", *given, *more)

    assert made(before).exit_code == 0
    again = made(before)
    assert (again.exit_code, again.stdout) == (0, "")
    other = made(after)
    assert (other.exit_code, other.stdout) == (1, "")
    assert f"was made with {words}; make it again with --rebuild" in other.stderr
    assert made(after, "--rebuild").exit_code == 0


def test_sections_are_those_of_the_profiles_tempo(folder: Path) -> None:
    out, slow = folder / "l.tempo", folder / "slow.profile"
    assert run("index", folder / "music", "-o", out, "--profile", slow, "--sections").exit_code == 0
    assert tempi(out) == [50, 63]
    found = run("similar", folder / "other.wav", "--section", 1, "--index", out, "--format", "json")
    assert found.exit_code == 0, found.output


def test_a_profile_of_another_model_is_refused(folder: Path) -> None:
    Profile(ProfileModel("other", "9", ())).save(folder / "other.profile")
    done = run("index", folder / "music", "-o", folder / "l.tempo", "--profile", folder / "other.profile")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "the profile was learned with the model other 9" in done.stderr
    assert not (folder / "l.tempo").exists()
