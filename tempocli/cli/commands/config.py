"""``tempo config``: the defaults of options, and where they were set."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from tempocli.cli.config import settings
from tempocli.cli.config.file import ConfigFile
from tempocli.cli.terminal import console
from tempocli.errors import TempoError
from tempocli.output.formats.layout import encode, escape, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_COLUMNS = ("command", "option", "value", "source", "variable")

_EXAMPLES = """\b
Examples:
  tempo config                          what is set, and where
  tempo config --all                    every setting, its value, and its variable
  $EDITOR "$(tempo config --path)"      edit the file
  TEMPO_ESTIMATE_JOBS=2 tempo config    variables count more than the file
  tempo --no-config estimate song.mp3   without file and variables

The file is TOML, with a table for each command:
  [estimate]
  min-bpm = 70
  max-bpm = 180

In a pipe: a header and the tab-separated columns command, option, value, source, variable; source is default,
file or variable. See docs/configuration.md. Exit status: 0 success, 1 something that is set is not usable, 2
usage error or no TOML.
"""


@dataclass(frozen=True, slots=True)
class _Setting:
    """An option with its value, and where that is from."""

    names: tuple[str, ...]
    option: click.Parameter
    value: Any
    source: str

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the columns."""
        option = f"--{settings.spelling(self.option)}"
        variable = settings.variable(self.names, self.option)
        return " ".join(self.names), option, _text(self.value), self.source, variable


@click.command("config", epilog=_EXAMPLES)
@click.option("--all", "everything", is_flag=True, help="Also show what is not set, with the variables.")
@click.option("--path", "only_path", is_flag=True, help="Print the path of the file, which need not exist.")
@click.pass_context
def command(context: click.Context, everything: bool, only_path: bool) -> None:
    """Show the defaults that are set in the configuration file and in environment variables."""
    root = context.find_root()
    if root.params["no_config"]:
        raise click.UsageError("--no-config has no use with 'tempo config'.")
    file = ConfigFile.read(root.params["config"])
    if only_path:
        console.write(encode(f"{file.path}\n"))
        return
    problems: list[str] = []
    found = list(_settings(root, file, problems))
    problems += _unknown_variables(root)
    shown = [each for each in found if everything or each.source != "default"]
    if console.stdout_is_terminal():
        _show(file, shown, everything=everything)
    else:
        rows = [_COLUMNS, *(each.cells for each in shown)]
        console.write(encode("".join("\t".join(map(escape, row)) + "\n" for row in rows)))
    for problem in problems:
        console.error(problem)
    context.exit(1 if problems else 0)


def _settings(root: click.Context, file: ConfigFile, problems: list[str]) -> Iterator[_Setting]:
    group = root.command
    assert isinstance(group, click.Group)
    known = dict.fromkeys(group.list_commands(root), "")
    problems += file.check_tables(known)
    usable = ConfigFile(
        file.path,
        file.exists,
        {name: table for name, table in file.tables.items() if name in known and isinstance(table, dict)},
    )
    defaults: dict[str, Any] = {}
    for name in usable.tables:
        top = group.get_command(root, name)
        assert top is not None
        defaults[name], wrong = usable.defaults(top, (name,))
        problems += wrong
    for names, each in settings.leaves(group, root):
        table = defaults
        for name in names:
            table = table.get(name, {})
        for option in filter(settings.is_settable, each.params):
            yield _of(names, each, option, table, file, problems)


def _of(
    names: tuple[str, ...],
    command: click.Command,
    option: click.Parameter,
    table: dict[str, Any],
    file: ConfigFile,
    problems: list[str],
) -> _Setting:
    """Return the setting of an option, and check it."""
    context = click.Context(command, info_name=names[-1])
    context.params["quiet"] = True
    value, source = option.value_from_envvar(context), "variable"
    where = settings.variable(names, option)
    if value is None and option.name in table:
        value, source = table[option.name], "file"
        where = f"{file.path}: {settings.key(names, settings.spelling(option))}"
    if value is None:
        return _Setting(names, option, option.get_default(context), "default")
    try:
        with context.scope(cleanup=False):
            option.process_value(context, value)
    except (click.BadParameter, TempoError) as error:
        problem = f"{where}: {error.message if isinstance(error, click.BadParameter) else error}"
        # That it has the wrong type has been told.
        if not any(each.startswith(f"{where}: ") for each in problems):
            problems.append(problem)
    return _Setting(names, option, value, source)


def _unknown_variables(root: click.Context) -> Iterator[str]:
    """Yield a line for each variable of a command that sets nothing."""
    group = root.command
    assert isinstance(group, click.Group)
    known = {
        settings.variable(names, option)
        for names, command in settings.leaves(group, root)
        for option in filter(settings.is_settable, command.params)
    }
    prefixes = tuple(f"TEMPO_{name.upper()}_" for name in group.list_commands(root))
    for name in sorted(os.environ):
        if name.startswith(prefixes) and name not in known:
            yield f"{name}: there is no such setting"


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value) if isinstance(value, str | int | float) else ""


def _show(file: ConfigFile, shown: list[_Setting], *, everything: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    output = console.results_console()
    note = "" if file.exists else " (not there)"
    output.print(Text(f"File: {printable(file.path)}{note}"), soft_wrap=True)
    if not shown:
        output.print(Text("Nothing is set: all options have the defaults of the program."))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Command", "Option", "Value", "From", *(["Variable"] if everything else [])):
        table.add_column(title, overflow="fold")
    for each in shown:
        command_name, option, value, source, variable = map(printable, each.cells)
        origin = variable if source == "variable" and not everything else source
        cells = (command_name, option, value, origin, *([variable] if everything else []))
        table.add_row(*map(Text, cells))
    output.print(table)
