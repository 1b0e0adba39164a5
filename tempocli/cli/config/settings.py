"""Which options can have a default of the user's own, and the environment variables of these defaults."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from tempocli.cli.terminal import console

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

# By spelling. Options that name what is read or written, and those of one run only, are left out; so are
# flags, since a flag that is set could not be taken back on the command line.
SETTABLE = frozenset(
    {
        "device", "exclude", "format", "index", "jobs", "max-bpm", "max-download", "max-memory", "max-stdin",
        "method", "min-bars", "min-bpm", "min-confidence", "model", "number", "parts", "port", "precision",
        "profile", "section-model", "tag-decimals", "threads", "timeout", "tolerance", "top", "weights",
    }
)  # fmt: skip
# Of these, what names a path may begin with ~ in the file.
HOMELY = frozenset({"index", "model", "profile", "section-model"})

_FOLDER = "tempo-estimate"  # that of profiles, too
FILE = "tempocli.config"  # in the meta data of a context: the path of the file


class SettingError(click.ClickException):
    """A default that is not usable; the message is one line that says where it was set."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        """Write the line to stderr."""
        console.error(self.message)


def usual_path() -> str:
    """Return the path of the user's file, which need not exist."""
    if sys.platform == "linux":
        # As platformdirs has it, which takes too long to import at each start.
        home = os.environ.get("XDG_CONFIG_HOME", "")
        folder = home if os.path.isabs(home) else os.path.join(os.path.expanduser("~"), ".config")
        return os.path.join(folder, _FOLDER, "config.toml")
    from platformdirs import user_config_dir

    return os.path.join(user_config_dir(_FOLDER), "config.toml")


def spelling(option: click.Parameter) -> str:
    """Return the name of an option as users know it, such as ``min-bpm``."""
    return max(option.opts, key=len).lstrip("-")


def is_settable(option: click.Parameter) -> bool:
    """Return whether an option can have a default of the user's own."""
    if not isinstance(option, click.Option) or option.is_flag or isinstance(option.type, click.Path):
        return False
    return spelling(option) in SETTABLE


def variable(names: tuple[str, ...], option: click.Parameter) -> str:
    """Return the variable of an option, such as ``TEMPO_ESTIMATE_MIN_BPM``.

    Parameters
    ----------
    names : tuple of str
        Names of the command and the groups above it, without ``tempo``.
    option : click.Parameter
    """
    return "_".join(("tempo", *names, spelling(option))).replace("-", "_").upper()


def with_variables(command: click.Command, names: tuple[str, ...], context: click.Context) -> click.Command:
    """Let the options of a command, and of the commands in a group, read their variables.

    click could name the variables itself (``auto_envvar_prefix``), but by the argument of the function, such
    as ``FORMAT_NAME``, and for every option.

    Parameters
    ----------
    command : click.Command
    names : tuple of str
        Names of the command and the groups above it, without ``tempo``.
    context : click.Context
        Of any command; with ``tempo --no-config``, no variable is read.
    """
    is_off = context.find_root().params.get("no_config")
    for option in command.params:
        if is_settable(option):
            option.envvar = None if is_off else variable(names, option)
    for name, each in getattr(command, "commands", {}).items():
        with_variables(each, (*names, name), context)
    return command


def leaves(
    group: click.Group, context: click.Context, names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield the commands of a group and of the groups in it, each with its names without ``tempo``."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, click.Context(command, context, info_name=name), (*names, name))
        elif command is not None:
            yield (*names, name), command


def is_given(name: str) -> bool:
    """Return whether the argument of this name, of the running command, was given on the command line."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def asked_format(format_name: str | None, output: str | None, suffixes: Container[str]) -> str | None:
    """Return the format to write; a known suffix of the file counts more than a default of the user's."""
    suffix = os.path.splitext(output or "")[1].lower()
    return None if suffix and suffix in suffixes and not is_given("format_name") else format_name


def explained(error: click.UsageError) -> click.ClickException:
    """Return an error of the command line that says which defaults of the user's own it comes from."""
    context = error.ctx
    if context is None or context.command is None:
        return error
    parameter = getattr(error, "param", None)
    if isinstance(error, click.BadParameter) and parameter is not None:
        where = _where(context, parameter)
        return error if where is None else SettingError(f"{where}: {error.message}")
    message = error.message
    words = message.replace(",", " ").replace(".", " ").replace(":", " ").split()
    for option in context.command.params:
        named = [name for name in option.opts if name in words]
        if named and (where := _where(context, option)) is not None:
            message += f" ({named[0]} is from {where})"
    return error if message == error.message else click.UsageError(message, context)


def _where(context: click.Context, parameter: click.Parameter) -> str | None:
    """Return where a value was set if that is not the command line or the program."""
    source = context.get_parameter_source(parameter.name or "")
    if source is ParameterSource.ENVIRONMENT:
        return str(parameter.envvar)
    if source is ParameterSource.DEFAULT_MAP:
        return f"{context.meta.get(FILE)}: {key(names_of(context), spelling(parameter))}"
    return None


def key(names: tuple[str, ...], name: str) -> str:
    """Return how messages write a key of the file, such as ``[estimate] jobs``."""
    return f"[{'.'.join(names)}] {name}"


def names_of(context: click.Context) -> tuple[str, ...]:
    """Return the names of a context's command and of the groups above it, without ``tempo``."""
    return tuple(_names(context))


def _names(context: click.Context) -> Iterator[str]:
    if context.parent is not None:
        yield from _names(context.parent)
        yield str(context.info_name)
