"""What shells complete: names of files, models and recipes. Formats and other choices come from click."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import click
    from click.shell_completion import CompletionItem

    Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def files(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell to complete the names of files and folders."""
    return [_item(incomplete, "file")]


def folders(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell to complete the names of folders."""
    return [_item(incomplete, "dir")]


def models(method: str | None = None) -> Complete:
    """Return what completes the names of models, or files.

    Parameters
    ----------
    method : str, optional
        Method of the models; by default, that of the option --method.
    """

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from tempocli.errors import ModelError
        from tempocli.inference.registry import list_models

        wanted = method or ("compare" if context.params.get("method") == "compare" else "classify")
        try:
            known = [(each.name, each.summary) for each in list_models() if each.method == wanted]
        except ModelError:
            known = []  # the command itself says so
        return _names_or_files(known, incomplete)

    return complete


def recipes(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the names of shipped recipes, or files."""
    from tempocli.training.recipe import shipped_recipes

    return _names_or_files([(path.stem, path.parent.name) for path in shipped_recipes()], incomplete)


def commands_or_files(known: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    """Complete the names of commands, or files, since ``tempo FILE`` is ``tempo estimate FILE``.

    Parameters
    ----------
    known : iterable of (str, str)
        Names and their help.
    incomplete : str
    """
    return _names_or_files(known, incomplete)


def _names_or_files(known: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    """Return names and a request for files.

    The request comes first: bash drops what comes before it, and completes files where no name fits.
    """
    names = [_item(name, "plain", text) for name, text in known if name.startswith(incomplete)]
    return [_item(incomplete, "file"), *names]


def _item(value: str, kind: str, text: str | None = None) -> CompletionItem:
    # Imported on use, since it is not needed but in a completion.
    from click.shell_completion import CompletionItem

    return CompletionItem(value, type=kind, help=text)
