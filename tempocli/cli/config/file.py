"""The configuration file: TOML with a table for each command."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from tempocli.cli.config.settings import HOMELY, SettingError, is_settable, key, spelling, usual_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a configuration file says.

    Attributes
    ----------
    path : str
    exists : bool
    tables : dict
        By the names of commands.
    """

    path: str
    exists: bool
    tables: dict[str, Any]

    @classmethod
    def read(cls, path: str | None) -> ConfigFile:
        """Read a file; by default the user's, if there is one.

        Raises
        ------
        SettingError
            If it is no TOML.
        OSError
            If it cannot be read.
        """
        try:
            with open(usual_path() if path is None else path, "rb") as file:
                import tomllib

                return cls(file.name, True, tomllib.load(file))
        except (FileNotFoundError, NotADirectoryError):
            if path is not None:
                raise
            return cls(usual_path(), False, {})
        except ValueError as error:  # also bytes that are no UTF-8
            raise SettingError(f"{path or usual_path()}: {error}") from None

    def check_tables(self, commands: Mapping[str, str]) -> Iterator[str]:
        """Yield what is wrong with the names of the tables, one line each."""
        for name, table in self.tables.items():
            if not isinstance(table, dict):
                yield f"{self.path}: {name}: must be in the table of a command, such as [estimate]"
            elif name not in commands:
                yield f"{self.path}: [{name}]: there is no such command{_nearest(name, commands)}"

    def defaults(self, command: click.Command, names: tuple[str, ...]) -> tuple[dict[str, Any], list[str]]:
        """Return the defaults of a command, or of the commands in a group, for click.

        Parameters
        ----------
        command : click.Command
        names : tuple of str
            Names of the command and the groups above it, without ``tempo``.

        Returns
        -------
        dict
            By the names of arguments in Python; in a group, by commands.
        list of str
            What is wrong in the file, one line each.
        """
        table: Any = self.tables
        for name in names:
            table = table.get(name, {})
        problems: list[str] = []
        return self._read(table, command, names, problems), problems

    def _read(
        self, table: dict[str, Any], command: click.Command, names: tuple[str, ...], problems: list[str]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        known = {spelling(each): each for each in command.params if isinstance(each, click.Option)}
        settable = {name: each for name, each in known.items() if is_settable(each)}
        context = click.Context(command)
        inner = command.list_commands(context) if isinstance(command, click.Group) else []
        for given, value in table.items():
            where = f"{self.path}: {key(names, given)}"
            name = given.replace("_", "-")
            if isinstance(command, click.Group) and given in inner and isinstance(value, dict):
                each = command.get_command(context, given)
                if each is not None:
                    found[given] = self._read(value, each, (*names, given), problems)
            elif name in settable:
                wrong = _wrong_type(settable[name], value)
                if wrong is not None:
                    problems.append(f"{where}: {wrong}")
                elif name in HOMELY:
                    value = os.path.expanduser(value)
                found[settable[name].name or ""] = value
            elif name in known:
                problems.append(f"{where}: --{name} can be given on the command line only")
            else:
                problems.append(f"{where}: there is no such setting{_nearest(name, [*settable, *inner])}")
        return found


def _wrong_type(option: click.Parameter, value: Any) -> str | None:
    """Return what a value should be, if it is something else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if option.multiple:
        fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return None if fits else 'must be a list of texts, such as ["a", "b"]'
    if isinstance(option.type, click.types.IntParamType):
        return None if is_number and isinstance(value, int) else "must be a whole number"
    if isinstance(option.type, click.types.FloatParamType):
        return None if is_number else "must be a number"
    return None if isinstance(value, str) else "must be a text in quotes"


def _nearest(name: str, known: Any) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
