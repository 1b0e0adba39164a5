"""Defaults of options from a configuration file and from variables, and `tempo config`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
import platformdirs
import pytest
from click.testing import CliRunner, Result
from commands import on_a_terminal

from tempocli.cli import cli
from tempocli.cli.config import settings

if TYPE_CHECKING:
    from pathlib import Path

    from fake_estimator import FakeEstimator

# Options with a value that cannot be set, with those that are. A new option needs a decision: if it names
# what is read or written, or belongs to one run, it comes here, otherwise into SETTABLE.
COMMAND_LINE_ONLY = {
    "audio", "audio-home", "bpm", "bpm-range", "by", "cc-music", "click", "clips", "column", "data",
    "data-home", "dataset", "duration", "encoder", "engine", "estimates", "faster", "files-from", "from",
    "groove", "include", "length",
    "list", "metre", "model-version", "name", "out", "output", "path", "plot", "probe", "ray-address",
    "recipe", "references", "restore", "run", "save", "section", "sections", "seed", "skip", "slower",
    "sources", "start", "task", "to", "vectors", "write-tags",
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration file, in a folder of its own; it is not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    (tmp_path / "settings" / "tempo-estimate").mkdir(parents=True)
    return tmp_path / "settings" / "tempo-estimate" / "config.toml"


def tempo(*args: str) -> Result:
    return CliRunner().invoke(cli, args, prog_name="tempo")


def shown(*args: str) -> list[list[str]]:
    """Return the rows of `tempo config`."""
    result = tempo(*args, "config")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert rows[0] == ["command", "option", "value", "source", "variable"]
    return rows[1:]


def all_options() -> list[tuple[tuple[str, ...], click.Option]]:
    return [
        (names, option)
        for names, command in settings.leaves(cli, click.Context(cli))
        for option in command.params
        if isinstance(option, click.Option)
    ]


def test_the_command_line_beats_a_variable_and_that_the_file(
    music: Path, file: Path, fake: type[FakeEstimator], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("[estimate]\nmin-bpm = 40\nmax_bpm = 250\ntop = 3\n", encoding="utf-8")
    monkeypatch.setenv("TEMPO_ESTIMATE_TOP", "4")
    monkeypatch.setenv("TEMPO_ESTIMATE_MIN_BPM", "50")
    assert tempo("128.wav", "--min-bpm", "60").stdout == "128.00\n"
    assert [fake.created[name] for name in ("min_bpm", "max_bpm", "top")] == [60.0, 250.0, 4]


def test_the_own_defaults_count_without_a_file(music: Path, file: Path, fake: type[FakeEstimator]) -> None:
    assert tempo("128.wav").exit_code == 0
    assert (fake.created["min_bpm"], fake.created["max_bpm"], fake.created["top"]) == (30, 300, 5)


def test_format_has_a_variable_of_its_name(music: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPO_ESTIMATE_FORMAT", "csv")
    assert tempo("128.wav").stdout.startswith("path,bpm,")


def test_the_suffix_of_a_file_counts_more_than_a_set_format(music: Path, file: Path) -> None:
    file.write_text('[estimate]\nformat = "json"\n', encoding="utf-8")
    for name, start in (("a.csv", "path,"), ("a.dat", "{"), ("a", "{")):
        assert tempo("estimate", "128.wav", "-o", name).exit_code == 0
        assert (music / name).read_text(encoding="utf-8").startswith(start)
    assert tempo("estimate", "128.wav", "-o", "b.csv", "--format", "json").exit_code == 0
    assert (music / "b.csv").read_text(encoding="utf-8").startswith("{")


def test_decimals_of_tags_can_be_set_without_writing_tags(music: Path, file: Path) -> None:
    file.write_text("[estimate]\ntag-decimals = 1\n", encoding="utf-8")
    assert tempo("128.wav").stdout == "128.00\n"
    assert tempo("128.wav", "--tag-decimals", "1").exit_code == 2


def test_a_table_of_a_group_and_a_home(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(
        '[train.run]\ndevice = "cuda"\n[train.probe]\nparts = "timbre"\n[similar]\nindex = "~/a.tempo"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    assert shown() == [
        ["similar", "--index", f"{tmp_path}/a.tempo", "file", "TEMPO_SIMILAR_INDEX"],
        ["train probe", "--parts", "timbre", "file", "TEMPO_TRAIN_PROBE_PARTS"],
        ["train run", "--device", "cuda", "file", "TEMPO_TRAIN_RUN_DEVICE"],
    ]
    result = tempo("similar", "song.mp3")
    assert "a.tempo" in result.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[estimate]\njobs = "two"', "[estimate] jobs: must be a whole number"),
        ("[estimate]\njobs = true", "[estimate] jobs: must be a whole number"),
        ("[estimate]\nmin-bpm = '70'", "[estimate] min-bpm: must be a number"),
        ("[estimate]\nmethod = 1", "[estimate] method: must be a text in quotes"),
        ("[estimate]\nexclude = 'a'", '[estimate] exclude: must be a list of texts, such as ["a", "b"]'),
        ("[estimate]\nmin-bpm = 7", "[estimate] min-bpm: 7.0 is not in the range 30<=x<=300."),
        ("[estimate]\nmethod = 'x'", "[estimate] method: 'x' is not one of"),
        ("[estimate]\nmax-memory = '1KB'", "[estimate] max-memory: '1KB' is too little"),
        ("[estimate]\njob = 2", "[estimate] job: there is no such setting; did you mean 'jobs'?"),
        ("[estimate]\noutput = 'x'", "[estimate] output: --output can be given on the command line only"),
        ("[estimate]\nquiet = true", "[estimate] quiet: --quiet can be given on the command line only"),
        ("[estimat]", "[estimat]: there is no such command; did you mean 'estimate'?"),
        ("jobs = 2", "jobs: must be in the table of a command, such as [estimate]"),
        ("[estimate", "Expected ']' at the end of a table declaration"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(music: Path, file: Path, text: str, complaint: str) -> None:
    file.write_text(text, encoding="utf-8")
    result = tempo("estimate", "128.wav")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"tempo: {file}: {complaint}")
    assert len(result.stderr.splitlines()) == 1
    config = tempo("config")
    assert config.exit_code == (2 if text == "[estimate" else 1)
    assert config.stderr == result.stderr
    for args in (["--help"], ["estimate", "--help"], ["--no-config", "128.wav"], ["--version"]):
        assert tempo(*args).exit_code == 0


def test_a_file_that_is_no_utf8(music: Path, file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    result = tempo("128.wav")
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert str(file) in result.stderr


def test_a_profile_that_is_not_there(music: Path, file: Path) -> None:
    file.write_text("[estimate]\nprofile = 'absent'\n", encoding="utf-8")
    result = tempo("128.wav")
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert "absent" in result.stderr
    result = tempo("config")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"tempo: {file}: [estimate] profile: ")


def test_another_command_does_not_mind(music: Path, file: Path) -> None:
    file.write_text("[beats]\njob = 2\n", encoding="utf-8")
    assert tempo("128.wav").stdout == "128.00\n"


def test_a_bad_variable_is_told_by_its_name(music: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPO_ESTIMATE_TOP", "many")
    result = tempo("128.wav")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "tempo: TEMPO_ESTIMATE_TOP: 'many' is not a valid integer range.\n"
    assert tempo("config").stderr == result.stderr
    assert tempo("128.wav", "--top", "2").exit_code == 0
    assert tempo("--no-config", "128.wav").exit_code == 0


def test_a_contradiction_says_where_the_other_half_is_from(
    music: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('[estimate]\nmodel = "tempo"\n', encoding="utf-8")
    result = tempo("128.wav", "--method", "periodicity")
    assert result.exit_code == 2
    assert f"(--model is from {file}: [estimate] model)" in result.stderr
    monkeypatch.setenv("TEMPO_ESTIMATE_MIN_BPM", "100")
    result = tempo("128.wav", "--max-bpm", "90")
    assert "(--min-bpm is from TEMPO_ESTIMATE_MIN_BPM)" in result.stderr
    assert "--max-bpm is from" not in result.stderr


def test_another_file_by_option_and_variable(
    music: Path, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text("[estimate]\nprecision = 0\n", encoding="utf-8")
    file.write_text("[estimate]\nprecision = 1\n", encoding="utf-8")
    assert tempo("128.wav").stdout == "128.0\n"
    assert tempo("--config", str(other), "128.wav").stdout == "128\n"
    monkeypatch.setenv("TEMPO_CONFIG", str(other))
    assert tempo("128.wav").stdout == "128\n"
    assert tempo("config", "--path").stdout == f"{other}\n"
    monkeypatch.setenv("TEMPO_CONFIG", str(tmp_path / "absent.toml"))
    result = tempo("128.wav")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"tempo: {tmp_path}/absent.toml: No such file or directory\n"


def test_variables_that_set_nothing_are_told_by_config_only(
    music: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPO_ESTIMATE_JOB", "2")
    monkeypatch.setenv("TEMPO_ESTIMATE_OUTPUT", str(music / "written"))
    monkeypatch.setenv("TEMPO_ESTIMATE_QUIET", "1")
    monkeypatch.setenv("TEMPO_SOMETHING_ELSE", "2")
    result = tempo("128.wav")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "128.00\n", "")
    assert not (music / "written").exists()
    result = tempo("config")
    assert result.exit_code == 1
    names = [line.split(": ")[1] for line in result.stderr.splitlines()]
    assert names == ["TEMPO_ESTIMATE_JOB", "TEMPO_ESTIMATE_OUTPUT", "TEMPO_ESTIMATE_QUIET"]


def test_all_settings_with_their_variables(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPO_ESTIMATE_MAX_MEMORY", "2GB")
    rows = [line.split("\t") for line in tempo("config", "--all").stdout.splitlines()]
    assert ["estimate", "--max-memory", "2GB", "variable", "TEMPO_ESTIMATE_MAX_MEMORY"] in rows
    assert ["estimate", "--method", "both", "default", "TEMPO_ESTIMATE_METHOD"] in rows
    assert ["beats", "--timeout", "", "default", "TEMPO_BEATS_TIMEOUT"] in rows
    assert shown() == [["estimate", "--max-memory", "2GB", "variable", "TEMPO_ESTIMATE_MAX_MEMORY"]]
    assert tempo("--no-config", "config").exit_code == 2


@pytest.mark.slow
def test_config_on_a_terminal(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, text, _ = on_a_terminal("config")
    assert (code, "(not there)" in text, "Nothing is set" in text) == (0, True, True)
    file.write_text("[estimate]\nprecision = 1\n", encoding="utf-8")
    monkeypatch.setenv("TEMPO_BEATS_JOBS", "1")
    code, text, _ = on_a_terminal("config", columns=200)
    lines = text.replace("\r", "").splitlines()
    assert (code, lines[0]) == (0, f"File: {file}")
    assert [line.split() for line in lines[1:]] == [
        ["Command", "Option", "Value", "From"],
        ["estimate", "--precision", "1", "file"],
        ["beats", "--jobs", "1", "TEMPO_BEATS_JOBS"],
    ]


def test_every_option_has_been_decided_on() -> None:
    valued = {settings.spelling(option) for _, option in all_options() if not option.is_flag}
    assert valued == settings.SETTABLE | COMMAND_LINE_ONLY
    assert not settings.SETTABLE & COMMAND_LINE_ONLY


def test_variables_read_like_their_options_and_are_told_apart() -> None:
    found = [option.envvar for _, option in all_options() if settings.is_settable(option)]
    assert len(set(found)) == len(found)
    for names, option in all_options():
        if settings.is_settable(option):
            words = [*names, max(option.opts, key=len)[2:]]
            assert option.envvar == "_".join(["TEMPO", *words]).replace("-", "_").upper()
        else:
            assert option.envvar is None, option.opts


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it comes from platformdirs")
@pytest.mark.parametrize("home", [None, "", "/absolute"])
def test_the_path_is_that_of_platformdirs(home: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    if home is not None:
        monkeypatch.setenv("XDG_CONFIG_HOME", home)
    assert settings.usual_path() == f"{platformdirs.user_config_dir('tempo-estimate')}/config.toml"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it comes from platformdirs")
def test_a_relative_folder_of_settings_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert settings.usual_path() == f"{tmp_path}/.config/tempo-estimate/config.toml"
