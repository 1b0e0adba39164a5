"""Write a man page for each command, for packagers.

python docs/make_man.py DIR    # writes DIR/tempo.1, DIR/tempo-estimate.1 and so on

The pages are made from the commands' own help. Their date is that of SOURCE_DATE_EPOCH if it is set, else
today. click-man 0.6.0 does not fit: it finds no commands that are imported on use, leaves out what stands
below the options (examples, exit statuses), and escapes only hyphens.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tempocli import __version__
from tempocli.cli import cli
from tempocli.cli.config import settings
from tempocli.cli.usage.groups import GROUPS, GroupedCommand, group_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What roff would take for commands, or print as another character.
_SPECIAL = {
    "\\": r"\(rs",
    "-": r"\-",
    "'": r"\(aq",
    "`": r"\(ga",
    "~": r"\(ti",
    "^": r"\(ha",
    '"': r"\(dq",
}
_FILE = "config.toml in ~/.config/tempo-estimate on Linux; 'tempo config --path' prints where it is."


def escaped(text: str) -> str:
    """Return text as roff prints it."""
    text = "".join(_SPECIAL.get(character, character) for character in text)
    return rf"\&{text}" if text.startswith(".") else text


def filled(text: str) -> Iterator[str]:
    """Yield the lines of a paragraph."""
    words = " ".join(text.split())
    for line in textwrap.wrap(words, 76, break_long_words=False, break_on_hyphens=False):
        yield escaped(line)


def prose(text: str) -> Iterator[str]:
    r"""Yield the lines of text of paragraphs; those that begin with ``\b`` are kept as they are."""
    for number, block in enumerate(re.split(r"\n\s*\n", inspect.cleandoc(text))):
        if number:
            yield ".PP"
        if block.startswith("\b"):
            yield ".nf"
            yield from map(escaped, block.split("\n")[1:])
            yield ".fi"
        else:
            yield from filled(block)


def options(context: click.Context) -> Iterator[str]:
    """Yield the options of a command; in groups if its help has groups."""
    rows: dict[str, list[tuple[str, str]]] = {title: [] for title in [*GROUPS, ""]}
    for option in context.command.get_params(context):
        record = option.get_help_record(context) if isinstance(option, click.Option) else None
        if record is not None:
            is_grouped = isinstance(context.command, GroupedCommand)
            rows[(is_grouped and group_of(option)) or ""].append(record)
    for title, records in rows.items():
        if title and records:
            yield f".SS {title}"
        for names, text in records:
            yield from (".TP", rf"\fB{escaped(names)}\fR", *filled(text))


def sections(context: click.Context) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield the titles and lines of a page."""
    command = context.command
    name = context.command_path.replace(" ", "-")
    short = command.get_short_help_str(limit=200).rstrip(".")
    yield "NAME", [rf"{escaped(name)} \- {escaped(short[:1].lower() + short[1:])}"]
    usage = " ".join(command.collect_usage_pieces(context))
    yield "SYNOPSIS", [rf"\fB{escaped(context.command_path)}\fR {escaped(usage)}"]
    yield "DESCRIPTION", prose((command.help or "").split("\f")[0])
    if isinstance(command, click.Group):
        yield "COMMANDS", _commands(command, context)
    yield "OPTIONS", options(context)
    examples, notes, status = _epilog(command.epilog or "")
    if notes:
        yield "NOTES", prose(notes)
    if examples:
        yield "EXAMPLES", [".nf", *map(escaped, examples), ".fi"]
    if status:
        yield "EXIT STATUS", filled(status)
    variables = list(_variables(context))
    if variables:
        yield "ENVIRONMENT", variables
    yield "FILES", filled(f"Defaults of options: {_FILE}")
    yield "SEE ALSO", [", ".join(rf"\fB{escaped(page)}\fR(1)" for page in _related(context))]


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for each in group.list_commands(context):
        command = group.get_command(context, each)
        if command is not None and not command.hidden:
            page = f"{context.command_path} {each}".replace(" ", "-")
            yield from (".TP", rf"\fB{escaped(page)}\fR(1)", *filled(command.get_short_help_str(limit=200)))


def _epilog(text: str) -> tuple[list[str], str, str]:
    """Return the lines of the examples, the notes, and the exit statuses."""
    blocks = re.split(r"\n\s*\n", text.replace("\b\n", "").strip("\n"))
    examples: list[str] = []
    if blocks[0].startswith("Examples:"):
        examples = [line.strip() for line in blocks.pop(0).split("\n")[1:]]
    notes, _, status = "\n\n".join(blocks).partition("Exit status:")
    return examples, notes.strip(), " ".join(status.split())


def _variables(context: click.Context) -> Iterator[str]:
    for option in context.command.params:
        if isinstance(option, click.Option) and isinstance(option.envvar, str):
            yield from (".TP", rf"\fB{escaped(option.envvar)}\fR")
            yield from filled(f"Default of --{settings.spelling(option)}.")


def _related(context: click.Context) -> list[str]:
    parents, above = [], context.parent
    while above is not None:
        parents.append(above.command_path.replace(" ", "-"))
        above = above.parent
    own = context.command_path.replace(" ", "-")
    return [page for page in dict.fromkeys([*parents, "tempo-config"]) if page != own] or ["tempo"]


def page(context: click.Context, date: str) -> str:
    """Return the man page of a command."""
    name = context.command_path.replace(" ", "-")
    lines = [f'.TH "{escaped(name.upper())}" "1" "{date}" "tempo {__version__}" "User Commands"']
    for title, body in sections(context):
        lines += [f".SH {title}", *body]
    return "\n".join(lines) + "\n"


def contexts(command: click.Command, parent: click.Context | None, name: str) -> Iterator[click.Context]:
    """Yield a context of each command and group."""
    context = click.Context(command, parent, info_name=name, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            if found is not None and not found.hidden:
                yield from contexts(found, context, each)


def main(folder: Path) -> list[Path]:
    """Write all pages and return their paths."""
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    date = time.strftime("%Y-%m-%d", time.gmtime(seconds))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for context in contexts(cli, None, "tempo"):
        path = folder / f"{context.command_path.replace(' ', '-')}.1"
        path.write_text(page(context, date), encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python docs/make_man.py DIR")
    main(Path(sys.argv[1]))
