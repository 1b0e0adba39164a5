"""The profiles of the user, which lie beside the configuration file, as values of options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tempocli.errors import DataError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # generic since click 8.2


class ProfileType(_ParamType):
    """The name of a profile, or the path of its file; opened when the option is read."""

    name = "profile"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Open the profile; raise click.BadParameter if there is none, or it cannot be read."""
        from tempocli.decoding.profiles.files import find_profile

        try:
            return find_profile(value) if isinstance(value, str) else value
        except DataError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the names that begin like this; without any, have the shell complete paths."""
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name) for name in profile_names(ctx, param, incomplete)]
        return names or [CompletionItem(incomplete, type="file")]


def profile_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of profiles that begin like this; for shell completion."""
    from tempocli.decoding.profiles.files import list_profiles

    return [name for name in list_profiles() if name.startswith(incomplete)]
