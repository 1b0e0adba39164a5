"""tempo learn, and --profile of the commands that estimate, on real audio."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
import soundfile
from click.testing import CliRunner, Result
from clicks import make_clicks

import tempocli
from tempocli.cli import cli
from tempocli.cli.commands.corrections.learn import command as learn_command
from tempocli.cli.commands.estimate import command as estimate_command
from tempocli.cli.terminal import progress
from tempocli.decoding.profiles import files
from tempocli.decoding.profiles.profile import Profile, ProfileModel
from tempocli.errors import DataError, ModelError
from tempocli.output.review import CorrectionLog, read_corrections
from tempocli.output.review.corrections import Correction
from tempocli.schema import AudioInput, Part

if TYPE_CHECKING:
    from pathlib import Path

    from tempocli.estimator import Estimator


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments)], prog_name="tempo")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which also holds the profiles that have a name."""
    monkeypatch.setattr(files, "profiles_folder", lambda: tmp_path / "profiles")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def estimator(model_path: Path) -> Estimator:
    return tempocli.Estimator(device="cpu")


def music(folder: Path, *tempi: float) -> list[Path]:
    paths = []
    for bpm in tempi:
        paths.append(folder / f"{bpm:g}.wav")
        soundfile.write(paths[-1], make_clicks(bpm, 10.0), 22050)
    return paths


def table(folder: Path, rows: list[tuple[object, ...]], header: str = "path,bpm") -> Path:
    path = folder / "corrections.csv"
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows), ""]), encoding="utf-8")
    return path


def test_the_last_row_of_a_track_counts(tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    odd = 'odd\n,"\udcff.wav'
    with CorrectionLog(str(path)) as log:
        log.add("a.wav", None, Correction("correct", 120.0, 0.5))
        log.add("b.wav", None, Correction("accept", 90.0))
        log.add("mix.wav", Part(60.0, 30.0), Correction("correct", 150.0))
        log.add("a.wav", None, Correction("correct", 60.0))
        log.add(odd, None, Correction("correct", 75.5))
        log.undo("a.wav", None)
        log.undo("b.wav", None)
        log.add("mix.wav", Part(90.0), Correction("accept", 151.0))
    assert read_corrections(path) == [
        (AudioInput("a.wav"), 120.0),
        (AudioInput("mix.wav", Part(60.0, 30.0)), 150.0),
        (AudioInput(odd), 75.5),
        (AudioInput("mix.wav", Part(90.0)), 151.0),
    ]


def test_a_row_that_is_being_written_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "c.csv"
    path.write_text("path,bpm,action\na.wav,120,correct\nb.wav,9", encoding="utf-8")
    assert read_corrections(path) == [(AudioInput("a.wav"), 120.0)]
    assert "its last row is incomplete" in caplog.text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "row 1 is not a correction"),
        ("file,tempo\na.wav,120\n", "not a file of corrections: has no columns path and bpm"),
        ("path,bpm\na.wav,120\nb.wav,fast\n", "row 3 is not a correction"),
        ("path,bpm\na.wav,nan\n", "row 2 is not a correction"),
        ("path,bpm\na.wav,-5\n", "row 2 is not a correction"),
        ("path,bpm\n,120\n", "row 2 is not a correction"),
        ("path,bpm\na.wav,120,1\n", "row 2 is not a correction"),
        ("path,bpm,part_start\na.wav,120,later\n", "row 2 is not a correction"),
    ],
)
def test_what_is_no_file_of_corrections_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "c.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_corrections(path)
    assert str(error.value) == f"{path}: {reason}"


@pytest.mark.slow
def test_learn_says_what_it_learned_and_what_it_left_out(folder: Path, model_path: Path) -> None:
    music(folder, 90, 100, 110)
    soundfile.write(folder / "silence.wav", [0.0] * 22050 * 3, 22050)
    rows = [("90.wav", 90), ("100.wav", 100), ("110.wav", 500), ("silence.wav", 120), ("none.wav", 120)]
    done = run("learn", table(folder, rows), "-o", "my.profile", "--device", "cpu")
    assert done.exit_code == 3
    assert done.stdout == "no clear habit: the profile changes nothing\n"
    profile = Profile.load(folder / "my.profile")
    assert (profile.n_tracks, profile.n_wrong, profile.changes_nothing) == (2, 0, True)
    assert done.stderr.splitlines() == [
        "tempo: 110.wav: left out: 500 BPM is not within 30 to 300",
        "tempo: silence.wav: left out: silence",
        "tempo: none.wav: left out: No such file or directory",
        "tempo: 2 of 2 tracks right without a profile",
        f"tempo: my.profile: profile {profile.digest}, of 2 tracks",
    ]


