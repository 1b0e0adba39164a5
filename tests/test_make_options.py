"""docs/make_options.py: the tables of options are current, and every command has one."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import click
import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture(scope="module")
def options() -> Any:
    spec = importlib.util.spec_from_file_location("make_options", DOCS / "make_options.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_docs_are_current(options: Any) -> None:
    stale = options.main(check=True)
    assert stale == [], "run python docs/make_options.py"


def test_every_command_is_documented_once(options: Any) -> None:
    commands = sorted(context.command_path for context in options.contexts())
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    assert sorted(re.findall(r"<!-- options of (.*) -->", text)) == commands
    assert text.count("<!-- end of options -->") == len(commands)


def test_every_option_has_help(options: Any) -> None:
    for context in options.contexts():
        for parameter in context.command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{context.command_path}: {parameter.name}"


def test_a_table_is_filled_in_and_the_rest_is_kept(options: Any) -> None:
    @click.command("run")
    @click.option("-x", "--axis", metavar="A|B", default=3, show_default=True, help="Which | axis.")
    def command(axis: int) -> None: ...

    context = click.Context(command, info_name="tempo run")
    table = options.table(context)
    assert "    tempo run [OPTIONS]\n" in table
    assert r"| `-x, --axis A\|B` | Which \| axis. [default: 3] |" in table
    page = "before\n<!-- options of tempo run -->\nold\n<!-- end of options -->\nafter\n"
    expected = f"before\n<!-- options of tempo run -->\n{table}<!-- end of options -->\nafter\n"
    assert options.filled(page, {"tempo run": table}) == expected
    assert "`--help`" in table
    assert options.filled(expected, {"tempo run": table}) == expected
    with pytest.raises(KeyError):
        options.filled(page, {})


def test_out_of_date_pages_are_found_and_written(
    options: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "DOCS", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("<!-- options of tempo models -->\n<!-- end of options -->\n", encoding="utf-8")
    assert options.main(check=True) == [page]
    assert "--verify" not in page.read_text(encoding="utf-8")
    assert options.main() == [page]
    assert "| `--verify` |" in page.read_text(encoding="utf-8")
    assert options.main(check=True) == []
