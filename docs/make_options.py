"""Write the options of every command, and what can be configured, into the docs.

python docs/make_options.py            # writes
python docs/make_options.py --check    # exits with 1 if a page is out of date

A page has a line ``<!-- options of tempo COMMAND -->``, and further down ``<!-- end of options -->``. What is
between them is made from the command's own help. ``<!-- settings -->`` is the place of the settings.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tempocli.cli import cli
from tempocli.cli.config import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).resolve().parent
SETTINGS = re.compile(r"(?<=<!-- settings -->\n).*?(?=<!-- end of settings -->)", re.DOTALL)
BLOCK = re.compile(r"(?<=<!-- options of )(tempo [\w -]+?) -->\n.*?(?=<!-- end of options -->)", re.DOTALL)


def contexts(
    command: click.Command = cli, parent: click.Context | None = None, name: str = "tempo"
) -> Iterator[click.Context]:
    """Yield a context of each command that is no group."""
    context = click.Context(command, parent, info_name=name, **command.context_settings)
    if not isinstance(command, click.Group):
        yield context
        return
    for each in command.list_commands(context):
        found = command.get_command(context, each)
        if found is not None and not found.hidden:
            yield from contexts(found, context, each)


def table(context: click.Context) -> str:
    """Write the usage of a command, and a table of its options."""
    usage = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
    options = [each for each in context.command.get_params(context) if isinstance(each, click.Option)]
    records = filter(None, (option.get_help_record(context) for option in options))
    rows = [(f"`{names}`", " ".join(text.split())) for names, text in records]
    lines = ["", f"    {usage}", "", "| option | meaning |", "|---|---|"]
    lines += ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n\n"


def settings_table() -> str:
    """Write a table of what can be set in the configuration file and by variables."""
    lines = ["", "| table of the file | variables begin with | settings |", "|---|---|---|"]
    for names, command in settings.leaves(cli, click.Context(cli)):
        found = [f"`{settings.spelling(each)}`" for each in command.params if settings.is_settable(each)]
        if found:
            prefix = "_".join(("tempo", *names)).upper()
            lines.append(f"| `[{'.'.join(names)}]` | `{prefix}_` | {', '.join(sorted(found))} |")
    return "\n".join(lines) + "\n\n"


def filled(text: str, tables: dict[str, str]) -> str:
    """Return a page with the tables in their places.

    Raises
    ------
    KeyError
        If the page has a place for a command that does not exist.
    """
    return BLOCK.sub(lambda found: f"{found[1]} -->\n{tables[found[1]]}", text)


def main(*, check: bool = False) -> list[Path]:
    """Write the pages, or only list those that are out of date."""
    tables = {context.command_path: table(context) for context in contexts()}
    stale = []
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        new = SETTINGS.sub(lambda _: settings_table(), filled(text, tables))
        if new != text:
            stale.append(page)
            if not check:
                page.write_text(new, encoding="utf-8")
    return stale


if __name__ == "__main__":
    checked = sys.argv[1:] == ["--check"]
    pages = main(check=checked)
    if checked and pages:
        sys.exit(f"out of date: {', '.join(page.name for page in pages)}; run python docs/make_options.py")
