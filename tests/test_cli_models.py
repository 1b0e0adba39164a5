"""`tempo models`, and the help of all commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner, Result
from commands import on_a_terminal

import tempocli
from tempocli.cli import _COMMANDS, cli
from tempocli.cli.usage.groups import GroupedCommand, group_of
from tempocli.inference import registry

if TYPE_CHECKING:
    from pathlib import Path


class TestModels:
    def run(self, *args: str) -> Result:
        return CliRunner().invoke(cli, ["models", *args], prog_name="tempo")

    @pytest.fixture
    def entries(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[registry.ModelEntry]:
        path = tmp_path / "small.onnx"
        path.write_bytes(b"abc")
        sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        entries = [registry.ModelEntry("small", path, sha256, 3, "A\tsummary", "MIT", "4")]
        monkeypatch.setattr(registry, "list_models", lambda: entries)
        return entries

    def test_a_pipe_gets_tsv(self, entries: list[registry.ModelEntry]) -> None:
        result = self.run()
        header, row = (line.split("\t") for line in result.stdout.splitlines())
        assert result.exit_code == 0
        assert header == ["name", "size", "licence", "summary", "sha256", "path", "version"]
        assert row == ["small", "3", "MIT", "\\A\\tsummary", entries[0].sha256, str(entries[0].path), "4"]

    def test_verify(self, entries: list[registry.ModelEntry]) -> None:
        result = self.run("--verify")
        assert (result.exit_code, result.stderr) == (0, "")
        assert [line.split("\t")[-1] for line in result.stdout.splitlines()] == ["state", "ok"]

    def test_verify_finds_damage(self, entries: list[registry.ModelEntry]) -> None:
        entries[0].path.write_bytes(b"abd")
        result = self.run("--verify")
        assert result.exit_code == 1
        assert result.stdout.splitlines()[1].endswith("\tdamaged")
        assert str(entries[0].path) in result.stderr
        assert result.stderr.count("\n") == 1

    @pytest.mark.slow
    def test_a_terminal_gets_a_table(self, model_path: Path) -> None:
        code, shown, _ = on_a_terminal("models", "--verify")
        assert code == 0
        assert shown.split()[:6] == ["Name", "Version", "Size", "Licence", "Summary", "State"]
        assert "tempo" in shown


class TestHelp:
    @pytest.mark.parametrize("name", _COMMANDS)
    def test_every_command_is_there(self, name: str) -> None:
        result = CliRunner().invoke(cli, [name, "-h"], prog_name="tempo")
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Usage: tempo {name} ")

    def test_every_option_has_help(self) -> None:
        command = cli.get_command(click.Context(cli), "estimate")
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, parameter.name

    @pytest.mark.parametrize("name", _COMMANDS)
    def test_commands_with_many_options_have_them_in_groups(self, name: str) -> None:
        context = click.Context(cli)
        command = cli.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            return
        options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
        assert isinstance(command, GroupedCommand) == (len(options) > 12), len(options)
        if isinstance(command, GroupedCommand):
            assert [each.opts for each in options if group_of(each) is None] == []

    def test_each_option_is_in_its_group_once(self) -> None:
        shown = CliRunner().invoke(cli, ["estimate", "--help"], prog_name="tempo").stdout
        groups = ["Input", "Analysis", "Output", "Tags", "Speed and limits", "Messages"]
        places = [shown.index(f"\n{title}:\n") for title in groups]
        assert places == sorted(places)
        assert "\nOptions:" not in shown
        tags = shown[places[3] : places[4]]
        for option in ("--write-tags", "--tag-decimals"):
            assert f"  {option} " in tags
            assert shown.count(f"\n  {option} ") == 1
        command = cli.get_command(click.Context(cli), "estimate")
        assert command is not None
        for each in command.get_params(click.Context(command)):
            if isinstance(each, click.Option):
                assert shown.count(f"{each.opts[-1]} ") >= 1

    def test_the_examples_are_laid_out_as_written(self) -> None:
        shown = CliRunner().invoke(cli, ["estimate", "--help"], prog_name="tempo").stdout
        assert "find . -name '*.mp3' -print0 | tempo estimate --files-from - -0\n" in shown

    def test_version(self) -> None:
        result = CliRunner().invoke(cli, ["--version"], prog_name="tempo")
        assert result.stdout == f"tempo {tempocli.__version__}\n"

    def test_a_missing_file_in_place_of_a_command(self, music: Path) -> None:
        result = CliRunner().invoke(cli, ["missing.wav"], prog_name="tempo")
        assert result.exit_code == 2
        assert "No such command or file 'missing.wav'" in result.stderr