@pytest.mark.slow
def test_a_profile_is_kept_by_a_name_and_used_by_it(folder: Path, model_path: Path) -> None:
    (path,) = music(folder, 100)
    again = folder / "again.csv"
    again.write_text(f"path,bpm\n{path},100\n", encoding="utf-8")
    done = run("learn", table(folder, [(path, 50)]), again, "--name", "mine", "--device", "cpu", "-q")
    assert (done.exit_code, done.stderr) == (0, "")
    profile = Profile.load(folder / "profiles" / "mine.profile")
    assert (profile.n_tracks, profile.n_wrong) == (1, 0)  # of the two files, the last one counts
    digest = profile.digest
    done = run("estimate", path, "--profile", "mine", "--format", "csv", "--device", "cpu")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert json.loads(row["settings"])["profile"] == digest
    assert row["model_version"].endswith(f"+profile-{digest}")


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ((), 2, "Give --output FILE or --name NAME."),
        (("-o", "a", "--name", "b"), 2, "Give --output FILE or --name NAME."),
        (("--name", "../b"), 1, "not a name for a profile"),
        (("-o", "corrections.csv"), 2, "is an input"),
        (("-o", "a", "--method", "periodicity", "--model", "tempo"), 2, "has no --model"),
    ],
)
def test_wrong_use_is_told_before_the_work(
    folder: Path, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    done = run("learn", table(folder, [("a.wav", 100)]), *arguments)
    assert done.exit_code == code
    assert reason in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("rows", [[], [("a.wav", "")], [("none.wav", 100)]])
def test_nothing_to_learn_from_is_an_error_and_writes_nothing(
    folder: Path, rows: Any, model_path: Path
) -> None:
    done = run("learn", table(folder, rows), "-o", "my.profile", "--device", "cpu")
    assert done.exit_code == 1
    assert "learn" in done.stderr.splitlines()[-1]
    assert not (folder / "my.profile").exists()


@pytest.fixture
def fast(folder: Path, estimator: Estimator) -> Profile:
    """A profile of the default models that doubles whatever can be doubled, by the name "fast"."""
    profile = Profile(ProfileModel.of(estimator.spec), 4.0)
    (folder / "profiles").mkdir()
    profile.save(files.path_of("fast"))
    return profile


@pytest.mark.slow
def test_all_ways_to_a_profile_agree(folder: Path, estimator: Estimator, fast: Profile) -> None:
    (path,) = music(folder, 85)
    assert estimator.estimate(path).bpm == pytest.approx(85.0, abs=0.05)
    expected = tempocli.Estimator(device="cpu", profile=fast).estimate(path)
    assert expected.bpm == pytest.approx(170.0, abs=0.1)
    assert tempocli.Estimator(device="cpu", profile="fast").estimate(path) == expected
    for arguments in (
        ("estimate", path, "--profile", "fast"),
        ("estimate", path, "--profile", "fast", "--timeout", "60"),  # in a worker process
        ("estimate", path, "--profile", folder / "profiles" / "fast.profile"),
    ):
        done = run(*arguments, "--format", "json", "--device", "cpu")
        (result,) = json.loads(done.stdout)["results"]
        assert result["bpm"] == pytest.approx(expected.bpm, abs=0.006)
        assert result["model_version"] == expected.model_version
    beats, again = (
        json.loads(run("beats", path, "--format", "json", "--device", "cpu", *more).stdout)["results"][0]
        for more in ((), ("--profile", "fast"))
    )
    assert len(again["beats"]) > 1.7 * len(beats["beats"])


@pytest.mark.slow
def test_resume_does_not_mix_profiles(folder: Path, fast: Profile) -> None:
    music(folder, 85)
    first = run("estimate", ".", "-o", "t.csv", "--device", "cpu")
    assert first.exit_code == 0
    done = run("estimate", ".", "-o", "t.csv", "--device", "cpu", "--resume", "--profile", "fast")
    assert done.exit_code == 1
    assert f"made with other settings (profile none, now {fast.digest})" in done.stderr


@pytest.mark.slow
def test_evaluate_scores_a_profile(folder: Path, fast: Profile) -> None:
    music(folder, 85)
    reference = table(folder, [("85.wav", 170)])
    scores = [
        json.loads(run("evaluate", reference, "--format", "json", "--device", "cpu", *more).stdout)
        for more in ((), ("--profile", "fast"))
    ]
    assert [each["accuracy1"]["value"] for each in scores] == [0.0, 100.0]


@pytest.mark.slow
def test_another_method_refuses_the_profile(folder: Path, fast: Profile) -> None:
    (path,) = music(folder, 85)
    done = run("estimate", path, "--profile", "fast", "--method", "classify", "--device", "cpu")
    assert done.exit_code == 1
    assert done.stderr == (
        "tempo: the profile was learned with the model tempo+compare 2+2, not with tempo 2: learn it again\n"
    )


def test_an_unknown_name_lists_the_known(folder: Path, fast: Profile) -> None:
    done = run("estimate", "song.wav", "--profile", "slow")
    assert done.exit_code == 2
    assert "slow: no such profile; the names are fast; anything else is a path" in done.stderr


def test_a_profile_may_be_the_users_default(
    folder: Path, fast: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPO_ESTIMATE_PROFILE", "slow")
    done = run("estimate", "song.wav")
    reason = "slow: no such profile; the names are fast; anything else is a path"
    assert (done.exit_code, done.stderr) == (2, f"tempo: TEMPO_ESTIMATE_PROFILE: {reason}\n")
    monkeypatch.setenv("TEMPO_LEARN_NAME", "mine")
    done = run("learn", table(folder, []), "-o", "my.profile")
    assert done.stderr.endswith(": no tempi to learn from\n")


def test_names_are_completed(folder: Path, fast: Profile) -> None:
    fast.save(files.path_of("film"))
    fast.save(files.path_of("other"))
    (option,) = [each for each in estimate_command.params if each.name == "profile"]
    context = estimate_command.make_context("estimate", ["x.wav"], resilient_parsing=True)
    assert [each.value for each in option.shell_complete(context, "f")] == ["fast", "film"]
    (name,) = [each for each in learn_command.params if each.name == "name"]
    assert [each.value for each in name.shell_complete(context, "f")] == ["fast", "film"]
    (path,) = option.shell_complete(context, "./f")
    assert (path.value, path.type) == ("./f", "file")


@pytest.mark.slow
def test_progress_is_told(folder: Path, estimator: Estimator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_FIRST_SECONDS", 0.0)
    corrections = table(folder, [(path, path.stem) for path in music(folder, 90, 120, 150)])
    done = run("learn", corrections, "-o", "my.profile", "--device", "cpu", "--jobs", 1)
    assert done.exit_code == 0
    assert re.search(r"^tempo: 1/3 files, [\d.]+/s, .* left$", done.stderr, re.MULTILINE)
    assert "files" not in run("learn", corrections, "-o", "my.profile", "--device", "cpu", "-q").stderr


@pytest.mark.slow
def test_an_estimator_learns_in_python(folder: Path, estimator: Estimator, fast: Profile) -> None:
    tempi = {str(path): float(path.stem) for path in music(folder, 90, 120)}
    profile = estimator.learn(tempi)
    assert profile.changes_nothing
    assert profile.n_tracks == 2
    with pytest.raises(ValueError, match="cannot learn another one"):
        tempocli.Estimator(device="cpu", profile=fast).learn(tempi)
    with pytest.raises(ModelError, match="learn it again"):
        tempocli.Estimator("equivariant", method="classify", device="cpu", profile=fast)


@pytest.mark.skipif(sys.platform != "linux", reason="the folder of Linux")
def test_the_folder_of_profiles_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert files.profiles_folder() == tmp_path / "tempo" / "profiles"
